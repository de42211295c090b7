"""Our service as a contestant: `processor run` with a journal of some kind, and a client of another process."""

from __future__ import annotations

import contextlib
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


def application(tier: str) -> str:
    """bench.balance in this tier of handler (native, compiled, numpy, python), as the command line names it."""
    return f"bench.balance:{tier}"


def balance_service(journal: str, directory: str, tier: str = "native") -> ServiceProcess:
    """A service with the balances, not started yet: its socket and snapshots in `directory`, none while it runs."""
    return ServiceProcess(
        application(tier),
        journal=journal,
        listen=f"unix:{directory}/socket",
        snapshots=f"{directory}/snapshots",
        options=("--snapshot-every", "0"),
    )


def outputs_of(frames: list[bytes]) -> payments.Outputs:
    """What these reply frames come to, each of them a balance."""
    outputs, found = payments.Outputs(), np.frombuffer(b"".join(frames), FRAME)["output"]
    outputs.add(found["account"], found["balance"])
    return outputs


class Service(Contestant):
    """`journal` is memory, embedded or kafka; `tier` that of the handlers.

    Its client keeps a window of requests in flight, or asks one by one.
    """

    name = "processor"
    kind = "ours"

    def __init__(self, journal: str, tier: str = "native") -> None:
        self._journal, self._tier = journal, tier

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        if self._journal == "kafka":
            context.bootstrap()

    def configuration(self) -> str:
        return (
            f"{application(self._tier)}, {self._journal} journal, wait strategy block, full window, "
            "no snapshots on the way"
        )

    def run(self, work: Work) -> Measurement:
        events, lone, warm_up = (work.parameters[name] for name in ("events", "lone", "warm_up"))
        slots = payments.slots(warm_up + events + lone)
        frames: list[bytes] = []
        with self.running() as client:
            client.stream(slots[:warm_up], frames.append)
            start = time.perf_counter()
            client.stream(slots[warm_up : warm_up + events], frames.append)
            seconds = time.perf_counter() - start
            if lone:
                took, answers = client.trips(slots[warm_up + events :], window=1)
                frames.append(answers)
        outputs = outputs_of(frames)
        if lone:
            values = {"p50": float(np.percentile(took, 50)) / 1000, "p99": float(np.percentile(took, 99)) / 1000}
        else:
            values = {"events": events / seconds}
        return Measurement(values, outputs.result(), payments.expected(len(slots)))

    @contextlib.contextmanager
    def running(self) -> Iterator[Client]:
        """A client of a fresh service."""
        with self.started() as service, Client(service.listen, timeout_s=60) as client:
            yield client

    @contextlib.contextmanager
    def started(self) -> Iterator[ServiceProcess]:
        """A fresh service on a fresh journal, both gone afterwards."""
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(dir=self.context.scratch))
            journal = "memory:" if self._journal == "memory" else f"embedded://{directory}/journal"
            if self._journal == "kafka":
                topic = stack.enter_context(self.context.topic(**{"retention.ms": "-1", "retention.bytes": "-1"}))
                journal = f"kafka://{self.context.bootstrap()}/{topic}"
            yield stack.enter_context(balance_service(journal, directory, self._tier)).start()
