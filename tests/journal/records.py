"""Records whose every byte follows from their number, so that a lost, doubled or changed one shows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cache

import numpy as np

from processor.journal.base import Journal, JournalReader
from processor.layout import BLOCK_HEADER
from processor.leadership.claim import BLOCK_MAGIC, BLOCK_SLOTS

Record = tuple[bytes, bytes]


@cache
def record(number: int, size: int = 64) -> Record:
    """Header and `size` bytes of data, none of them zero, of record `number` (in first_sequence)."""
    header = np.zeros((), BLOCK_HEADER)
    header["magic"], header["version"], header["kind"] = BLOCK_MAGIC, 1, BLOCK_SLOTS
    header["epoch_offset"], header["epoch_writer"] = 0, 0xA1
    header["first_sequence"], header["count"], header["slot_bytes"] = number, 1, 64
    header["data_bytes"] = size
    return header.tobytes(), bytes(byte or 255 for byte in random.Random(number).randbytes(size))


def number_of(header: bytes) -> int:
    return int(np.frombuffer(header, BLOCK_HEADER)[0]["first_sequence"])


def same(header: bytes, data: bytes, number: int, size: int = 64) -> bool:
    """Whether these are record `number`'s bytes, but for what a journal adds to the header (synced, checksum)."""
    found = np.frombuffer(header, BLOCK_HEADER).copy()
    found["synced"] = found["checksum"] = 0
    return (found.tobytes(), data) == record(number, size)


def fill(journal: Journal, numbers: range, size: int = 64) -> list[tuple[int, int]]:
    """Appends these records, each acknowledged before the next; their (offset, next_offset)."""
    return [journal.append_record(*record(number, size)) for number in numbers]


def read_to(reader: JournalReader, end: int, timeout_s: float = 20.0) -> list[tuple[int, int, bytes, bytes]]:
    """Records up to offset `end`; fails when one does not come in time."""
    found = []
    while reader.position < end:
        one = reader.read(timeout_s=timeout_s)
        assert one is not None, f"nothing at {reader.position} within {timeout_s} s, the end is {end}"
        found.append(one)
    return found


def read_numbers(journal: Journal, position: int = 0) -> list[int]:
    """The numbers of all records from `position` to the end, each checked to the last byte."""
    reader = journal.reader(position)
    try:
        found = read_to(reader, journal.ends()[1])
    finally:
        reader.close()
    for _, _, header, data in found:
        assert same(header, data, number_of(header), len(data))
    return [number_of(header) for _, _, header, _ in found]


def wait_until(happened: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Waits for what another thread or process does without telling; fails after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {timeout_s} s"
        time.sleep(0.002)
