"""Payments through the Unix socket, durable in Kafka, every one answered; against stream processors."""

from __future__ import annotations

from collections.abc import Sequence

from bench import payments
from bench.context import Context
from bench.ours import Service
from bench.peers.kafka_streams import KafkaStreams
from bench.peers.loop import Loop
from bench.peers.python_processors import processors
from bench.suite import Figure, Goal, Row, Work

EVENTS = 1_000_000
STREAMS = (KafkaStreams("at_least_once"), KafkaStreams("exactly_once_v2"))


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 10)
    return [
        Work(
            "service",
            {"events": Figure("events/s")},
            payments.expected(events),
            {"events": events, "lone": 0, "warm_up": events // 4},
        )
    ]


ROW = Row(
    "service",
    "64-byte events through a socket and Kafka, every one answered, against stream processors",
    works,
    lambda context: [Service("kafka"), Loop(), *STREAMS, *processors()],
    goals=[*(Goal("service", one.name, least=10) for one in STREAMS), Goal("service", Loop.name, least=7)],
)
