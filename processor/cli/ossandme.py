"""`processor ossandme produce|consume`: the smallest example, after the article "Apache Kafka for Event Sourcing".

Nothing but a broker is needed. Events are text in one partition of the topic `ossandme`; their consumer reads them in
order, and whatever it makes of them it can make again: when one fails, it goes back to the first and processes all of
them again.
"""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from processor.errors import EXIT_DONE, Halted, JournalError, WrongUse
from processor.journal.kafka_topic import Silent, Topics

NAME = "ossandme"
HELP = "the smallest example of event sourcing: timestamps in a topic, read back from the first"
TOPIC, PARTITION = "ossandme", 0
BOOTSTRAP = "127.0.0.1:9092"
ANSWER_S = 8.0              # until a broker counts as not there
MAX_REWINDS = 3
EXAMPLES = """\
examples (with a broker of your own, or `make kafka`):
  processor ossandme produce --count 10
  processor ossandme consume
  processor ossandme consume --on-error rewind --fail-at 5 --fail-times 2
  processor ossandme consume --on-error halt --fail-at 5
"""
CONSUME = """\
Prints `offset: content` for each record, from the partition's first up to the end that it has when this starts, and
ends there. With --fail-at the processing of that record raises an exception instead of printing it, the first K times.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="ossandme_command", metavar="produce|consume", required=True)
    produce = commands.add_parser("produce", help="publish N timestamps; the topic is created with one partition")
    produce.add_argument("--count", type=int, default=10, metavar="N", help="how many (default %(default)s)")
    consume = commands.add_parser("consume", help="print all of them, in order", description=CONSUME)
    consume.add_argument("--on-error", choices=("rewind", "halt"), default="halt",
                         help="rewind: back to the first record, all are processed again; halt: stop (default)")
    consume.add_argument("--fail-at", type=int, metavar="OFFSET", help="the record whose processing fails")
    consume.add_argument("--fail-times", type=int, default=1, metavar="K",
                         help="how often it does (default %(default)s)")
    consume.add_argument("--max-rewinds", type=int, default=MAX_REWINDS, metavar="N",
                         help="after so many the next failure halts (default %(default)s)")
    for command in (produce, consume):
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = EXAMPLES
        command.add_argument("--bootstrap", metavar="HOST:PORT",
                             help=f"the broker (default: $KAFKA_BOOTSTRAP, else {BOOTSTRAP})")


def run(arguments: argparse.Namespace) -> int:
    for name in ("count", "fail_at", "fail_times", "max_rewinds"):
        value = getattr(arguments, name, None)
        if value is not None and value < 0:
            raise WrongUse(f"--{name.replace('_', '-')} is 0 or more, not {value}")
    # Calls into librdkafka do not return for Ctrl-C. Nothing here needs an orderly end, so let it end the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    bootstrap = arguments.bootstrap or os.environ.get("KAFKA_BOOTSTRAP") or BOOTSTRAP
    if arguments.ossandme_command == "produce":
        return _produce(bootstrap, arguments.count)
    return _consume(bootstrap, arguments)


def _produce(bootstrap: str, count: int) -> int:
    topics = _topics(bootstrap)
    if topics.partitions(TOPIC) is None:
        topics.create(TOPIC, 1)
    offsets: list[int] = []
    failures: list[Any] = []

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            failures.append(error)
        else:
            offsets.append(message.offset())

    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "message.timeout.ms": int(ANSWER_S * 1000),
        "logger": Silent(),
    })  # fmt: skip
    for _ in range(count):
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        while True:
            try:
                producer.produce(TOPIC, now.encode(), partition=PARTITION, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)      # its queue is full: as fast as the broker takes them
            except KafkaException as error:
                raise JournalError(f"{_place(bootstrap)}: cannot produce: {error.args[0].str()}") from error
        producer.poll(0)
    producer.flush()
    if failures or len(offsets) != count:
        why = failures[0].str() if failures else "no answer"
        raise JournalError(f"{_place(bootstrap)}: {len(offsets)} of {count} timestamps were published, then: {why}")
    where = f", offsets {min(offsets)} to {max(offsets)}" if offsets else ""
    print(f"published {count} timestamps to the topic {TOPIC}, partition {PARTITION}{where}")
    return EXIT_DONE


class Processing:
    """What is done with each record: it is printed; at `fail_at` it raises instead, the first `fail_times` times."""

    def __init__(self, fail_at: int | None, fail_times: int) -> None:
        self._fail_at = fail_at
        self._fail_times_left = fail_times

    def __call__(self, offset: int, content: str) -> None:
        if offset == self._fail_at and self._fail_times_left > 0:
            self._fail_times_left -= 1
            raise RuntimeError("failed on purpose, by --fail-at")
        print(f"{offset}: {content}")


def _consume(bootstrap: str, arguments: argparse.Namespace) -> int:
    process = Processing(arguments.fail_at, arguments.fail_times)
    source = Source(bootstrap)
    rewinds = 0
    while True:
        try:
            for offset, content in source.records():
                try:
                    process(offset, content)
                except BrokenPipeError:
                    raise                       # who read the output has gone: no failure of this record's
                except Exception as error:
                    raise _Failed(offset, content, error) from error
            return EXIT_DONE
        except _Failed as failed:
            sys.stdout.flush()
            if arguments.on_error == "halt":
                raise Halted(f"halted at {failed}; nothing behind it was processed") from failed
            if rewinds == arguments.max_rewinds:
                raise Halted(f"halted after {rewinds} rewinds (--max-rewinds) at {failed}") from failed
            rewinds += 1
            print(f"rewind {rewinds} of at most {arguments.max_rewinds}: {failed}; all again from the first record",
                  file=sys.stderr, flush=True)  # fmt: skip


class _Failed(Exception):
    """The processing of one record raised."""

    def __init__(self, offset: int, content: str, error: Exception) -> None:
        super().__init__(
            f"record {offset} of {TOPIC}, partition {PARTITION} ({content}): {type(error).__name__}: {error}"
        )


class Source:
    """The partition up to the end that it has now; raises JournalError when broker or topic are not there."""

    def __init__(self, bootstrap: str) -> None:
        if _topics(bootstrap).partitions(TOPIC) is None:
            raise JournalError(f"there is no topic {TOPIC!r} at {bootstrap}: run `processor ossandme produce` first")
        self._bootstrap = bootstrap
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": TOPIC, "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "enable.partition.eof": True, "logger": Silent(),
        })  # fmt: skip
        try:
            _, self._end = self._consumer.get_watermark_offsets(TopicPartition(TOPIC, PARTITION), timeout=ANSWER_S)
        except KafkaException as error:
            raise JournalError(
                f"{_place(bootstrap)}: the broker does not tell where it ends: {error.args[0].str()}"
            ) from error

    def records(self) -> Iterator[tuple[int, str]]:
        """(offset, content) of each record, from the partition's first one; again from there whenever it is called."""
        self._consumer.assign([TopicPartition(TOPIC, PARTITION, OFFSET_BEGINNING)])
        position, heard_at = 0, time.monotonic()
        while position < self._end:
            messages = self._consumer.consume(1000, timeout=0.1)
            for message in cast(list[Any], messages):
                heard_at = time.monotonic()
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    return          # markers of transactions may stand between the last record and the end
                if error is not None:
                    raise JournalError(f"{_place(self._bootstrap)}: cannot read: {error.str()}")
                offset: int = message.offset()
                if offset >= self._end:
                    return
                position = offset + 1
                yield offset, (message.value() or b"").decode(errors="replace")
            sys.stdout.flush()      # who reads a pipe gets what is there, a batch at a time
            if time.monotonic() - heard_at > ANSWER_S:
                raise JournalError(
                    f"{_place(self._bootstrap)}: nothing came for {ANSWER_S:g} s at offset {position} of {self._end}: "
                    "is the broker well?"
                )


def _topics(bootstrap: str) -> Topics:
    return Topics(bootstrap, _place(bootstrap), ANSWER_S, {})


def _place(bootstrap: str) -> str:
    return f"topic {TOPIC} at {bootstrap}"
