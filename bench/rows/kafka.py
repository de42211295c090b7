"""Payments submitted in process, durable in Kafka, applied and counted; against a bare C producer and Kafka's tool."""

from __future__ import annotations

from collections.abc import Sequence

from bench import payments
from bench.context import Context
from bench.in_process import InProcess
from bench.peers.bare_producer import BareProducer, ProducerPerformance
from bench.suite import Figure, Goal, Row, Work

EVENTS = 5_000_000


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 10)
    return [Work("kafka", {"events": Figure("events/s")}, payments.expected(events), {"events": events}, near_one=True)]


ROW = Row(
    "kafka",
    "64-byte events made durable in Kafka, against a bare C producer of the same blocks",
    works,
    lambda context: [InProcess("native"), BareProducer(), ProducerPerformance()],
    goals=[Goal("kafka", BareProducer.name, least=0.9), Goal("kafka", ProducerPerformance.name, least=6)],
)
