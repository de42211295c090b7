"""Journals for the tests of the past: written by a real service, and then damaged block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.service_process import running
from processor.app import App, load_app
from processor.client import Client, admin
from processor.journal import open_journal
from processor.layout import BLOCK_HEADER

EVENTS = 600
BLOCK_EVENTS = 16
SNAPSHOT_EVERY = 150

Record = tuple[bytes, bytes]


@dataclass
class Written:
    """What a service left behind."""

    name: str
    url: str
    snapshots: Path

    @property
    def app(self) -> App:
        return load_app(self.name)

    @property
    def arguments(self) -> list[str]:
        return ["--app", self.name, "--journal", self.url, "--snapshots", str(self.snapshots)]


def embedded(path: Path) -> str:
    """An embedded journal with segments small enough to be copied."""
    return f"embedded://{path}?segment_bytes=1048576"


def served(name: str, directory: Path, events: int = EVENTS) -> Written:
    """An application's events 1 to `events` through a service, with snapshots and recorded hashes on the way."""
    app = load_app(f"tests.history.apps:{name}")
    add: Any = next(iter(app.event_classes()))
    written = Written(f"tests.history.apps:{name}", embedded(directory / "journal"), directory / "snapshots")
    address = f"unix:{directory}/s"
    # By command, and waited for: when one every N events is taken depends on how long the one before it takes.
    options = ("--snapshot-every", "0", "--max-block-events", str(BLOCK_EVENTS))
    with running(
        written.name, journal=written.url, listen=address, snapshots=written.snapshots, options=options
    ) as service:
        with Client(address, app, timeout_s=60) as client:
            for first in range(0, events, SNAPSHOT_EVERY):
                numbers = range(first, first + SNAPSHOT_EVERY)
                client.send_many(add(1 + number, f"name {number % 40}") for number in numbers)
                assert len(list(client.answers())) == SNAPSHOT_EVERY
                assert admin(address, {"command": "snapshot"})["ok"]
        assert service.stop() == 0, service.lines
    return written


def records(url: str) -> list[Record]:
    """Every record of a journal: claims and blocks, (header, data)."""
    with open_journal(url) as journal:
        reader = journal.reader(0)
        found = []
        while (record := reader.read()) is not None:
            found.append((record[2], record[3]))
        reader.close()
        return found


def rewritten(source: Written, path: Path, change: Callable[[list[Record]], list[Record]]) -> Written:
    """The same journal with other records, in a new one whose checksums are right; snapshots stay those of the
    source.
    """
    url = embedded(path)
    with open_journal(url, write=True) as journal:
        for header, data in change(records(source.url)):
            journal.append_record(header, data)
    return Written(source.name, url, source.snapshots)


def block_holding(found: list[Record], sequence: int) -> int:
    """The number of the record whose block holds this sequence."""
    for number, (header, _) in enumerate(found):
        head = np.frombuffer(header, BLOCK_HEADER)[0]
        if head["kind"] == 1 and head["first_sequence"] <= sequence < head["first_sequence"] + head["count"]:
            return number
    raise AssertionError(f"no block holds sequence {sequence}")


def first_sequence(record: Record) -> int:
    return int(np.frombuffer(record[0], BLOCK_HEADER)[0]["first_sequence"])
