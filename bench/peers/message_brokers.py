"""Message brokers, as the article on LMAX compares them: durable messages of 64 bytes, confirmed by the broker, at
most WINDOW waiting.

After the clock has stopped the queue is drained, and the payments that were kept must come to the right result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import payments, programs
from bench.broker import unused_port
from bench.context import Context
from bench.machine import java_version
from bench.suite import Contestant, Measurement, Unavailable, Work

WINDOW = 1_000


class MessageBroker(Contestant):
    """A Java program that fills a queue and drains it; `share` of the work's events is what it gets."""

    program = ""
    main = ""
    artifact = ""
    settings = ""
    share = 0.1

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        self._java = programs.java(self.program, "-Xms512m", "-Xmx1g")

    def configuration(self) -> str:
        return f"{self.settings}, persistent messages, at most {WINDOW} unconfirmed"

    def versions(self) -> dict[str, str]:
        return {self.artifact: programs.jar_version(self.program, self.artifact), "java": java_version()}

    def run(self, work: Work) -> Measurement:
        events = int(work.parameters["events"] * self.share)
        warm_up = events // 2
        with tempfile.TemporaryDirectory(dir=self.context.scratch, ignore_cleanup_errors=True) as directory:
            found = self.outcome(Path(directory), (str(warm_up), str(events), str(WINDOW)))
        result = payments.result_text(found["count"], found["sum"], found["checksum"])
        return Measurement({"events": events / found["seconds"]}, result, payments.expected(warm_up + events))

    def outcome(self, directory: Path, arguments: Sequence[str]) -> dict[str, float]:
        """What the program prints; its broker runs in the same JVM, reached by TCP."""
        return programs.outcome([*self._java, self.main, str(directory), str(unused_port()), *arguments])


class ActiveMqClassic(MessageBroker):
    name = "ActiveMQ Classic"
    program, main, artifact = "activemq", "bench.ClassicPeer", "activemq-broker"
    settings = "KahaDB with its defaults (every write synced), asynchronous sends with a callback"


class Artemis(MessageBroker):
    name = "ActiveMQ Artemis"
    program, main, artifact = "artemis", "bench.ArtemisPeer", "artemis-server"
    settings = "NIO journal with its defaults (synced), send acknowledgements, confirmation window 1 MiB"


class RabbitMq(MessageBroker):
    """Debian's server in a process of its own; installed by apt when it is not there and that can be done."""

    name = "RabbitMQ"
    program, main, artifact = "rabbitmq", "bench.RabbitPeer", "amqp-client"
    settings = "Debian's server with its defaults, durable classic queue, publisher confirms"
    SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

    def set_up(self, context: Context) -> None:
        self._need_server()
        super().set_up(context)

    def versions(self) -> dict[str, str]:
        said = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"], capture_output=True, text=True, check=False
        )
        return {**super().versions(), "rabbitmq-server": said.stdout}

    def outcome(self, directory: Path, arguments: Sequence[str]) -> dict[str, float]:
        port, epmd = unused_port(), unused_port()
        environment = {
            "HOME": str(directory),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bench{port}@localhost",
            "RABBITMQ_DIST_PORT": str(unused_port()),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "ERL_EPMD_PORT": str(epmd),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "none"),
        }
        (directory / "plugins").write_text("[].\n")
        said = directory / "said"
        try:
            with programs.child([str(self.SERVER)], cwd=directory, environment=environment, output=said) as process:
                programs.await_listening(port, process, said)
                return programs.outcome([*self._java, self.main, str(port), *arguments])
        finally:
            end_port_mapper(epmd)

    def _need_server(self) -> None:
        if self.SERVER.exists():
            return
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise Unavailable(
                f"RabbitMQ is not installed ({self.SERVER}), and only root can install it, with Debian's apt-get"
            )
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "rabbitmq-server"]):
            # In run level 1 Debian's packages do not start the services that they install.
            environment = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
            done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Unavailable(f"apt-get {command[0]} failed, RabbitMQ is not to be had: {done.stderr[-800:]}")


def end_port_mapper(port: int) -> None:
    """Ends the daemon that an Erlang node has started on this port; it refuses until it knows that the node is gone."""
    command = ["epmd", "-port", str(port)]
    deadline = time.monotonic() + 10
    while subprocess.run([*command, "-names"], capture_output=True, check=False).returncode == 0:
        if time.monotonic() > deadline:
            raise programs.ProgramFailed(f"the Erlang port mapper on port {port} does not end")
        subprocess.run([*command, "-kill"], capture_output=True, check=False)
        time.sleep(0.1)
