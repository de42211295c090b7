"""Hashes that replay took wait for the journal's own, as many as there are, and are compared with them."""

from __future__ import annotations

import pytest

from processor.errors import Diverged
from processor.recovery.replay import KnownHashes

KNOWN_MAX = 4096


def state(number: int) -> bytes:
    return number.to_bytes(16, "big")


def known(*sequences: int) -> KnownHashes:
    hashes = KnownHashes()
    for sequence in sequences:
        hashes.know(sequence, state(sequence), sequence + 1)
    return hashes


@pytest.mark.parametrize("sequence", [10, 20, 30])
def test_a_recorded_hash_is_compared_whatever_triggers_came_before_and_behind(sequence: int) -> None:
    assert known(10, 20, 30).compare(sequence, state(sequence), sequence + 1)
    with pytest.raises(Diverged, match=f"at sequence {sequence} the journal recorded the state hash") as error:
        known(10, 20, 30).compare(sequence, state(99), sequence + 1)
    ours, sessions = state(sequence).hex(), f"{sequence + 1:016x}"
    assert error.value.sequence == sequence
    assert error.value.recorded == f"{state(99).hex()} (sessions {sessions})"
    assert error.value.replayed == f"{ours} (sessions {sessions})"
    assert error.value.recorded in str(error.value)
    assert error.value.replayed in str(error.value)


def test_a_session_table_that_differs_is_a_divergence_too() -> None:
    with pytest.raises(Diverged, match=r"sessions 000000000000000c.*sessions 000000000000000b"):
        known(10).compare(10, state(10), 12)


def test_a_hash_of_what_lies_before_the_beginning_is_not_compared() -> None:
    hashes = known(10)
    assert not hashes.compare(9, state(1), 1)
    assert hashes.compare(10, state(10), 11)


def test_what_lies_before_a_recorded_hash_waits_for_nothing_any_more() -> None:
    hashes = known(10, 20, 30)
    assert hashes.compare(20, state(20), 21)
    assert len(hashes) == 1
    assert not hashes.compare(10, state(1), 1)
    assert hashes.compare(30, state(30), 31)
    assert len(hashes) == 0


def test_no_more_wait_than_there_is_room_for_and_the_latest_are_among_them() -> None:
    hashes = known(*range(1, KNOWN_MAX + 3))
    assert len(hashes) == KNOWN_MAX
    assert not hashes.compare(2, state(7), 7)
    assert hashes.compare(3, state(3), 4)
    assert hashes.compare(KNOWN_MAX + 2, state(KNOWN_MAX + 2), KNOWN_MAX + 3)
