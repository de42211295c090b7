"""A real Apache Kafka broker, one node in KRaft mode, from Maven's jars: for tests, benchmarks and `make kafka`.

KAFKA_BOOTSTRAP, when set, names a broker to use instead; `broker()` then starts none.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bench import maven
from bench.watchdog import Watchdog

ROOT = Path(__file__).resolve().parent.parent
JARS = Path(os.environ.get("PROCESSOR_KAFKA_JARS", ROOT / ".kafka" / "jars"))
START_S = 60.0


class BrokerError(RuntimeError):
    """The broker could not be fetched or did not come up; the message says why."""


def fetch_jars() -> Path:
    """The folder with the broker's jars; fetched by Maven when it is not there. Several processes may ask at once."""
    try:
        return maven.jars(ROOT / "bench" / "kafka" / "pom.xml", JARS)
    except maven.MavenError as error:
        raise BrokerError(f"{error}; a Kafka broker needs them: or set KAFKA_BOOTSTRAP to one that runs") from None


def unused_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """One broker process. `directory` holds configuration and log; a temporary one is removed at the end.

    `port` 0 picks a free one, kept over restarts. `log_directory` puts the records elsewhere, say on a tmpfs.
    """

    def __init__(
        self,
        directory: Path | str | None = None,
        *,
        port: int = 0,
        log_directory: Path | str | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="broker-")
        self.directory = Path(directory or self._temporary.name)  # type: ignore[union-attr]
        self.log_directory = Path(log_directory) if log_directory else self.directory / "log"
        self.port = port or unused_port()
        self._controller_port = unused_port()
        self._settings = settings or {}
        self._output = self.directory / "broker.out"
        self.process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Formats the log directory if it is new, starts, and waits until the broker answers; raises BrokerError."""
        jars = fetch_jars()
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "log4j2.properties").write_text(LOGGING)
        properties = self.directory / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if not (self.log_directory / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=").replace("-", "a")
            self._run_tool(jars, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties))
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                self._command(jars, "kafka.Kafka", str(properties)),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )
        self._watch(self.process.pid)
        self._wait_until_it_answers()
        return self

    def _properties(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.log_directory),
            "auto.create.topics.enable": "false",
            "num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A killed broker that comes back waits until its old session is over.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            "log.segment.bytes": str(256 * 1024 * 1024),
            **self._settings,
        }

    def _command(self, jars: Path, main: str, *arguments: str) -> list[str]:
        heap = os.environ.get("PROCESSOR_KAFKA_HEAP", "1g")
        return ["java", f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseG1GC", "-Djava.awt.headless=true",
                f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}",
                "-cp", f"{jars}/*", main, *arguments]

    def _run_tool(self, jars: Path, main: str, *arguments: str) -> None:
        result = subprocess.run(
            self._command(jars, main, *arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if result.returncode:
            raise BrokerError(f"{main} failed:\n{(result.stdout + result.stderr)[-2000:]}")

    def _watch(self, pid: int) -> None:
        self._unwatch()
        self._watchdog = Watchdog(pid)

    def _unwatch(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
            self._watchdog = None

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_S
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200,
                             "logger": _Silent()})
        while True:
            try:
                if admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    code = self.process.poll()
                    self.kill()
                    said = self._output.read_text(errors="replace")[-3000:]
                    raise BrokerError(f"the broker did not come up (exit code {code}, {error}):\n{said}") from None

    def stop(self, timeout_s: float = 30.0) -> None:
        """SIGTERM, then SIGKILL when it takes longer than timeout_s."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
            self._unwatch()
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._unwatch()

    def close(self) -> None:
        """Ends it for good; a temporary directory is removed."""
        self.kill()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Silent:
    """A logger for clients that wait for a broker: that it is not there yet is no news."""

    def log(self, *arguments: Any, **options: Any) -> None:
        return None


@contextlib.contextmanager
def broker(**options: Any) -> Iterator[str]:
    """The bootstrap address of KAFKA_BOOTSTRAP's broker, or of one started for the time of the `with`."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    with Broker(**options) as started:
        yield started.bootstrap


LOGGING = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
"""


def main() -> int:
    """`make kafka`: a broker in the foreground until Ctrl-C; its data is kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.broker", description=main.__doc__)
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--directory", default=str(ROOT / ".kafka" / "data"))
    arguments = parser.parse_args()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", arguments.port))
        except OSError as error:
            print(f"bench.broker: 127.0.0.1:{arguments.port}: {error.strerror}: another broker may be running there already; end it, "
                  "or choose another --port and --directory", file=sys.stderr)
            return 3
    print("starting Kafka (the first time it is downloaded, which takes a minute or two)", file=sys.stderr, flush=True)
    server = Broker(arguments.directory, port=arguments.port)
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: asked.append(number))
    try:
        server.start()
    except BrokerError as error:
        print(f"bench.broker: {error}", file=sys.stderr)
        return 3
    print(f"Kafka answers at {server.bootstrap}; its data is in {server.directory}; Ctrl-C ends it", flush=True)
    assert server.process is not None
    while not asked and server.process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(0.5)
    server.stop()
    return 0 if asked else 3


if __name__ == "__main__":
    sys.exit(main())
