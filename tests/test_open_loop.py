"""The open loop: what is due when, what a round trip is counted from, and the client calls that it stands on."""

from __future__ import annotations

import numpy as np
import pytest

from bench.service_process import ServiceProcess
from processor.apps.exchange import Acknowledged, Traded, app
from processor.apps.exchange.flow import BLOCK, OrderFlow
from processor.client import Client
from processor.client.ahead import Ahead
from processor.client.frames import answered, count_type
from processor.client.openloop import OpenLoop
from processor.client.wire import split


def test_offer_takes_what_the_window_has_room_for_and_waits_for_nothing(exchange: ServiceProcess) -> None:
    slots = OrderFlow(seed=3).take(100)
    with Client(exchange.listen, app, window=64) as client:
        assert client.offer(slots) == range(1, 65)
        frames = client.receive_frames(10.0, answers=64)
        assert answered(frames)[0].tolist() == list(range(1, 65)) and client.in_flight == 0
        assert client.offer(slots[64:]) == range(65, 101) and client.offer(slots[:0]) == range(101, 101)
        assert len(answered(client.receive_frames(10.0, answers=999))[0]) == 36


def test_a_bounded_receive_ends_without_an_answer_when_the_service_is_away(exchange: ServiceProcess) -> None:
    slots = OrderFlow(seed=3).take(10)
    with Client(exchange.listen, app) as client:
        exchange.kill()
        client.offer(slots)
        assert client.receive_frames(0.01) == b"" and client.receive_frames(0.01) == b"" and client.in_flight == 10
        exchange.start()
        frames = b""
        while client.in_flight:
            frames += client.receive_frames(1.0)
    assert answered(frames)[0].tolist() == list(range(1, 11))


def test_outputs_of_a_type_are_counted_in_frames(exchange: ServiceProcess) -> None:
    with Client(exchange.listen, app) as client:
        client.offer(OrderFlow(seed=3).take(2_000))
        frames = client.receive_frames(10.0, answers=2_000)
    kinds = [kind for _, _, _, _, kind, _, _ in split(frames)]
    for output in (Traded, Acknowledged):
        number = app.message_of(output).number
        assert count_type(frames, number) == kinds.count(number) > 0
    with pytest.raises(ValueError, match="whole frame"):
        count_type(frames[:-1], 1)


@pytest.mark.parametrize("rate", [5_000.0, 0.0])
def test_everything_that_is_due_is_sent_once_and_answered(exchange: ServiceProcess, rate: float) -> None:
    heard: list[bytes] = []
    flow, again = OrderFlow(seed=3), OrderFlow(seed=3)
    with Client(exchange.listen, app) as client, Ahead(lambda: flow.take(BLOCK)) as supply:
        loop = OpenLoop(client, supply, heard.append, rate=rate, most_s=0.5)
        while not loop.finished:
            loop.turn()
    requests, sequences = answered(b"".join(heard))
    assert loop.sent == loop.answered == len(loop.latencies) == len(requests)
    assert requests.tolist() == list(range(1, loop.sent + 1)) and loop.sequence == sequences[-1]
    assert loop.sent == 2_500 if rate else loop.sent > 0
    seqs = [int.from_bytes(payload[:8], "little") for _, _, _, _, kind, _, payload in split(b"".join(heard))
            if kind < 0xFF00]  # fmt: skip
    sent = again.take(loop.sent).view(app.schema.slot_dtype(app.message_of(Acknowledged)))
    assert set(seqs) <= set(sent["payload"]["seq"].reshape(-1).tolist()) and len(set(seqs)) > 0.9 * loop.sent


def test_answers_that_came_in_while_something_was_sent_are_taken_although_nothing_is_in_flight(
    exchange: ServiceProcess,
) -> None:
    flow = OrderFlow(seed=3)
    with Client(exchange.listen, app) as client:
        loop = OpenLoop(client, flow.take, lambda frames: None, rate=0.0)
        loop._send(flow.take(5), 0.0)
        while client.in_flight:
            client.offer(flow.take(0))
        assert loop.answered == 0
        loop.drain()
    assert loop.answered == loop.sent == 5


class Numbering:
    """Of a client only what the schedule asks for: it numbers what it is given."""

    window = 8
    request = 0

    def offer(self, slots: np.ndarray) -> range:
        first, self.request = self.request + 1, self.request + len(slots)
        return range(first, self.request + 1)


def scheduled(**when: float) -> OpenLoop:
    return OpenLoop(Numbering(), lambda count: np.zeros((count, 64), np.uint8), print, **when)  # type: ignore[arg-type]


def test_an_event_that_waits_for_room_in_the_window_counts_from_when_it_was_due() -> None:
    loop = scheduled(rate=1000.0)
    # Twenty events are due by 19 ms after the start; eight fit.
    assert loop._due(0.0195) == 20
    loop._send(np.zeros((8, 64), np.uint8), 0.0195)
    assert loop._due(0.0195) == 12
    loop._send(np.zeros((8, 64), np.uint8), 0.5)
    due_s = loop._due_at[np.arange(1, 17) & loop._mask]
    assert due_s.tolist() == pytest.approx([k / 1000 for k in range(16)])


def test_no_event_is_due_after_the_end() -> None:
    loop = scheduled(rate=30.0, most_s=2.0)
    assert [loop._due(now) for now in (0.0, 0.05, 1.999, 2.0, 500.0)] == [1, 2, 60, 60, 60]


def test_slots_come_in_the_order_in_which_they_were_made_and_a_failure_reaches_the_taker() -> None:
    made = iter(range(3))

    def make() -> np.ndarray:
        return np.full((10, 1), next(made), np.uint8)

    with Ahead(make, blocks=2) as supply:
        taken = [supply(4).ravel().tolist() for _ in range(9)]
        assert taken == [[k] * count for k in range(3) for count in (4, 4, 2)]
        for _ in range(2):
            with pytest.raises(StopIteration):
                supply(10)
