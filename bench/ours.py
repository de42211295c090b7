"""Our service as a contestant: `processor run` with a journal of some kind, and a client of another process."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from bench import payments
from bench.context import Context
from bench.service_process import ServiceProcess
from bench.suite import Contestant, Measurement, Work
from processor.client import Client
from processor.layout import REPLY

FRAME = np.dtype([("head", REPLY), ("output", payments.OUTPUT)])
APPLICATION = "bench.rows.service_application:app"


def balance_service(journal: str, directory: str) -> ServiceProcess:
    """A service with the balances, not started yet: its socket and snapshots in `directory`, none while it runs."""
    return ServiceProcess(
        APPLICATION,
        journal=journal,
        listen=f"unix:{directory}/socket",
        snapshots=f"{directory}/snapshots",
        options=("--snapshot-every", "0"),
    )


class Service(Contestant):
    """`journal` is memory, embedded or kafka. Its client keeps a window of requests in flight, or asks one by one."""

    name = "processor"
    kind = "ours"

    def __init__(self, journal: str) -> None:
        self._journal = journal

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        if self._journal == "kafka":
            context.bootstrap()

    def configuration(self) -> str:
        return f"{APPLICATION}, {self._journal} journal, wait strategy block, full window, no snapshots on the way"

    def run(self, work: Work) -> Measurement:
        events, lone, warm_up = (work.parameters[name] for name in ("events", "lone", "warm_up"))
        slots = payments.slots(warm_up + events + lone)
        frames: list[bytes] = []
        stamps: list[float] = []

        def stamped(frame: bytes) -> None:
            stamps.append(time.perf_counter())
            frames.append(frame)

        with self._running() as client:
            client.stream(slots[:warm_up], frames.append)
            start = time.perf_counter()
            client.stream(slots[warm_up : warm_up + events], frames.append)
            seconds = time.perf_counter() - start
            if lone:
                stamps.append(time.perf_counter())
                client.stream(slots[warm_up + events :], stamped, window=1)
        outputs = payments.Outputs()
        found = np.frombuffer(b"".join(frames), FRAME)["output"]
        outputs.add(found["account"], found["balance"])
        if lone:
            trips = np.diff(stamps) * 1e6
            values = {"p50": float(np.percentile(trips, 50)), "p99": float(np.percentile(trips, 99))}
        else:
            values = {"events": events / seconds}
        return Measurement(values, outputs.result(), payments.expected(len(slots)))

    @contextlib.contextmanager
    def _running(self) -> Iterator[Client]:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(dir=self.context.scratch))
            journal = "memory:" if self._journal == "memory" else f"embedded://{directory}/journal"
            if self._journal == "kafka":
                topic = f"bench-{secrets.token_hex(4)}"
                stack.enter_context(self.context.topic(topic, **{"retention.ms": "-1", "retention.bytes": "-1"}))
                journal = f"kafka://{self.context.bootstrap()}/{topic}"
            service = stack.enter_context(balance_service(journal, directory))
            yield stack.enter_context(Client(service.start().listen, timeout_s=60))
