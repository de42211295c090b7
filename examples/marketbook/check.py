"""Compares states of the past with what the exchange published: by sequence, by time, with and without snapshots."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from examples.marketbook import Book, Message, app
from examples.marketbook.files import NO_PRICE, read_levels
from processor.errors import WrongUse
from processor.history.history import History
from processor.history.target import Target
from processor.journal import open_journal
from processor.layout import BLOCK_HEADER
from processor.recovery.plan import PLAN_APPLY, RecoveryPlan

SNAPSHOTS = 16  # that are made for the time of a check, where none are named
SLOW_QUERIES = 5  # rows that are asked for without snapshots as well


@dataclass
class Checked:
    """`equal` of `asked` states were the file's; `first_different` tells one that was not."""

    rows: int = 0
    asked: int = 0
    equal: int = 0
    by_time: int = 0
    seconds: list[float] = field(default_factory=list)
    seconds_without: list[float] = field(default_factory=list)
    first_different: str = ""

    def summary(self) -> dict[str, object]:
        return {
            "ok": self.asked > 0 and self.equal == self.asked,
            "rows": self.rows,
            "states": self.asked,
            "equal": self.equal,
            "by_time": self.by_time,
            "query_seconds_median": round(statistics.median(self.seconds), 6) if self.seconds else None,
            "query_seconds_median_without_snapshots": round(statistics.median(self.seconds_without), 6)
            if self.seconds_without
            else None,
            "first_different": self.first_different or None,
        }


def check(
    orderbook: str | Path, journal: str, *, rows: int = 100, seed: int = 1, snapshots: str | Path | None = None
) -> Checked:
    """Asks for `rows` random rows (all, when the file has no more). Raises WrongUse for another file's journal."""
    published = [np.array(row, np.int64) for row in read_levels(orderbook)]
    sequences, times = row_events(journal)
    if len(published) != len(sequences):
        raise WrongUse(
            f"{orderbook} has {len(published)} rows, the journal {journal} holds {len(sequences)}: they are no pair"
        )
    chosen = sorted(random.Random(seed).sample(range(len(published)), min(rows, len(published))))
    result = Checked(rows=len(published))
    with tempfile.TemporaryDirectory(prefix="marketbook-") as directory:
        if snapshots is None:
            write_snapshots(journal, Path(directory), sequences)
        with History(app, journal, snapshots or directory) as history:
            for row in chosen:
                _ask(result, history, published[row], row, Target(sequence=int(sequences[row])), result.seconds)
                if row + 1 == len(times) or times[row + 1] > times[row]:
                    result.by_time += 1
                    _ask(result, history, published[row], row, Target(time_ns=int(times[row])), result.seconds)
        with History(app, journal) as history:
            for row in chosen[:: max(1, len(chosen) // SLOW_QUERIES)]:
                _ask(result, history, published[row], row, Target(sequence=int(sequences[row])), result.seconds_without)
    return result


def _ask(
    result: Checked, history: History, published: np.ndarray, row: int, target: Target, seconds: list[float]
) -> None:
    started = time.perf_counter()
    moment = history.at(target)
    seconds.append(time.perf_counter() - started)
    result.asked += 1
    found = as_row(moment.state)
    if moment.state.row == row and np.array_equal(found, published):
        result.equal += 1
    elif not result.first_different:
        result.first_different = (
            f"row {row} ({target}, sequence {moment.sequence}, row {moment.state.row}): the file has "
            f"{published.reshape(-1).tolist()}, the state {found.reshape(-1).tolist()}"
        )


def as_row(book: Book) -> np.ndarray:
    """The book as the file writes it: shape (levels, 4), int64, padded as the file pads."""
    row = np.array([[NO_PRICE, 0, -NO_PRICE, 0]] * book.depth, np.int64).reshape(-1, 4)
    for place, level in enumerate(book.levels(book.depth)):
        for column, price in ((0, level[0]), (2, level[2])):
            if price is not None:
                row[place, column : column + 2] = price, level[column + 1]
    return row


def row_events(journal: str) -> tuple[np.ndarray, np.ndarray]:
    """(sequence, time in ns) of each row's event, shape (rows,), from the events themselves."""
    message = app.message_of(Message)
    dtype = app.schema.slot_dtype(message)
    sequences: list[np.ndarray] = []
    times: list[np.ndarray] = []
    for slots in _blocks(journal, dtype):
        mine = slots[slots["type"] == message.number]
        sequences.append(mine["sequence"].copy())
        times.append(mine["timestamp"].copy())
    if not sequences:
        raise WrongUse(f"{journal} holds no row of a market's book: load one first")
    return np.concatenate(sequences), np.concatenate(times)


def _blocks(url: str, dtype: np.dtype) -> Iterator[np.ndarray]:
    """The slots of every block that counts."""
    with open_journal(url) as journal:
        first, end = journal.ends()
        plan = RecoveryPlan(first, slot_bytes=dtype.itemsize)
        reader = journal.reader(first)
        try:
            while plan.position < end:
                record = reader.read(timeout_s=30)
                if record is None:
                    raise WrongUse(f"{url}: cannot be read from offset {plan.position} on")
                if plan.record(*record[:3]) == PLAN_APPLY:
                    count = int(np.frombuffer(record[2], BLOCK_HEADER)[0]["count"])
                    yield np.frombuffer(record[3], dtype, count)
        finally:
            reader.close()


def write_snapshots(journal: str, directory: Path, sequences: np.ndarray) -> None:
    """A snapshot every so many rows, all on one way through the journal."""
    with History(app, journal) as history:
        history.write_snapshots(
            directory, sorted({int(part[0]) for part in np.array_split(sequences, SNAPSHOTS) if len(part)})
        )
