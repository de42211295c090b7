"""The journaler: stamps without a gap, blocks within their bounds, durable only what was acknowledged, and its ends."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from processor.config import Config
from processor.errors import JournalError, WrongUse
from processor.journal import open_journal
from processor.journal.exercise import AnsweringJournal
from processor.journal.journaler import Journaler
from processor.journal.memory import MemoryJournal, MemoryLog
from tests.journal.leading import Leader, lead
from tests.journal.records import wait_until

CONFIG = Config()


def memory() -> MemoryJournal:
    return MemoryJournal(MemoryLog(), "memory:test")


def sequences(leader: Leader) -> list[int]:
    return [int(sequence) for _, slots in leader.blocks() for sequence in slots["sequence"]]


@pytest.mark.parametrize("wait", ["block", "yield", "spin"])
def test_every_slot_is_stamped_once_and_in_order(wait: str) -> None:
    leader = lead(memory(), capacity=64, wait=wait, max_block_events=5)
    with leader.running():
        passed = 0
        for count in (1, 7, 64, 30, 2, 64, 50):
            leader.publish(count)
            passed += count
            wait_until(lambda passed=passed: leader.durable() == passed)
            leader.pass_on(count)
        assert leader.drain() == ("drained", "")
    assert sequences(leader) == list(range(1, passed + 1))
    for header, slots in leader.blocks():
        assert (header["epoch_offset"], header["epoch_writer"]) == (leader.epoch_offset, leader.writer)
        assert (header["first_sequence"], header["count"]) == (slots["sequence"][0], len(slots))
        assert 1 <= len(slots) <= 5
        assert len(set(slots["timestamp"])) == 1
    assert leader.counters.get("durable") == leader.counters.get("handed") == passed


def test_time_never_goes_back_not_even_behind_the_leader_before() -> None:
    ahead = time.time_ns() + 3_600 * 10**9
    leader = lead(memory(), timestamp=ahead, max_block_events=3)
    with leader.running():
        leader.publish(20)
        assert leader.drain()[0] == "drained"
    stamps = np.concatenate([slots["timestamp"] for _, slots in leader.blocks()])
    assert set(stamps) == {ahead}


def test_time_is_the_wall_clock_in_nanoseconds() -> None:
    leader = lead(memory())
    before = time.time_ns()
    with leader.running():
        for _ in range(5):
            leader.publish(4)
        assert leader.drain()[0] == "drained"
    stamps = np.concatenate([slots["timestamp"] for _, slots in leader.blocks()])
    assert before <= stamps[0]
    assert stamps[-1] <= time.time_ns()
    assert (np.diff(stamps) >= 0).all()


@pytest.mark.parametrize(
    ("slot_bytes", "options", "most"),
    [
        (64, {"max_block_events": 1}, 1),
        (64, {"max_block_events": 100, "max_block_bytes": 640}, 10),
        (64, {"max_block_events": 100, "max_block_bytes": 703}, 10),
        (1000, {"max_block_events": 4096, "max_block_bytes": 100_000}, 100),
        (65_568, {"max_block_events": 4096, "max_block_bytes": 1000}, 1),        # one slot is never too many
        (65_568, {"max_block_events": 4096, "max_block_bytes": CONFIG.max_block_bytes}, 7),
        (64, {"max_block_events": CONFIG.max_block_events, "max_block_bytes": CONFIG.max_block_bytes}, 4096),
    ],
)
def test_blocks_are_bounded_in_events_and_in_bytes(slot_bytes: int, options: dict[str, int], most: int) -> None:
    leader = lead(memory(), capacity=256, slot_bytes=slot_bytes, **options)
    assert leader.journaler.block_slots_max == most
    leader.publish(256)
    with leader.running():
        assert leader.drain()[0] == "drained"
    sizes = [len(slots) for _, slots in leader.blocks()]
    assert sum(sizes) == 256
    assert max(sizes) == min(most, 256)


def test_blocks_are_no_larger_than_the_journal_takes(tmp_path: Path) -> None:
    with open_journal(f"embedded://{tmp_path}/j?segment_bytes=4096", write=True) as journal:
        leader = lead(journal, slot_bytes=1000)
        assert leader.journaler.block_slots_max == 4
        leader.publish(30)
        with leader.running():
            assert leader.drain() == ("drained", "")
        assert sequences(leader) == list(range(1, 31))
        with pytest.raises(JournalError, match=r"takes 4096 bytes: a record stands in one segment.*segment_bytes"):
            lead(journal, slot_bytes=4096)


@pytest.mark.parametrize("slot_bytes", [1000, 65_568])
def test_the_largest_slots_pass_through_kafka(bootstrap: str, topic: str, slot_bytes: int) -> None:
    """As configured out of the box; 4,096 events of these would be up to 268 MB."""
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True) as journal:
        leader = lead(journal, capacity=4096 if slot_bytes == 1000 else 64, slot_bytes=slot_bytes,
                      max_block_events=CONFIG.max_block_events, max_block_bytes=CONFIG.max_block_bytes)
        count = leader.ring.capacity
        leader.publish(count)
        with leader.running():
            assert leader.drain() == ("drained", "")
        assert leader.durable() == count
        assert sequences(leader) == list(range(1, count + 1))


def test_bounds_that_cannot_be_are_refused() -> None:
    for options in ({"max_block_events": 0}, {"max_block_bytes": 0}):
        with pytest.raises(WrongUse, match="at least 1"):
            lead(memory(), **options)
        with pytest.raises(WrongUse, match="at least 1"):
            Config(**options)


def test_only_what_is_acknowledged_without_a_gap_is_durable() -> None:
    allowed = 0
    seen: list[int] = []

    def answer(offset: int, next_offset: int) -> tuple[int, int] | None:
        seen.append(offset)
        return (offset, next_offset) if offset <= allowed else None

    journal = AnsweringJournal(MemoryLog(), "memory:test", lambda *told: told)
    leader = lead(journal, max_block_events=2)
    journal.answer = answer
    with leader.running():
        leader.publish(10)                                   # blocks at offsets 1 to 5
        wait_until(lambda: leader.counters.get("handed") == 10)
        for allowed in range(6):
            wait_until(lambda allowed=allowed: leader.durable() == 2 * allowed)
            before = len(seen)
            wait_until(lambda before=before: len(seen) > before or leader.durable() == 10)
            assert leader.durable() == 2 * allowed
        assert leader.drain() == ("drained", "")
    assert journal.error is None


def test_a_journal_that_is_full_is_waited_for() -> None:
    open_gate = False
    journal = AnsweringJournal(MemoryLog(), "memory:test", lambda *told: told, in_flight_max=2)
    leader = lead(journal, max_block_events=3)
    journal.answer = lambda *told: told if open_gate else None
    with leader.running():
        leader.publish(30)
        wait_until(lambda: leader.counters.get("handed") == 6)
        leader.publish(3)
        assert len(journal.log) == 1 + 2
        open_gate = True
        assert leader.drain() == ("drained", "")
    assert sequences(leader) == list(range(1, 34))


def test_draining_waits_for_what_is_in_flight_and_aborting_does_not() -> None:
    journal = AnsweringJournal(MemoryLog(), "memory:test", lambda *told: told)
    leader = lead(journal)
    journal.answer = lambda *told: None
    with leader.running():
        leader.publish(5)
        wait_until(lambda: leader.counters.get("handed") == 5)
        leader.journaler.drain()
        asked = len(journal.log)
        assert leader.journaler.outcome == ("running", "")
        assert asked == 2
        leader.journaler.abort()
        assert leader.ended() == ("failed", "aborted")
    assert leader.durable() == 0


def test_draining_an_idle_journaler_ends_it_at_once() -> None:
    leader = lead(memory())
    with leader.running():
        assert leader.drain() == ("drained", "")


def test_aborting_ends_a_journaler_that_always_has_something_to_do() -> None:
    journal = AnsweringJournal(MemoryLog(), "memory:test", lambda *told: told)
    leader = lead(journal, capacity=4096, max_block_events=1)

    def endless(offset: int, next_offset: int) -> tuple[int, int]:
        if offset == 10:
            leader.journaler.abort()
        return offset, next_offset

    journal.answer = endless
    leader.publish(4096)
    with leader.running():
        assert leader.ended() == ("failed", "aborted")
    assert 10 <= leader.durable() < 4096


def test_a_journal_that_fails_ends_the_journaler_with_the_reason() -> None:
    journal = memory()
    leader = lead(journal)
    with leader.running():
        leader.publish(3)
        wait_until(lambda: leader.durable() == 3)
        journal.close()
        leader.publish(1)
        assert leader.ended() == ("failed", "memory:test: the journal is closed")
    assert leader.durable() == 3
    assert isinstance(leader.journaler, Journaler)
