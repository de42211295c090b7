"""Events from inside: bounded, coalesced, in their order, into slots that are kept for them, the last one for
quarantine.
"""

from __future__ import annotations

import threading

import pytest

from processor.errors import WrongUse
from processor.ring.buffer import Ring
from processor.ring.control import ControlQueue
from processor.ring.exercise import claimable, consume, produce

SNAPSHOT, STATE_HASH, TIMER, QUARANTINE = 0xFF03, 0xFF04, 0xFF05, 0xFF08


def trigger(number: int) -> bytes:
    return number.to_bytes(8, "little")


def full_ring(capacity: int = 16, reserved: int = 4) -> tuple[Ring, ControlQueue]:
    """A ring in which clients' events have taken all that they may."""
    ring = Ring(64, capacity, reserved=reserved, stages=2)
    produce(ring, capacity - reserved)
    assert claimable(ring) == (0, 0)
    return ring, ControlQueue(ring, 8)


def test_control_events_get_into_a_ring_that_is_full_of_other_events() -> None:
    ring, control = full_ring()
    for number in range(1, 4):
        assert control.put(TIMER, trigger(number))
    assert control.drain_now() == 3
    assert (control.pending, ring.position(0)) == (0, 15)


def test_the_last_slot_waits_for_a_quarantine_which_overtakes_what_waits_before_it() -> None:
    ring, control = full_ring()
    for number in range(1, 6):
        assert control.put(TIMER, trigger(number))
    assert control.drain_now() == 3
    assert control.drain_now() == 0
    assert (control.pending, claimable(ring, control=True)) == (2, (1, 1))
    assert control.put(QUARANTINE, trigger(9))
    assert control.drain_now() == 1
    assert (control.pending, claimable(ring, control=True)) == (2, (0, 0))
    assert control.put(TIMER, trigger(4)) and control.put(TIMER, trigger(5))
    assert control.pending == 2                  # they are what is pending: it was the quarantine that went
    assert control.put(QUARANTINE, trigger(10))
    assert control.drain_now() == 0
    # The last stage has passed some: the quarantine that waits is not the first in the queue, but nothing is lost.
    consume(ring, 1, 12)
    assert control.drain_now() == 3
    assert (control.pending, ring.position(0)) == (0, 19)


def test_a_full_queue_keeps_its_last_place_for_a_quarantine() -> None:
    _, control = full_ring()
    assert [control.put(TIMER, trigger(number)) for number in range(8)] == [True] * 7 + [False]
    assert control.put(QUARANTINE, trigger(1))
    assert not control.put(QUARANTINE, trigger(2))
    assert control.pending == 8


def test_pending_triggers_of_nobody_become_one_and_those_that_somebody_waits_for_do_not() -> None:
    _, control = full_ring()
    for number, reason in ((0, 1), (0, 2), (1, 3), (2, 3), (1, 3)):
        assert control.put(SNAPSHOT, trigger(number) + bytes([reason]))
    assert control.pending == 3
    assert control.drain_now() == 3
    assert control.put(SNAPSHOT, trigger(0))
    assert control.pending == 1


def test_state_hashes_are_never_merged() -> None:
    _, control = full_ring()
    assert control.put(STATE_HASH, trigger(1)) and control.put(STATE_HASH, trigger(1))
    assert control.pending == 2


def test_a_queue_that_goes_round_many_times_loses_nothing() -> None:
    ring = Ring(64, 16, reserved=4, stages=2)
    control = ControlQueue(ring, 3)
    for number in range(100):
        assert control.put(TIMER, trigger(number))
        assert control.put(TIMER, trigger(number + 1000))
        assert not control.put(TIMER, trigger(number + 2000))
        assert control.drain_now() == 2
        consume(ring, 1, 2)
    assert (ring.position(0), control.pending) == (200, 0)


def test_many_threads_put_and_every_accepted_event_is_drained_once() -> None:
    ring = Ring(64, 1024, reserved=16, stages=2)
    control = ControlQueue(ring, 8)
    accepted = [0] * 4

    def put(who: int) -> None:
        for number in range(200):
            accepted[who] += control.put(STATE_HASH, trigger(1000 * who + number))

    threads = [threading.Thread(target=put, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    drained = 0
    while any(thread.is_alive() for thread in threads) or control.pending:
        drained += control.drain_now()
    assert drained == sum(accepted) == ring.position(0)


@pytest.mark.parametrize(("kind", "payload"), [(5, b""), (0x10000, b""), (TIMER, bytes(33))])
def test_what_is_no_control_event_is_refused(kind: int, payload: bytes) -> None:
    _, control = full_ring()
    with pytest.raises(WrongUse, match="a control event has a type from 0xff00 on and at most 32 bytes of payload"):
        control.put(kind, payload)


def test_a_queue_without_a_place_for_quarantine_is_refused() -> None:
    with pytest.raises(WrongUse, match="at least 2 places"):
        ControlQueue(Ring(64, 16, reserved=4, stages=2), 1)
