"""Stream processors as contestants: each reads payments from a topic, one a record, and answers each in another topic.

The input lies there before the program starts, so that nobody has to wait for it. The broker stamps the outputs
(LogAppendTime), and the rate is that of the outputs behind the warm-up, by these stamps: nothing else runs beside the
program while it is measured.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from bench import payments, programs
from bench.context import Context
from bench.suite import Contestant, Measurement, Work

LOOK_S = 0.05
LONGEST_S = 240.0


def input_topic(context: Context, events: int) -> str:
    """A topic with this many payments, one a record; made once a run."""

    def fill() -> str:
        topic = context.kept_topic()
        programs.outcome(
            [*programs.c("produce"), context.bootstrap(), topic, str(events), "1", "50000", "0", "linger.ms=5"]
        )
        return topic

    return context.once(f"{events} payments", fill)


class Streaming(Contestant):
    """A program that reads one topic and writes another until it is killed. Subclasses give its command.

    `share`: how much of the work's events it gets, for those that would take minutes. `warm_up`: how many of its
    outputs are not measured, as a part of it.
    """

    share = 1.0
    warm_up = 0.4

    def command(self, source: str, target: str, directory: Path) -> Sequence[str]:
        """The command that reads topic `source` from the start and answers into `target`; `directory` is its own."""
        raise NotImplementedError

    def results(self, outputs: Sequence[bytes], events: int) -> tuple[str, str]:
        """(what these outputs come to, what they must come to)."""
        found = payments.Outputs()
        decoded = np.frombuffer(b"".join(outputs), payments.OUTPUT)
        found.add(decoded["account"], decoded["balance"])
        return found.result(), payments.expected(events)

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        context.bootstrap()

    def run(self, work: Work) -> Measurement:
        events = int(work.parameters["events"] * self.share)
        source = input_topic(self.context, events)
        with (
            self.context.topic(**{"message.timestamp.type": "LogAppendTime"}) as target,
            tempfile.TemporaryDirectory(dir=self.context.scratch) as directory,
        ):
            said = Path(directory, "said")
            command = self.command(source, target, Path(directory))
            with programs.child(command, cwd=Path(directory), output=said) as process:
                try:
                    outputs, stamps = read_outputs(self.context, target, events, process)
                except programs.ProgramFailed as error:
                    raise programs.ProgramFailed(
                        f"{self.name}: {error}\n{said.read_text(errors='replace')[-2000:]}"
                    ) from None
        first = int(events * self.warm_up)
        seconds = max(1, stamps[-1] - stamps[first]) / 1000
        return Measurement({"events": (events - 1 - first) / seconds}, *self.results(outputs, events))


def read_outputs(context: Context, topic: str, events: int, process: Any) -> tuple[list[bytes], list[int]]:
    """Waits for `events` records, then reads them: values, and the broker's stamps in ms. Raises ProgramFailed."""
    consumer = Consumer(
        {
            "bootstrap.servers": context.bootstrap(),
            "group.id": "outputs",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "log_level": 2,
        }
    )
    partition = TopicPartition(topic, 0, 0)
    deadline = time.monotonic() + LONGEST_S
    try:
        # Looked at from outside, rarely: a consumer beside the program would take its core away.
        while (there := _end_of(consumer, partition)) < events:
            if process.poll() is not None:
                raise programs.ProgramFailed(
                    f"it ended by itself (exit code {process.returncode}) after {there} outputs"
                )
            if time.monotonic() > deadline:
                raise programs.ProgramFailed(f"expected {events} outputs, found {there} after {LONGEST_S:g} s")
            time.sleep(LOOK_S)
        consumer.assign([partition])
        values: list[bytes] = []
        stamps: list[int] = []
        while len(values) < events:
            got: list[Message] = consumer.consume(10_000, 1.0)
            if not got and time.monotonic() > deadline:
                raise programs.ProgramFailed(f"expected {events} outputs, could read {len(values)}")
            values += [record.value() for record in got]
            stamps += [record.timestamp()[1] for record in got]
        return values, stamps
    finally:
        consumer.close()


def _end_of(consumer: Consumer, partition: TopicPartition) -> int:
    """Records in this partition; 0 while the broker has not told everybody of it yet."""
    try:
        return int(consumer.get_watermark_offsets(partition, 10)[1])
    except KafkaException as error:
        if error.args[0].code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART):
            return 0
        raise
