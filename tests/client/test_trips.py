"""Round trips measured by the client's compiled half: each event once, in order, and from when it was due."""

from __future__ import annotations

import numpy as np
import pytest

from bench import balance, payments
from bench.ours import outputs_of
from processor.client import Client
from processor.errors import WrongUse
from tests.local.conftest import Running, running

__all__ = ["running"]


def test_lone_requests_are_each_answered_before_the_next_is_sent(running: Running) -> None:
    with Client(running.listen) as client:
        took, frames = client.trips(payments.slots(500), window=1)
        assert (client.in_flight, len(took)) == (0, 500)
    assert outputs_of([frames]).result() == payments.expected(500)
    assert took.min() > 0


def test_the_window_holds_again_what_it_held_and_later_calls_go_on_behind_earlier_ones(running: Running) -> None:
    with Client(running.listen) as client:
        window = client.window
        found = [client.trips(payments.slots(100, first), window=1)[1] for first in (0, 100, 200)]
        found.append(client.trips(payments.slots(30_000, 300))[1])
        assert client.window == window
    assert outputs_of(found).result() == payments.expected(30_300)


def test_with_a_rate_nothing_is_sent_before_it_is_due(running: Running) -> None:
    rate, events = 20_000.0, 4_000
    with Client(running.listen) as client:
        took, frames = client.trips(payments.slots(events), rate=rate)
    assert outputs_of([frames]).result() == payments.expected(events)
    # The service stamps an event when it comes in: never before it was due, however late that may be.
    stamps = np.frombuffer(frames, np.uint8).reshape(events, -1)[:, 8:16].copy().view("<i8").ravel()
    assert stamps[-1] - stamps[0] >= 0.99 * (events - 1) / rate * 1e9 - took[0]
    assert took.min() > 0


def test_a_rate_that_cannot_be_held_shows_in_the_times(running: Running) -> None:
    events = 20_000
    with Client(running.listen) as client:
        took, frames = client.trips(payments.slots(events), rate=1e12, window=1)
    assert outputs_of([frames]).result() == payments.expected(events)
    # All were due at once and go one by one: each waited for all before it.
    assert (np.diff(took) > -1).all()
    assert took[-1] > took[0]


def test_no_slots_take_no_time_and_wrong_ones_are_refused(running: Running) -> None:
    with Client(running.listen) as client:
        took, frames = client.trips(payments.slots(0))
        assert (len(took), frames) == (0, b"")
        with pytest.raises(WrongUse, match="slots here have 64 bytes"):
            client.trips(np.zeros((3, 72), np.uint8))


def test_answers_of_earlier_requests_stay_for_answers(running: Running) -> None:
    with Client(running.listen, balance.native) as client:
        client.submit(balance.Deposit(7, 5))
        took, frames = client.trips(payments.slots(50))
        assert len(frames) == 50 * 48
        assert [list(answer) for answer in client.answers()] == [[balance.Balance(7, 5)]]
    assert len(took) == 50
