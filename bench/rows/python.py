"""Python handlers, payments submitted in process and through the socket, durable in Kafka; the peers of `service`."""

from __future__ import annotations

from collections.abc import Sequence

from bench import payments
from bench.context import Context
from bench.in_process import InProcess
from bench.ours import Service
from bench.peers.kafka_streams import KafkaStreams
from bench.peers.loop import Loop
from bench.peers.python_processors import processors
from bench.suite import Contestant, Figure, Goal, Row, Work

EVENTS = 1_000_000
IN_PROCESS, SOCKET = "python, in process", "python, socket"


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 10)
    figures = {"events": Figure("events/s")}
    parameters = {"events": events, "lone": 0, "warm_up": events // 4}
    return [Work(name, figures, payments.expected(events), parameters) for name in (IN_PROCESS, SOCKET)]


def contestants(context: Context) -> Sequence[Contestant]:
    streams = (KafkaStreams("at_least_once"), KafkaStreams("exactly_once_v2"))
    return [_InProcess("python"), _Socket("kafka", "python"), Loop(), *streams, *processors()]


class _InProcess(InProcess):
    def takes(self, work: Work) -> bool:
        return work.name == IN_PROCESS


class _Socket(Service):
    def takes(self, work: Work) -> bool:
        return work.name == SOCKET


ROW = Row(
    "python",
    "Python handlers, 64-byte events in process and through a socket, durable in Kafka, against stream processors",
    works,
    contestants,
    goals=[Goal(IN_PROCESS, Loop.name, least=5), Goal(SOCKET, Loop.name, least=3)],
)
