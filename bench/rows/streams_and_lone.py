"""The works of the rows that go through a socket: payments in a window, and payments one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench import payments
from bench.context import Context
from bench.suite import Figure, Work

EVENTS, LONE, WARM_UP = 2_000_000, 10_000, 300_000


def works_called(name: str) -> Callable[[Context], Sequence[Work]]:
    """Two works: NAME with its throughput, and `NAME, lone` with the round trip of one request at a time."""

    def works(context: Context) -> Sequence[Work]:
        events, lone = context.size(EVENTS, EVENTS // 20), context.size(LONE, LONE // 20)
        warm_up = context.size(WARM_UP, WARM_UP // 10)
        trip = {"p50": Figure("µs", "lower"), "p99": Figure("µs", "lower")}
        return [
            Work(
                name,
                {"events": Figure("events/s")},
                payments.expected(warm_up + events),
                {"events": events, "lone": 0, "warm_up": warm_up},
            ),
            Work(
                f"{name}, lone",
                trip,
                payments.expected(warm_up + lone),
                {"events": 0, "lone": lone, "warm_up": warm_up},
                near_one=True,
            ),
        ]

    return works
