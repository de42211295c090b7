"""A journal's records as any reader must see them: judged by the rule of one writer, each block with its schema.

Nothing but the journal is needed: the schema stands in the claims. Of the log one record is held at a time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from processor.errors import CorruptJournal, JournalError, WrongUse
from processor.journal import open_journal, parse_url
from processor.journal.base import Journal, JournalReader
from processor.layout import BLOCK_HEADER, HEADER, SLOT_HEADER_BYTES
from processor.leadership.claim import BLOCK_CLAIM, BLOCK_MAGIC, BLOCK_SLOTS, Claim, parse_claim
from processor.leadership.validity import RECORD_UNREADABLE, RECORD_VOID, Validity
from processor.schema import Schema

READ_STALL_S = 10.0

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Record:
    """What is common to all: `void` ones count for nobody. `bytes` is what header and data take."""

    offset: int
    next_offset: int
    bytes: int
    void: bool


@dataclass(frozen=True)
class ClaimRecord(Record):
    """A writer's claim; `claim` is None for a void one that does not read."""

    claim: Claim | None


@dataclass(frozen=True)
class BlockRecord(Record):
    """A run of events. `schema` is None when no claim with its fingerprint stood before it.

    `slots` are its bytes, `headers` the slots' headers (shape (count,), dtype layout.HEADER) over the same memory.
    """

    epoch_offset: int
    epoch_writer: int
    slot_bytes: int
    schema: Schema | None
    slots: bytes
    headers: Array


@dataclass(frozen=True)
class ForeignRecord(Record):
    """A record that is no block and no claim of this software: void."""


def open_to_look(url: str) -> Journal:
    """The journal for reading, also while a service writes to it, however long its topic keeps records.

    Raises WrongUse for a memory journal, else as open_journal.
    """
    if parse_url(url).kind == "memory":
        raise WrongUse(f"{url}: only the process that holds a memory journal sees it: name a kafka:// or embedded: one")
    return open_journal(url, allow_finite_retention=True)


def records(journal: Journal) -> Iterator[Record]:
    """All records up to the end as it is now, in order.

    Raises CorruptJournal when the log is damaged or cannot be understood, after everything before that place;
    JournalError when it cannot be read.
    """
    first, end = 0, None
    # What stands before a damage comes first; the reader meets it again.
    with contextlib.suppress(CorruptJournal):
        first, end = journal.ends()
    validity, schemas = (Validity(), {}) if first == 0 else _without_beginning(journal, first, end)
    for offset, next_offset, header, data in _read(journal, first, end):
        head = np.frombuffer(header, BLOCK_HEADER)[0]
        verdict = validity.judge_header(offset, header)
        where = f"{journal.url}, offset {offset}"
        if verdict == RECORD_UNREADABLE:
            raise CorruptJournal(
                f"{where}: a record of format {head['version']}, kind {head['kind']}, unknown to this version: "
                "use the version that wrote it, or a newer one"
            )
        size, void = len(header) + len(data), verdict == RECORD_VOID
        if head["magic"] != BLOCK_MAGIC:
            yield ForeignRecord(offset, next_offset, size, void)
        elif head["kind"] == BLOCK_CLAIM:
            claim = _claim(header, data, where, void)
            if claim is not None:
                schemas[claim.schema.fingerprint] = claim.schema
            yield ClaimRecord(offset, next_offset, size, void, claim)
        else:
            yield _block(offset, next_offset, size, void, head, data, schemas, where)


def _read(journal: Journal, first: int, end: int | None) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Records from `first` to `end`, or with None to the end that the reader finds."""
    reader: JournalReader = journal.reader(first)
    try:
        moved_at = time.monotonic()
        while end is None or reader.position < end:
            record = reader.read(timeout_s=0.0 if end is None else 1.0)
            if record is not None:
                moved_at = time.monotonic()
                yield record
            elif end is None:
                return
            elif time.monotonic() - moved_at > READ_STALL_S:
                raise JournalError(
                    f"{journal.url}: nothing could be read at offset {reader.position} for {READ_STALL_S:g} s, but "
                    f"the journal goes on to {end}: is the broker well? Try again"
                )
    finally:
        reader.close()


def _claim(header: bytes, data: bytes, where: str, void: bool) -> Claim | None:
    try:
        return parse_claim(header, data, where)
    except CorruptJournal:
        if void:
            return None
        raise


def _block(
    offset: int, next_offset: int, size: int, void: bool, head: Any, data: bytes, schemas: dict[int, Schema], where: str
) -> Record:
    count, slot_bytes = int(head["count"]), int(head["slot_bytes"])
    if count * slot_bytes != len(data) or slot_bytes < SLOT_HEADER_BYTES:
        if void:
            return ForeignRecord(offset, next_offset, size, void)
        raise CorruptJournal(f"{where}: {count} slots of {slot_bytes} bytes cannot have {len(data)} bytes")
    return BlockRecord(
        offset, next_offset, size, void, int(head["epoch_offset"]), int(head["epoch_writer"]), slot_bytes,
        schemas.get(int(head["fingerprint"])), data, np.ndarray(count, HEADER, data, strides=(slot_bytes,)),
    )


def _without_beginning(journal: Journal, first: int, end: int | None) -> tuple[Validity, dict[int, Schema]]:
    """How a log stands whose first records have expired: by its first block's word and the first claim still there."""
    block = claim = None
    for offset, _, header, data in _read(journal, first, end):
        head = np.frombuffer(header, BLOCK_HEADER)[0]
        if head["magic"] == BLOCK_MAGIC and head["kind"] == BLOCK_SLOTS and block is None:
            block = head
        elif head["magic"] == BLOCK_MAGIC and head["kind"] == BLOCK_CLAIM and claim is None:
            claim = _claim(header, data, f"{journal.url}, offset {offset}", void=True)
        if block is not None and claim is not None:
            break
    journal_id = claim.journal_id if claim is not None else 0
    if block is None:
        return Validity.resume(journal_id, -1, 0, 1), {}
    schemas = {claim.schema.fingerprint: claim.schema} if claim is not None else {}
    return Validity.resume(
        journal_id, int(block["epoch_offset"]), int(block["epoch_writer"]), int(block["first_sequence"])
    ), schemas
