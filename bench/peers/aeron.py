"""Aeron Cluster, one node: every event is in its archive (the Raft log) before the service gets it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import payments, programs
from bench.broker import unused_port
from bench.context import Context
from bench.machine import java_version
from bench.suite import Contestant, Measurement, Work

PORTS = 5
READY_S = 60.0
WINDOW = 8192
OPENS = ("--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED", "--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED")


class Aeron(Contestant):
    """`channel` is how its client comes: udp or ipc. `sync` is Aeron's file sync level: 0 none, 1 the data."""

    def __init__(self, channel: str, sync: int) -> None:
        self._channel, self._sync = channel, sync
        self.name = f"Aeron Cluster {channel.upper()}" + (f", file sync {sync}" if sync else "")

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        options = (*OPENS, "-Xms512m", "-Xmx512m", "-Dagrona.disable.bounds.checks=true", "-Dbench.idle=yield")
        self._command = programs.java("aeron", *options)

    def configuration(self) -> str:
        return (
            f"one node, {self._channel} ingress and egress, fileSyncLevel={self._sync}, ThreadingMode.SHARED, "
            f"yielding idle strategies, bounds checks off, shared memory on /dev/shm, at most {WINDOW} unanswered"
        )

    def versions(self) -> dict[str, str]:
        return {"aeron": programs.jar_version("aeron", "aeron-cluster"), "java": java_version()}

    def run(self, work: Work) -> Measurement:
        events, lone, warm_up = (work.parameters[name] for name in ("events", "lone", "warm_up"))
        with self.directories() as (directory, options):
            port = unused_ports(PORTS)
            with self.node(directory, options, port):
                found = programs.outcome(
                    [
                        *self._with(options),
                        "bench.Client",
                        str(port),
                        self._channel,
                        str(warm_up),
                        str(events),
                        str(WINDOW),
                        str(lone),
                    ]
                )
        values = {"p50": found["p50"], "p99": found["p99"]} if lone else {"events": events / found["seconds"]}
        result = payments.result_text(found["count"], found["sum"], found["checksum"])
        return Measurement(values, result, payments.expected(warm_up + events + lone + lone // 10))

    @contextlib.contextmanager
    def directories(self) -> Iterator[tuple[Path, list[str]]]:
        """A folder for log and archive, and the option that names another, for the driver's shared memory."""
        with (
            tempfile.TemporaryDirectory(dir=self.context.scratch) as directory,
            tempfile.TemporaryDirectory(prefix="bench-aeron-", dir="/dev/shm", ignore_cleanup_errors=True) as shared,
        ):
            yield Path(directory), [f"-Dbench.aeron={shared}/driver"]

    @contextlib.contextmanager
    def node(self, directory: Path, options: list[str], port: int) -> Iterator[None]:
        """The node, started; raises ProgramFailed when it does not come to that."""
        said = directory / "said"
        command = [*self._with(options), "bench.Node", str(directory), str(port), str(self._sync), "SHARED"]
        with programs.child(command, output=said) as process:
            deadline = time.monotonic() + READY_S
            while "ready" not in said.read_text():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise programs.ProgramFailed(f"{self.name} did not start: {said.read_text()[-2000:]}")
                time.sleep(0.02)
            yield
            process.terminate()
            process.wait(30)

    def _with(self, options: list[str]) -> list[str]:
        return [self._command[0], *options, *self._command[1:]]


def unused_ports(count: int) -> int:
    """The first of `count` ports in a row, near one that nobody listens on."""
    return min(unused_port(), 65_535 - count)
