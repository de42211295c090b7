"""What a leader does when its block is not acknowledged where it must be: reads the log until it knows why."""

from __future__ import annotations

from dataclasses import dataclass

from processor.errors import JournalError
from processor.journal.base import Journal
from processor.leadership.validity import (
    ACK_DEPOSED,
    ACK_LOG_LOST,
    LOOK_DEPOSED,
    LOOK_FOUND,
    LOOK_LOST,
    LeaderLog,
)

READ_STALL_S = 30.0


@dataclass(frozen=True)
class Examined:
    """`outcome` is found (then the block stands at `offset`), deposed or log-lost (then `text` says what was found)."""

    outcome: str
    offset: int = -1
    next_offset: int = -1
    text: str = ""


def examine(log: LeaderLog, verdict: int, journal: Journal, offset: int) -> Examined:
    """Settles an acknowledgement at `offset` (-1: unknown) for which `log` gave a verdict other than ACK_ADVANCE.

    Reads from log.expected_offset on. Raises JournalError when the log cannot be read, or says nothing for READ_STALL_S.
    """
    expected = log.expected_offset
    if verdict == ACK_LOG_LOST:
        return Examined("log-lost", text=_lost(offset, expected))
    if verdict == ACK_DEPOSED:
        return Examined("deposed", text=_deposed(log))
    reader = journal.reader(expected)
    try:
        while True:
            record = reader.read(timeout_s=READ_STALL_S)
            if record is None:
                raise JournalError(
                    f"{journal.url}: a block was acknowledged at offset {offset}, and cannot be read back from {expected} on "
                    f"within {READ_STALL_S:g} s; start again: recovery finds out what the log holds"
                )
            at, next_offset, header, _ = record
            look = log.look_at(at, next_offset, header)
            if look == LOOK_FOUND:
                return Examined("found", at, next_offset)
            if look == LOOK_DEPOSED:
                return Examined("deposed", text=_deposed(log))
            if look == LOOK_LOST:
                return Examined("log-lost", text=_lost(at, expected))
    finally:
        reader.close()


def _deposed(log: LeaderLog) -> str:
    return (
        f"another writer's claim stands in the journal behind ours (epoch {log.epoch_offset}, {log.epoch_writer:016x}); "
        "what it has not let in of ours is void, and its clients ask again"
    )


def _lost(offset: int, expected: int) -> str:
    return (
        f"the journal acknowledged a block at offset {offset}, where {expected} was expected: it has lost records that it had "
        "acknowledged. Nothing more is taken in. Look at the broker's log and its replicas before starting again"
    )
