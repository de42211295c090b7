"""The ring alone: 8-byte events, one producer, one consumer; claims of 1, 10 and 100; and a value there and back.

Our slots have 64 bytes at least, of which an event uses 8 here; the Disruptor's objects have 24. Both rings have
equally many slots.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from bench.context import Context
from bench.peers.disruptor import Disruptor
from bench.suite import Contestant, Figure, Goal, Measurement, Row, Work
from processor.ring.buffer import Ring
from processor.ring.throughput import ask, echo, receive, send

SLOTS = 65_536
EVENTS = {1: 50_000_000, 10: 100_000_000, 100: 150_000_000}
ROUND_TRIPS = 1_000_000


def works(context: Context) -> Sequence[Work]:
    made = []
    for wait in ("spin", "yield"):
        for claim, events in EVENTS.items():
            events = context.size(events, events // 20)

            def per_second(seconds: float, total: int, events: int = events) -> Measurement:
                return Measurement({"events": events / seconds / 1e6}, f"sum {total}")

            made.append(
                Work(
                    f"claims of {claim}, {wait}",
                    {"events": Figure("M events/s")},
                    f"sum {events * (events - 1) // 2}",
                    near_one=True,
                    parameters={
                        "kind": "stream",
                        "wait": wait,
                        "slots": SLOTS,
                        "events": events,
                        "claim": claim,
                        "measure": per_second,
                    },
                )
            )
    for wait in ("spin", "yield"):
        trips = context.size(ROUND_TRIPS, ROUND_TRIPS // 20)

        def per_trip(seconds: float, total: int, trips: int = trips) -> Measurement:
            return Measurement({"round trip": seconds / trips * 1e6}, f"sum {total}")

        made.append(
            Work(
                f"ping-pong, {wait}",
                {"round trip": Figure("µs, mean round trip", "lower")},
                f"sum {trips * (trips + 1) // 2}",
                near_one=True,
                parameters={
                    "kind": "ping-pong",
                    "wait": wait,
                    "slots": 1024,
                    "events": trips,
                    "claim": 1,
                    "measure": per_trip,
                },
            )
        )
    return made


class OurRing(Contestant):
    """Both sides as threads of this process, without the GIL."""

    name = "processor"
    kind = "ours"

    def configuration(self) -> str:
        return "processor.ring, 64-byte slots, two stages, no slots reserved for control events"

    def run(self, work: Work) -> Measurement:
        asked = work.parameters
        return asked["measure"](*(self._stream(asked) if asked["kind"] == "stream" else self._ping_pong(asked)))

    def _ring(self, asked: Any) -> Ring:
        return Ring(64, asked["slots"], reserved=0, stages=2, wait=asked["wait"])

    def _stream(self, asked: Any) -> tuple[float, int]:
        ring, sums = self._ring(asked), []
        consumer = threading.Thread(target=lambda: sums.append(receive(ring, asked["events"])))
        consumer.start()
        start = time.perf_counter()
        send(ring, asked["events"], asked["claim"])
        consumer.join()
        return time.perf_counter() - start, sums[0]

    def _ping_pong(self, asked: Any) -> tuple[float, int]:
        out, back = self._ring(asked), self._ring(asked)
        other = threading.Thread(target=echo, args=(out, back, asked["events"]))
        other.start()
        start = time.perf_counter()
        total = ask(out, back, asked["events"])
        seconds = time.perf_counter() - start
        other.join()
        return seconds, total


ROW = Row(
    "ring",
    "8-byte events, one producer, one consumer, against LMAX Disruptor 4",
    works,
    lambda context: [OurRing(), Disruptor()],
    goals=[
        *(
            Goal(f"claims of {claim}, {wait}", Disruptor.name, least=0.95)
            for wait in ("spin", "yield")
            for claim in EVENTS
        ),
        *(Goal(f"ping-pong, {wait}", Disruptor.name, most=1 / 0.95) for wait in ("spin", "yield")),
    ],
)
