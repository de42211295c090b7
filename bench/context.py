"""What the contestants of one run share: options, a scratch folder, and a broker that is started when asked for."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench.broker import Broker, fetch_jars

WARM_UP_BYTES = 128 * 1024 * 1024


def configure(parser: argparse.ArgumentParser) -> None:
    """The options that every row has."""
    parser.add_argument("--peers", action="store_true", help="the peers as well, not only the limit")
    parser.add_argument("--quick", action="store_true", help="few pairs of small runs: that it works, not how fast")
    parser.add_argument(
        "--pairs",
        type=int,
        metavar="N",
        help="rounds in which everybody runs once (5; 9 where a ratio near 1 is claimed)",
    )
    parser.add_argument(
        "--broker-log",
        type=Path,
        metavar="DIR",
        help="put the Kafka broker's log there; a tmpfs shows what the code costs, a disk what the whole does",
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="put the result into this file of results as well")


class Context:
    """Options, a scratch folder, the broker. Use it as a context manager: everything it started is ended."""

    def __init__(
        self, *, quick: bool = False, peers: bool = False, pairs: int | None = None, broker_log: Path | None = None
    ) -> None:
        if pairs is not None and pairs < 1:
            raise ValueError(f"--pairs is at least 1, not {pairs}")
        self.quick, self.peers, self.pairs = quick, peers, pairs
        self._broker_log = broker_log
        self._bootstrap: str | None = None
        self._stack = contextlib.ExitStack()
        self._made: dict[str, str] = {}
        self.broker_filesystem: str | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Context:
        return cls(quick=arguments.quick, peers=arguments.peers, pairs=arguments.pairs, broker_log=arguments.broker_log)

    def __enter__(self) -> Self:
        self.scratch = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def log(self, text: str) -> None:
        """A line of progress, on stderr."""
        print(text, file=sys.stderr, flush=True)

    def size(self, full: int, quick: int) -> int:
        """`full`, or with --quick the small one."""
        return quick if self.quick else full

    def bootstrap(self) -> str:
        """The address of a warm Kafka broker: KAFKA_BOOTSTRAP's, or one started for this run."""
        if self._bootstrap is None:
            given = os.environ.get("KAFKA_BOOTSTRAP")
            self._bootstrap = given or self._start()
            self.log(f"Kafka broker at {self._bootstrap}, its log on {self.broker_filesystem or 'its own machine'}")
            self._warm_up()
        return self._bootstrap

    def _start(self) -> str:
        fetch_jars()
        log = None
        if self._broker_log is not None:
            self._broker_log.mkdir(parents=True, exist_ok=True)
            log = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="broker-log-", dir=self._broker_log))
            )
        self.broker_filesystem = filesystem_of(log or self.scratch)
        return self._stack.enter_context(Broker(log_directory=log)).bootstrap

    def _warm_up(self) -> None:
        """A broker's first seconds are slow: they belong to nobody's figures."""
        with self.topic() as topic:
            producer = Producer(
                {"bootstrap.servers": self.bootstrap(), "enable.idempotence": True, "linger.ms": 1, "log_level": 2}
            )
            block = bytes(64 * 1024)
            for _ in range(WARM_UP_BYTES // len(block) // (8 if self.quick else 1)):
                while True:
                    try:
                        producer.produce(topic, block)
                        break
                    except BufferError:
                        producer.poll(0.1)
                producer.poll(0)
            if producer.flush(60):
                raise RuntimeError("the broker did not take its warm-up within 60 s: is the disk full or busy?")

    def once(self, name: str, make: Callable[[], str]) -> str:
        """What `make` gives, made the first time that this name is asked for in the run."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def kept_topic(self, **settings: str) -> str:
        """A topic as below, kept until the end of the run: for input that several contestants read."""
        return self._stack.enter_context(self.topic(**settings))

    @contextlib.contextmanager
    def topic(self, name: str | None = None, **settings: str) -> Iterator[str]:
        """A new topic with one partition, deleted afterwards, so that the disk stays empty."""
        name = name or f"bench-{secrets.token_hex(4)}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap(), "log_level": 2})
        admin.create_topics([NewTopic(name, 1, 1, config=dict(settings))])[name].result(30)
        try:
            yield name
        finally:
            admin.delete_topics([name])[name].result(30)


def filesystem_of(directory: Path) -> str:
    """The type of the file system that holds this folder (ext4, tmpfs, ...)."""
    found = subprocess.run(["stat", "-f", "-c", "%T", str(directory)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "an unknown file system"
