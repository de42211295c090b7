"""Which snapshot a recovery begins with, or why it must not begin at all.

No I/O: the caller lists, reads and checks files, and looks at the log's ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from processor.errors import SnapshotError


@dataclass(frozen=True)
class Candidate:
    """A snapshot file as its header describes it; `problem` says why it cannot be read ("": it can)."""

    name: str
    sequence: int = 0  # applied last
    position: int = 0  # where replay begins
    journal_id: int = 0
    last_block_offset: int = -1
    last_block_checksum: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Choice:
    """`snapshot` None: begin with the first event. `skipped`: (name, reason) of the newer ones that are not used."""

    snapshot: Candidate | None
    position: int
    skipped: tuple[tuple[str, str], ...] = ()


def choose(
    candidates: Iterable[Candidate],
    *,
    journal_id: int,
    log_first: int,
    log_end: int,
    log_begins: int = 0,
    check: Callable[[Candidate], str] = lambda candidate: "",
) -> Choice:
    """The newest snapshot that is whole, belongs to this journal, and has all that follows it in the log.

    `journal_id` is that of the log's first claim, 0 when it holds none (empty, or its beginning is gone). The log
    holds offsets from log_first up to log_end; log_begins is what log_first was when it was new. `check` reads a whole
    file, newest first, and returns what is wrong with it. Raises SnapshotError, saying what to do, rather than begin
    with less than everything that was acknowledged.
    """
    skipped: list[tuple[str, str]] = []
    foreign: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: (one.sequence, one.name), reverse=True):
        problem = candidate.problem or check(candidate)
        if problem:
            skipped.append((candidate.name, problem))
        elif journal_id and candidate.journal_id != journal_id:
            foreign.append(candidate)
            skipped.append((candidate.name, f"it belongs to journal {candidate.journal_id:016x}"))
        else:
            _check_span(candidate, log_first, log_end)
            return Choice(candidate, candidate.position, tuple(skipped))
    if foreign:
        raise SnapshotError(
            f"the journal is {journal_id:016x}, the snapshots ({', '.join(one.name for one in foreign)}) belong to "
            f"{', '.join(sorted({f'{one.journal_id:016x}' for one in foreign}))}: name the journal they belong to, or "
            "another directory with --snapshots"
        )
    if log_first > log_begins:
        unusable = f" ({'; '.join(f'{name}: {reason}' for name, reason in skipped)})" if skipped else ""
        raise SnapshotError(
            f"the journal begins at offset {log_first}, what stood before is gone, and there is no usable snapshot"
            f"{unusable}: bring back a snapshot with a position of {log_first} or more, or the journal's beginning"
        )
    return Choice(None, log_first, tuple(skipped))


def _check_span(snapshot: Candidate, log_first: int, log_end: int) -> None:
    if snapshot.position > log_end:
        raise SnapshotError(
            f"{snapshot.name}: goes on at offset {snapshot.position}, but the journal ends at {log_end}: the journal "
            "has lost acknowledged records, or it is another one. Bring it back, or name another directory with "
            "--snapshots"
        )
    if snapshot.position < log_first:
        raise SnapshotError(
            f"{snapshot.name}: goes on at offset {snapshot.position}, but the journal begins at {log_first}: the "
            "records between are gone. Bring back a newer snapshot or the records, and keep the topic without end"
        )


@dataclass(frozen=True)
class LastBlock:
    """What stands in the log where the snapshot's last applied block stood."""

    epoch_offset: int
    epoch_writer: int
    checksum: int


def check_last_block(
    snapshot: Candidate, epoch_offset: int, epoch_writer: int, found: LastBlock | None, *, log_first: int
) -> None:
    """Raises SnapshotError unless the last applied block reads as it did. `found` None: no record stands there.

    Passes when the block lies before log_first: then nothing is left to compare.
    """
    if snapshot.last_block_offset < 0 or (found is None and snapshot.last_block_offset < log_first):
        return
    expected = LastBlock(epoch_offset, epoch_writer, snapshot.last_block_checksum)
    if found != expected:
        stands = (
            "nothing stands there"
            if found is None
            else f"there stands one of epoch ({found.epoch_offset}, {found.epoch_writer:016x}), "
            f"checksum {found.checksum:08x}"
        )
        raise SnapshotError(
            f"{snapshot.name}: its last applied block is at offset {snapshot.last_block_offset}, of epoch "
            f"({epoch_offset}, {epoch_writer:016x}), checksum {expected.checksum:08x}; {stands}: it is a snapshot of "
            "another journal, or the journal was changed. Name the right one, or another directory with --snapshots"
        )
