"""The logic waits for room among the outputs: it goes on when there is some, and gives up when it is told to."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from processor import App, u64
from processor.client import Client
from processor.config import OUTPUT_QUEUE_BYTES_MIN, Config
from processor.errors import WrongUse
from processor.layout import HEADER, REPLY, REPLY_NAMES
from processor.logic.core import Core
from processor.logic.sessions import Sessions
from processor.outputs.queue import OutputQueue
from tests.gateway.rig import serving, until

CAPACITY = 4096
STOP_ABORTED = 5


def talkative() -> App:
    app = App("talkative")

    @app.event
    class Say:
        count: u64

    @app.output
    class Said:
        number: u64

    @app.state
    class Nothing:
        said: int = 0

    @app.on(Say)
    def say(state, event, ctx):
        for number in range(event.count):
            ctx.emit(Said(number))

    return app


def slots_of(app: App, count: int, events: int) -> bytes:
    """One session open and `events` events that have `count` outputs each."""
    slots = np.zeros(1 + events, np.dtype([("head", HEADER), ("payload", "<u8", 4)]))
    slots["head"]["sequence"] = np.arange(1, events + 2)
    slots["head"][0]["type"], slots["head"][0]["length"] = 0xFF01, 32
    slots["payload"][0] = (1, 1, 7, 0)  # token, connection 7
    slots["head"]["type"][1:], slots["head"]["length"][1:], slots["head"]["session"][1:] = 1, 8, 1
    slots["head"]["request"][1:] = np.arange(1, events + 1)
    slots["payload"][1:, 0] = count
    return slots.tobytes()


def core_of(app: App, outputs: OutputQueue) -> Core:
    core = Core(app, Sessions())
    core.answer_through(outputs, None, 1)
    return core


def types_in(parcels: list[tuple[int, int, bytes]]) -> list[int]:
    """The type of every frame; all frames of this application are as long as their output, or have no payload."""
    found = []
    for _, _, frames in parcels:
        at = 0
        while at < len(frames):
            head = np.frombuffer(frames, REPLY, 1, at)[0]
            found.append(int(head["type"]))
            at += REPLY.itemsize + -(-int(head["length"]) // 8) * 8
    return found


def test_outputs_beyond_the_queue_wait_for_room_and_all_come() -> None:
    app = talkative()
    outputs = OutputQueue(CAPACITY)
    core = core_of(app, outputs)
    thread = threading.Thread(target=core.apply_slots, args=(slots_of(app, 300, 5),))
    thread.start()
    # Python runs here while the handler's outputs wait for room there: the GIL is not held meanwhile.
    parcels: list[tuple[int, int, bytes]] = []

    def take() -> bool:
        parcels.extend(iter(outputs.take, None))
        return not thread.is_alive()

    until(take)
    outputs.publish()
    take()
    assert [kind for kind, _, _ in parcels[:2]] == [2, 1]  # bind, welcome
    assert types_in(parcels[2:]) == [1] * 1500
    assert core.sequence == 6


def test_a_wait_for_room_is_given_up_when_told_so() -> None:
    app = talkative()
    core = core_of(app, OutputQueue(CAPACITY))
    passed: list[int] = []
    thread = threading.Thread(target=lambda: passed.append(core.apply_slots(slots_of(app, 300, 5))))
    thread.start()
    core.abort()
    thread.join()
    assert core.stop == STOP_ABORTED
    assert passed == [1]  # the session open; the event is durable, and replay applies it
    assert core.sequence == 1


def test_a_batch_with_many_times_the_queues_outputs_passes_through_a_whole_service() -> None:
    app = talkative()
    with serving(app, output_queue_bytes=OUTPUT_QUEUE_BYTES_MIN) as service, Client(service.listen, app) as client:
        client.send_many(("Say", {"count": 20_000}) for _ in range(3))
        client.send_many(("Say", {"count": 1}) for _ in range(100))
        assert [len(answer) for answer in client.answers()] == [20_000] * 3 + [1] * 100


def test_a_full_session_table_says_busy_within_one_block_and_asks_for_an_eviction() -> None:
    app = talkative()
    outputs = OutputQueue(1 << 16)
    core = Core(app, Sessions(sessions_max=2))
    asked: list[tuple[int, bytes]] = []

    class Control:
        def put(self, kind: int, payload: bytes) -> bool:
            asked.append((kind, payload[:12]))
            return True

    core.answer_through(outputs, Control(), 1)
    slots = np.zeros(3, np.dtype([("head", HEADER), ("payload", "<u8", 4)]))
    slots["head"]["sequence"] = (1, 2, 3)
    slots["head"]["type"], slots["head"]["length"] = 0xFF01, 32
    slots["payload"][:, 0] = slots["payload"][:, 2] = (11, 12, 13)
    assert core.apply_slots(slots.tobytes()) == 3
    outputs.publish()
    parcels = list(iter(outputs.take, None))
    assert [(kind, target) for kind, target, _ in parcels] == [(2, 1), (1, 11), (2, 2), (1, 12), (1, 13)]
    assert REPLY_NAMES[types_in(parcels[-1:])[0]] == "busy"
    # The first session, if its last event is still its opening.
    evict = (1).to_bytes(8, "little") + (1).to_bytes(4, "little")
    assert asked == [(0xFF02, evict), (0xFF02, evict)]


@pytest.mark.parametrize("size", [OUTPUT_QUEUE_BYTES_MIN // 2, 3 * OUTPUT_QUEUE_BYTES_MIN])
def test_a_queue_that_the_longest_output_would_not_fit_is_refused(size: int) -> None:
    with pytest.raises(WrongUse, match=f"output_queue_bytes is a power of two, at least 262144 .*, not {size}"):
        Config(output_queue_bytes=size)
