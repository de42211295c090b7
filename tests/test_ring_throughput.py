"""The loops that the ring is measured with pass every value once, whatever the strategy and the size of claims."""

import threading

import pytest

from processor.ring.buffer import Ring
from processor.ring.throughput import ask, echo, receive, send


@pytest.mark.parametrize("wait", ["block", "yield", "spin"])
@pytest.mark.parametrize("claim", [1, 7, 100, 1000])
def test_the_sum_of_a_stream_is_that_of_the_values_sent(wait: str, claim: int) -> None:
    ring, sums = Ring(64, 256, reserved=0, stages=2, wait=wait), []
    consumer = threading.Thread(target=lambda: sums.append(receive(ring, 20_000)))
    consumer.start()
    send(ring, 20_000, claim)
    consumer.join()
    assert sums == [20_000 * 19_999 // 2]
    assert [ring.position(stage) for stage in range(2)] == [20_000, 20_000]


@pytest.mark.parametrize("wait", ["block", "yield", "spin"])
def test_every_value_comes_back_one_more_than_it_went(wait: str) -> None:
    out, back = (Ring(64, 16, reserved=0, stages=2, wait=wait) for _ in "ab")
    other = threading.Thread(target=echo, args=(out, back, 500))
    other.start()
    assert ask(out, back, 500) == 500 * 501 // 2
    other.join()


def test_a_producer_that_remembers_the_last_stage_sees_the_room_that_was_made_since() -> None:
    ring = Ring(64, 16, reserved=4, stages=2)
    for _ in range(50):
        send(ring, 12, 12)  # as many as there are without the reserved ones
        assert receive(ring, 12) == 66
