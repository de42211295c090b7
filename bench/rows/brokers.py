"""Durable events/s: our service on Kafka against message brokers, which only keep what they get."""

from __future__ import annotations

from collections.abc import Sequence

from bench import payments
from bench.context import Context
from bench.ours import Service
from bench.peers.message_brokers import ActiveMqClassic, Artemis, RabbitMq
from bench.suite import Figure, Row, Work

EVENTS = 1_000_000


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 10)
    parameters = {"events": events, "lone": 0, "warm_up": events // 4}
    return [Work("brokers", {"events": Figure("events/s")}, payments.expected(events), parameters)]


ROW = Row(
    "brokers",
    "durable events/s against message brokers with confirmed persistent messages",
    works,
    lambda context: [Service("kafka"), RabbitMq(), ActiveMqClassic(), Artemis()],
)
