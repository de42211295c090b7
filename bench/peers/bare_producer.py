"""What a Kafka client can make durable: a bare C producer of the same blocks, and Kafka's own tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from bench import payments, programs
from bench.broker import BrokerError, fetch_jars
from bench.context import Context
from bench.machine import java_version
from bench.suite import Contestant, Measurement, Unavailable, Work
from processor.journal.kafka import WRITER_SETTINGS

BLOCK_EVENTS, IN_FLIGHT = 4096, 16
WARM_UP_RECORDS, WARM_UP_BYTES = 256, 65_535  # no multiple of an event: told apart from what is measured
SETTINGS = tuple(f"{key}={value}" for key, value in WRITER_SETTINGS.items())  # the journal's own
SENT = re.compile(r"(\d+) records sent, ([0-9.]+) records/sec")


def events_in(
    topic: str, context: Context, *, skip: int = 0, slot_bytes: int = 64, apply: bool = True
) -> dict[str, Any]:
    """What a bare C fetch of the whole topic finds: events, sum, checksum, seconds, records, without_events."""
    return programs.outcome(
        [*programs.c("fetch"), context.bootstrap(), topic, "apply" if apply else "bare", str(skip), str(slot_bytes)]
    )


def result_in(topic: str, context: Context, **how: int) -> str:
    """The result that the payments in this topic come to, in the words of bench.payments."""
    found = events_in(topic, context, **how)
    return payments.result_text(found["events"], found["sum"], found["checksum"])


class BareProducer(Contestant):
    """librdkafka as the journal uses it, fed with blocks that were made beforehand. No ring, no logic."""

    name = "bare C producer"
    kind = "limit"

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        self._command = programs.c("produce")
        context.bootstrap()

    def configuration(self) -> str:
        return (
            f"idempotent, gapless, acks=all, linger 0, blocks of {BLOCK_EVENTS} events, {IN_FLIGHT} in flight, no copy, "
            "all of librdkafka's settings as the journal has them"
        )

    def run(self, work: Work) -> Measurement:
        events = work.parameters["events"]
        with self.context.topic() as topic:
            command = [
                *self._command,
                self.context.bootstrap(),
                topic,
                str(events),
                str(BLOCK_EVENTS),
                str(IN_FLIGHT),
                str(WARM_UP_RECORDS),
                *SETTINGS,
            ]
            seconds = programs.outcome(command)["seconds"]
            return Measurement({"events": events / seconds}, result_in(topic, self.context))


class ProducerPerformance(Contestant):
    """Kafka's own tool, one record an event, with large batches and a linger that fills them."""

    name = "ProducerPerformance"
    SETTINGS = (
        "acks=all",
        "enable.idempotence=true",
        "batch.size=524288",
        "linger.ms=10",
        "buffer.memory=134217728",
        "compression.type=none",
    )

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        try:
            self._jars = fetch_jars()
        except BrokerError as error:
            raise Unavailable(str(error)) from error
        context.bootstrap()

    def configuration(self) -> str:
        return f"{', '.join(self.SETTINGS)}, 64-byte records, its first five seconds left out"

    def versions(self) -> dict[str, str]:
        return {"kafka": _version(self._jars), "java": java_version()}

    def run(self, work: Work) -> Measurement:
        events = work.parameters["events"]
        with self.context.topic() as topic:
            command = [
                "java",
                "-Xms512m",
                "-Xmx512m",
                "-cp",
                f"{self._jars}/*",
                "org.apache.kafka.tools.ProducerPerformance",
                "--topic",
                topic,
                "--num-records",
                str(events),
                "--record-size",
                "64",
                "--throughput",
                "-1",
                "--producer-props",
                f"bootstrap.servers={self.context.bootstrap()}",
                *self.SETTINGS,
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=programs.RUN_S, check=False)
            if done.returncode or not SENT.search(done.stdout):
                said = (done.stdout + done.stderr)[-1500:]
                raise programs.ProgramFailed(f"ProducerPerformance, exit code {done.returncode}: {said}")
            records = events_in(topic, self.context, apply=False)["records"]
        # Its records hold what it likes: their number is all that can be checked.
        return Measurement({"events": steady_rate(done.stdout)}, f"{records} records", f"{events} records")


def steady_rate(said: str) -> float:
    """Records/s of what ProducerPerformance says, without the first five seconds if it ran longer: then it is warm."""
    found = [(int(records), float(rate)) for records, rate in SENT.findall(said)]
    total, rate = found[-1]
    first, first_rate = found[0]
    if len(found) < 3:
        return rate
    return (total - first) / (total / rate - first / first_rate)


def _version(jars: Path) -> str:
    return next(jars.glob("kafka-clients-*.jar")).stem.removeprefix("kafka-clients-")
