"""A leader without gateway and logic: a claim, a ring that a test fills, and the journaler on a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from processor.counters import Counters
from processor.journal.base import Journal
from processor.journal.journaler import Journaler
from processor.layout import BLOCK_HEADER, HEADER
from processor.leadership.claim import build_claim, new_writer
from processor.leadership.validity import LeaderLog
from processor.ring.buffer import Ring
from processor.ring.exercise import consume, produce
from tests.journal.records import read_to
from tests.test_validity import SCHEMA


def append_claim(journal: Journal, journal_id: int = 0) -> tuple[int, int, int]:
    """A claim by a new writer: (writer, offset, next_offset)."""
    writer = new_writer()
    header, data = build_claim(writer, journal_id or writer, SCHEMA, "1", host="elsewhere", pid=77)
    return writer, *journal.append_record(header, data)


class Leader:
    """`publish` slots, and see what becomes of them."""

    def __init__(self, journal: Journal, claimed: tuple[int, int, int], ring: Ring, **options: int) -> None:
        self.journal, self.ring = journal, ring
        self.writer, self.epoch_offset, expected = claimed
        self.log = LeaderLog(self.writer, self.epoch_offset, self.writer, 1, expected)
        self.counters = Counters()
        self.journaler = Journaler(
            ring, journal, self.log, counters=self.counters, next_sequence=1, fingerprint=SCHEMA.fingerprint,
            **{"timestamp": 0, "max_block_events": 4096, **options},
        )
        self._thread = threading.Thread(target=self.journaler.run)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The journaler's thread; aborted when the test has not ended it."""
        self._thread.start()
        try:
            yield
        finally:
            self.journaler.abort()
            self._thread.join(30)
            assert not self._thread.is_alive()

    def publish(self, count: int) -> None:
        produce(self.ring, count, self.ring.capacity)

    def pass_on(self, count: int) -> None:
        """Frees slots that are durable, as logic does; that they were stamped since they were filled is no matter."""
        consume(self.ring, 2, count)

    def durable(self) -> int:
        return self.ring.position(1)

    def drain(self, timeout_s: float = 30) -> tuple[str, str]:
        """Asks for the end, and the outcome."""
        self.journaler.drain()
        return self.ended(timeout_s)

    def ended(self, timeout_s: float = 30) -> tuple[str, str]:
        """The outcome, once the thread has ended by itself."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"the journaler still runs after {timeout_s} s"
        return self.journaler.outcome

    def blocks(self) -> list[tuple[np.void, np.ndarray]]:
        """(header, slot headers) of every block in the journal, of whichever writer; claims left out."""
        reader = self.journal.reader(0)
        found = []
        for _, _, text, data in read_to(reader, self.journal.ends()[1]):
            header = np.frombuffer(text, BLOCK_HEADER)[0]
            if header["kind"] == 1:
                slot = np.dtype([("header", HEADER), ("payload", f"V{int(header['slot_bytes']) - HEADER.itemsize}")])
                found.append((header, np.frombuffer(data, slot)["header"]))
        reader.close()
        return found


def lead(
    journal: Journal, *, capacity: int = 1024, slot_bytes: int = 64, wait: str = "block", **options: int
) -> Leader:
    """Claims the journal, and makes its leader."""
    return Leader(journal, append_claim(journal), Ring(slot_bytes, capacity, reserved=0, wait=wait), **options)
