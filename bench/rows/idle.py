"""A service that has nothing to do: how much of a core it takes, and how much memory it holds."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from bench import payments
from bench.context import Context
from bench.ours import Service, outputs_of
from bench.suite import Figure, Goal, Measurement, Row, Work
from processor.client import Client

SETTLE_S, SECONDS = 1.0, 10
EVENTS = 10_000


def works(context: Context) -> Sequence[Work]:
    figures = {"CPU": Figure("% of a core", "lower"), "RSS": Figure("MB", "lower")}
    parameters = {"events": EVENTS, "seconds": context.size(SECONDS, 2)}
    return [
        Work(f"idle, {journal}", figures, payments.expected(EVENTS), {**parameters, "journal": journal})
        for journal in ("embedded", "kafka")
    ]


class Idle(Service):
    """It has applied some payments, a client is connected, and nothing more comes."""

    def takes(self, work: Work) -> bool:
        return bool(work.parameters["journal"] == self._journal)

    def run(self, work: Work) -> Measurement:
        frames: list[bytes] = []
        with self.started() as service, Client(service.listen, timeout_s=60) as client:
            client.stream(payments.slots(EVENTS), frames.append)
            assert service.process is not None
            time.sleep(SETTLE_S)  # what came last is acknowledged and written
            before, start = cpu_seconds(service.process.pid), time.perf_counter()
            time.sleep(work.parameters["seconds"])
            used, seconds = cpu_seconds(service.process.pid) - before, time.perf_counter() - start
            values = {"CPU": 100 * used / seconds, "RSS": resident_bytes(service.process.pid) / 1e6}
        return Measurement(values, outputs_of(frames).result())


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process, its own and the system's on its behalf so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM, shared libraries included."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


ROW = Row(
    "idle",
    "a service without load: processor time and memory",
    works,
    lambda context: [Idle("embedded"), Idle("kafka")],
    goals=[
        goal
        for journal in ("embedded", "kafka")
        for goal in (
            Goal(f"idle, {journal}: CPU", None, most=1),
            Goal(f"idle, {journal}: RSS", None, most=150),
        )
    ],
)
