"""Payments from another process through the Unix socket, durable in Kafka, every one answered; against stream processors."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from bench import payments
from bench.context import Context
from bench.peers.kafka_streams import KafkaStreams
from bench.peers.loop import Loop
from bench.peers.python_processors import processors
from bench.service_process import ServiceProcess
from bench.suite import Contestant, Figure, Goal, Measurement, Row, Work
from processor.client import Client
from processor.layout import REPLY

EVENTS = 1_000_000
STREAMS = (KafkaStreams("at_least_once"), KafkaStreams("exactly_once_v2"))
FRAME = np.dtype([("head", REPLY), ("output", payments.OUTPUT)])


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 10)
    return [Work("service", {"events": Figure("events/s")}, payments.expected(events), {"events": events})]


class Service(Contestant):
    """`processor run` with a Kafka journal, and a client of another process that keeps a window of requests in flight."""

    name = "processor"
    kind = "ours"
    application = "bench.rows.service_application:app"

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        context.bootstrap()

    def configuration(self) -> str:
        return f"{self.application}, Kafka journal, acks=all, wait strategy block, window of the service, no snapshot while it runs"

    def run(self, work: Work) -> Measurement:
        events = work.parameters["events"]
        warm_up = events // 4
        slots = payments.slots(events + warm_up)
        frames: list[bytes] = []
        topic = f"bench-{secrets.token_hex(4)}"
        with self.context.topic(topic, **{"retention.ms": "-1", "retention.bytes": "-1"}), tempfile.TemporaryDirectory(
            dir=self.context.scratch
        ) as directory:
            service = ServiceProcess(
                self.application, journal=f"kafka://{self.context.bootstrap()}/{topic}", listen=f"unix:{directory}/socket",
                snapshots=f"{directory}/snapshots", options=("--snapshot-every", "0"),
            )
            with service, Client(service.start().listen, timeout_s=60) as client:
                client.stream(slots[:warm_up], frames.append)
                start = time.perf_counter()
                client.stream(slots[warm_up:], frames.append)
                seconds = time.perf_counter() - start
        outputs = payments.Outputs()
        found = np.frombuffer(b"".join(frames), FRAME)["output"]
        outputs.add(found["account"], found["balance"])
        return Measurement({"events": events / seconds}, outputs.result(), payments.expected(events + warm_up))


ROW = Row(
    "service", "64-byte events through a socket and Kafka, every one answered, against stream processors", works,
    lambda context: [Service(), Loop(), *STREAMS, *processors()],
    goals=[*(Goal("service", one.name, least=10) for one in STREAMS), Goal("service", Loop.name, least=7)],
)
