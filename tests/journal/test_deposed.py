"""A leader beside another writer of the same log: void blocks are passed over, a claim deposes, a lost log stops it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from processor.errors import JournalError
from processor.journal.exercise import AnsweringJournal
from processor.journal.memory import MemoryJournal, MemoryLog
from processor.leadership.examine import Examined, examine
from processor.leadership.validity import (
    ACK_ADVANCE,
    ACK_DEPOSED,
    ACK_LOG_LOST,
    ACK_READ_BACK,
    ACK_READ_BETWEEN,
    LeaderLog,
)
from tests.journal.leading import Leader, append_claim, lead
from tests.journal.records import record, wait_until
from tests.test_validity import block

Answer = Callable[[int, int], tuple[int, int]]


def beside(answer: Answer | None = None) -> tuple[Leader, MemoryJournal]:
    """A leader (whose acknowledgements `answer` may change, its claim's aside), and another writer to its log."""
    log = MemoryLog()
    journal = AnsweringJournal(log, "memory:test", lambda *told: told)
    leader = lead(journal)
    if answer is not None:
        journal.answer = answer
    return leader, MemoryJournal(log, "memory:other")


def unknown(offset: int, next_offset: int) -> tuple[int, int]:
    return -1, -1


@pytest.mark.parametrize("answer", [None, unknown])
def test_void_records_of_another_between_ours_are_passed_over(answer: Answer | None) -> None:
    leader, other = beside(answer)
    with leader.running():
        for turn in range(1, 6):
            other.append_record(*record(turn, 64))                    # of an epoch that is none
            append_claim(other)                                       # would found another journal: void
            leader.publish(2)
            wait_until(lambda turn=turn: leader.durable() == 2 * turn)
        assert leader.drain() == ("drained", "")
    assert leader.log.expected_offset == len(other.log)
    ours = [slots for header, slots in leader.blocks() if header["epoch_writer"] == leader.writer]
    assert [int(sequence) for slots in ours for sequence in slots["sequence"]] == list(range(1, 11))


@pytest.mark.parametrize("answer", [None, unknown])
def test_a_foreign_claim_before_our_block_deposes(answer: Answer | None) -> None:
    leader, other = beside(answer)
    with leader.running():
        leader.publish(3)
        wait_until(lambda: leader.durable() == 3)
        _, offset, _ = append_claim(other, leader.writer)
        leader.publish(2)
        outcome, text = leader.ended()
    assert outcome == "deposed"
    assert f"another writer's claim stands in the journal at offset {offset} (process 77 on elsewhere)" in text
    assert leader.durable() == 3                                      # nobody is answered for what is void


def test_an_acknowledgement_below_the_expected_offset_is_a_lost_log() -> None:
    leader, _ = beside(lambda offset, next_offset: (1, 2))
    with leader.running():
        leader.publish(1)
        wait_until(lambda: leader.durable() == 1)
        leader.publish(1)
        outcome, text = leader.ended()
    assert outcome == "log-lost"
    assert "at offset 1, where 2 was expected: it has lost records that it had acknowledged" in text
    assert leader.durable() == 1


def test_our_block_counts_where_it_stands_though_it_was_told_to_stand_further_behind() -> None:
    leader, other = beside(lambda offset, next_offset: (offset + 1, next_offset + 1))
    other.append_record(*record(1, 64))
    with leader.running():
        leader.publish(1)                     # stands at 2, told to stand at 3
        wait_until(lambda: leader.durable() == 1)
        other.append_record(*record(2, 64))   # at 3
        other.append_record(*record(3, 64))   # at 4
        leader.publish(1)                     # stands at 5, told to stand at 6
        wait_until(lambda: leader.durable() == 2)
        assert leader.drain()[0] == "drained"


# ---- examine, each of its outcomes

WRITER = 0xB2


def a_log(*headers: bytes) -> tuple[MemoryJournal, LeaderLog]:
    """A leader's log behind its claim at 0, with these records (without data) behind it."""
    journal = MemoryJournal(MemoryLog(), "memory:test")
    journal.append_record(block(0, 1, 1, 0, kind=2), b"")
    for header in headers:
        journal.append_record(header, b"")
    return journal, LeaderLog(WRITER, 0, WRITER, 1, 1)


OURS, VOID = block(0, WRITER, 1, 2), block(9, 9, 1, 2)
CLAIM, NEWER = block(-1, 7, WRITER, 0, kind=2), block(0, WRITER, 1, 2, version=9)


@pytest.mark.parametrize(
    ("records", "offset", "verdict", "outcome", "text"),
    [
        ([VOID, VOID, OURS], 3, ACK_READ_BETWEEN, "found", ""),
        ([VOID, OURS], -1, ACK_READ_BACK, "found", ""),
        ([OURS], -1, ACK_READ_BACK, "found", ""),
        ([VOID, CLAIM, OURS], 3, ACK_READ_BETWEEN, "deposed", "at offset 2"),
        ([CLAIM, OURS], -1, ACK_READ_BACK, "deposed", "at offset 1"),
        ([NEWER, OURS], 2, ACK_READ_BETWEEN, "deposed", "a record that only a newer version of this software can read"),
        ([VOID, VOID], 2, ACK_READ_BETWEEN, "log-lost", "acknowledged a block at offset 2, and reading it back finds"),
        ([VOID], 0, ACK_LOG_LOST, "log-lost", "at offset 0, where 1 was expected"),
    ],
)
def test_examining_settles_what_stands_in_the_log(
    records: list[bytes], offset: int, verdict: int, outcome: str, text: str
) -> None:
    journal, log = a_log(*records)
    assert log.ack(offset, offset + 1, 2) == verdict
    found = examine(log, verdict, journal, offset)
    assert (found.outcome, text in found.text) == (outcome, True)
    if outcome == "found":
        assert found == Examined("found", len(records), len(records) + 1)
        assert log.ack(len(records) + 1, len(records) + 2, 1) == ACK_ADVANCE


def test_who_was_deposed_stays_deposed() -> None:
    journal, log = a_log(CLAIM, OURS)
    assert examine(log, log.ack(2, 3, 2), journal, 2).outcome == "deposed"
    assert log.ack(3, 4, 2) == ACK_DEPOSED
    found = examine(log, ACK_DEPOSED, journal, 3)
    assert (found.outcome, "another writer's claim" in found.text) == ("deposed", True)


def test_a_hole_in_the_log_is_a_lost_log() -> None:
    log = MemoryLog()
    journal = MemoryJournal(log, "memory:test", keep=False)      # blocks are counted and dropped: each a hole
    journal.append_record(block(0, 1, 1, 0, kind=2), b"")
    journal.append_record(VOID, b"")
    MemoryJournal(log, "memory:test").append_record(OURS, b"")
    leader = LeaderLog(WRITER, 0, WRITER, 1, 1)
    found = examine(leader, leader.ack(2, 3, 2), journal, 2)
    assert (found.outcome, "finds something else at 2" in found.text) == ("log-lost", True)


def test_a_block_that_does_not_come_in_time_is_an_error_with_advice() -> None:
    journal, log = a_log(VOID)
    with pytest.raises(JournalError, match=r"cannot be read back from 1 on within 0\.01 s; start again"):
        examine(log, log.ack(-1, -1, 2), journal, -1, stall_s=0.01)
