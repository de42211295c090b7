"""NumPy handlers against our own native ones: payments submitted in process, durable in Kafka."""

from __future__ import annotations

from collections.abc import Sequence

from bench import payments
from bench.context import Context
from bench.in_process import InProcess
from bench.suite import Figure, Goal, Row, Work

EVENTS = 5_000_000
NATIVE = "native handlers"


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 10)
    return [Work("numpy", {"events": Figure("events/s")}, payments.expected(events), {"events": events}, near_one=True)]


ROW = Row(
    "numpy",
    "NumPy handlers, 64-byte events in process, durable in Kafka, against native handlers",
    works,
    lambda context: [InProcess("numpy"), InProcess("native", NATIVE, "limit")],
    goals=[Goal("numpy", NATIVE, least=0.7)],
)
