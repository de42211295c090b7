"""Journals, behind one interface (base.pxd): Kafka's partitions, the embedded journal's files, memory."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from processor.errors import JournalError, WrongUse
from processor.journal.base import Journal, JournalReader
from processor.journal.directory import JournalDirectory
from processor.journal.embedded import EmbeddedJournal
from processor.journal.memory import MemoryJournal, MemoryLog
from processor.journal.url import JournalUrl, parse_url

__all__ = ["Journal", "JournalReader", "JournalUrl", "open_journal", "parse_url"]

_memory_logs: dict[str, MemoryLog] = {}     # of memory:NAME, for this process's life


def open_journal(
    url: str,
    *,
    write: bool = False,
    create: bool = True,
    settings: Mapping[str, str] | None = None,
    allow_finite_retention: bool = False,
) -> Journal:
    """The journal that `url` names, for reading or also for writing; close it, or use it as a context manager.

    It is made when it does not exist and both `write` and `create` are given. `settings` are librdkafka's, and like
    `allow_finite_retention` for kafka:// alone. Raises WrongUse for a URL that names none, JournalError when it is not
    there or cannot be read, JournalLocked when another process writes to it, CorruptJournal when it is damaged.
    """
    named = parse_url(url)
    if named.kind == "kafka":
        kafka = importlib.import_module("processor.journal.kafka_topic")
        return cast(
            Journal,
            kafka.open_kafka(
                url, write=write, create=create, settings=settings, allow_finite_retention=allow_finite_retention
            ),
        )
    if settings:
        raise WrongUse(f"{url}: settings are librdkafka's and mean nothing to this journal: {', '.join(settings)}")
    if named.kind == "embedded":
        directory = JournalDirectory.open(named.path, write=write, create=create, segment_bytes=named.segment_bytes)
        try:
            return EmbeddedJournal(directory, url)
        except BaseException:
            directory.close()
            raise
    return _open_memory(named, write and create)


def _open_memory(named: JournalUrl, create: bool) -> Journal:
    if not named.name:
        return MemoryJournal(MemoryLog(), named.text, keep=named.keep)
    log = _memory_logs.get(named.name)
    if log is None:
        if not create:
            raise JournalError(f"{named.text}: there is no such journal in this process's memory")
        log = _memory_logs[named.name] = MemoryLog()
    return MemoryJournal(log, named.text, keep=named.keep)
