"""What a leader does when its block is not acknowledged where it must be: reads the log until it knows why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from processor.errors import CorruptJournal, JournalError
from processor.journal.base import Journal
from processor.leadership.claim import parse_claim
from processor.leadership.validity import (
    ACK_DEPOSED,
    ACK_LOG_LOST,
    LOOK_DEPOSED,
    LOOK_FOUND,
    LOOK_LOST,
    LeaderLog,
)

READ_STALL_S = 30.0
SLICE_S = 0.25


@dataclass(frozen=True)
class Examined:
    """`outcome` is found (then the block stands at `offset`), deposed or log-lost (then `text` says what was found)."""

    outcome: str
    offset: int = -1
    next_offset: int = -1
    text: str = ""


def examine(
    log: LeaderLog,
    verdict: int,
    journal: Journal,
    offset: int,
    *,
    stall_s: float = READ_STALL_S,
    should_stop: Callable[[], bool] = lambda: False,
) -> Examined:
    """Settles an acknowledgement at `offset` (-1: unknown) for which `log` gave a verdict other than ACK_ADVANCE.

    Reads from log.expected_offset on; while the broker cannot be reached it waits, as the service does. Raises JournalError
    when the log cannot be read, when it is there and says nothing for stall_s, or when should_stop() is true.
    """
    expected = log.expected_offset
    if verdict == ACK_LOG_LOST:
        return Examined("log-lost", text=_lost(offset, expected))
    if verdict == ACK_DEPOSED:
        return Examined("deposed", text=_deposed(log))
    reader = journal.reader(expected)
    try:
        slice_s, waited_s = min(SLICE_S, stall_s), 0.0
        while True:
            record = reader.read(timeout_s=slice_s)
            if record is None:
                if should_stop():
                    raise JournalError(f"{journal.url}: stopped while a block's place was read back")
                waited_s = waited_s + slice_s if is_there(journal) else 0.0
                if waited_s < stall_s:
                    continue
                raise JournalError(
                    f"{journal.url}: a block was acknowledged at offset {offset}, and cannot be read "
                    f"back from {expected} on within {stall_s:g} s; start again: recovery finds out what the log holds"
                )
            waited_s = 0.0
            at, next_offset, header, data = record
            look = log.look_at(at, next_offset, header)
            if look == LOOK_FOUND:
                return Examined("found", at, next_offset)
            if look == LOOK_DEPOSED:
                return Examined("deposed", text=_deposed(log, at, header, data))
            if look == LOOK_LOST:
                return Examined("log-lost", text=_not_there(offset, at))
    finally:
        reader.close()


def is_there(journal: Journal) -> bool:
    """Whether somebody tells where the journal ends."""
    try:
        journal.ends()
    except JournalError:
        return False
    return True


def _deposed(log: LeaderLog, at: int = -1, header: bytes = b"", data: bytes = b"") -> str:
    return (
        f"another writer's claim stands in the journal{_who(at, header, data)} behind ours (epoch {log.epoch_offset}, "
        f"{log.epoch_writer:016x}): what comes behind it of ours is void, and the clients ask the new leader again"
    )


def _who(at: int, header: bytes, data: bytes) -> str:
    if at < 0:
        return ""
    try:
        claim = parse_claim(header, data)
    except CorruptJournal:
        return f" at offset {at} (or a record that only a newer version of this software can read)"
    return f" at offset {at} (process {claim.pid} on {claim.host})"


def _not_there(offset: int, at: int) -> str:
    where = f"at offset {offset}" if offset >= 0 else "at an offset that it did not tell"
    return (
        f"the journal acknowledged a block {where}, and reading it back finds something else at {at}: "
        "it has lost records that it had acknowledged. Nothing more is taken in. Look at the broker's log and its "
        "replicas before starting again"
    )


def _lost(offset: int, expected: int) -> str:
    return (
        f"the journal acknowledged a block at offset {offset}, where {expected} was expected: it has "
        "lost records that it had acknowledged. Nothing more is taken in. Look at the broker's log and its replicas "
        "before starting again"
    )
