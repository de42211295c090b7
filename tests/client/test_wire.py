"""What comes back over several connections: whole answers, in order, each once, whatever else the sockets deliver."""

from __future__ import annotations

import socket

import numpy as np

from processor.client.wire import DONE, SPECIAL, WAITING, Wire, split
from processor.layout import HEADER, REPLY, REPLY_LAST

SLOT_BYTES, OUTPUT = 64, 7
EVICTED = 0xFF06


def reply(request: int, index: int = 0, *, last: bool = True, kind: int = OUTPUT, payload: bytes = bytes(8)) -> bytes:
    head = np.zeros((), REPLY)
    head["request"], head["index"], head["type"], head["length"] = request, index, kind, len(payload)
    head["flags"] = REPLY_LAST if last else 0
    return head.tobytes() + payload.ljust(-(-len(payload) // 8) * 8, b"\0")


def taken(wire: Wire) -> list[tuple[int, int]]:
    """(request, index) of the frames of all whole answers that came."""
    return [(frame[5], frame[2]) for frame in split(wire.take())]


class Line:
    """A wire with requests in flight, and the service's end of its connection."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.end, self.service = socket.socketpair()
        self.end.setblocking(False)
        wire.connect(self.end.fileno(), 5)

    def say(self, *frames: bytes) -> None:
        self.service.sendall(b"".join(frames))

    def requests(self) -> list[int]:
        data = self.service.recv(1 << 16)
        return [int(np.frombuffer(data, HEADER, 1, at)[0]["request"]) for at in range(0, len(data), SLOT_BYTES)]

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end.close()
        self.service.close()
        self.wire.disconnect()


def asking(count: int) -> Wire:
    wire = Wire(SLOT_BYTES, 16)
    assert wire.put_payloads(1, np.zeros((count, 8), np.uint8)) == count
    return wire


def test_answers_that_come_too_early_or_again_are_dropped() -> None:
    wire = asking(3)
    with Line(wire) as line:
        line.say(reply(3), reply(2), reply(1), reply(1), reply(3), reply(2), reply(3), reply(2))
        assert wire.pump(3, 10_000) == DONE
        assert taken(wire) == [(1, 0), (2, 0), (3, 0)]
        assert (wire.answered, wire.dropped) == (3, 5)
        assert wire.pump(4, 0) == WAITING


def test_a_part_of_an_answer_is_forgotten_with_its_connection_and_the_requests_are_sent_again() -> None:
    wire = asking(3)
    with Line(wire) as first:
        first.say(reply(1), reply(2, 0, last=False), reply(2, 1, last=False), reply(2, 2)[:20])
        assert wire.pump(2, 0) == WAITING
        assert first.requests() == [1, 2, 3]
        assert taken(wire) == [(1, 0)]
    with Line(wire) as second:
        # What the service still had for the lost connection comes before what is asked again.
        second.say(reply(2, 2), reply(3), reply(2, 0, last=False), reply(2, 1, last=False), reply(2, 2), reply(3))
        assert wire.pump(3, 10_000) == DONE
        assert second.requests() == [2, 3]
        assert taken(wire) == [(2, 0), (2, 1), (2, 2), (3, 0)]
        assert wire.dropped == 2


def test_frames_cut_anywhere_are_put_together() -> None:
    data = reply(1, 0, last=False, payload=b"abc") + reply(1, 1, payload=b"") + reply(2)
    for cut in range(len(data)):
        wire = asking(2)
        with Line(wire) as line:
            line.say(data[:cut])
            assert wire.pump(2, 0) == WAITING
            line.say(data[cut:])
            assert wire.pump(2, 10_000) == DONE
            assert wire.take() == data


def test_the_word_that_ends_a_session_comes_behind_the_answers_before_it() -> None:
    wire = asking(3)
    with Line(wire) as line:
        line.say(reply(1), reply(2, kind=EVICTED, payload=b""), reply(2))
        assert wire.pump(3, 10_000) == SPECIAL
        assert wire.special == (EVICTED, 2, b"")
        assert taken(wire) == [(1, 0)]
        assert (wire.answered, wire.submitted) == (1, 3)
