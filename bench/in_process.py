"""A service in a process of its own, fed by sessions within it. Run as a program by the contestant InProcess.

    python -m bench.in_process TIER JOURNAL DIRECTORY EVENTS WARM_UP BLOCK_EVENTS [ACCOUNTS]

TIER is one of bench.balance's, or `tables`: bench.tables with ACCOUNTS accounts, its payments spread over them.
The last line of stdout is a JSON object: seconds, answered, outputs, rejected, checksum (of the balances in the state).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import balance, payments, programs, tables
from bench.context import Context
from bench.peers.bare_producer import BLOCK_EVENTS, IN_FLIGHT, WARM_UP_BYTES, WARM_UP_RECORDS, events_in
from bench.suite import Contestant, Measurement, Work, WrongResult
from processor import App, Config, Service

TIERS = {"native": balance.native, "compiled": balance.compiled, "numpy": balance.numpy, "python": balance.python}
ARRAY_EVENTS = 65_536  # submitted in one call; its fields are looked at before the first one goes in
WARM_UP = WARM_UP_RECORDS * WARM_UP_BYTES // payments.SLOT.itemsize


class InProcess(Contestant):
    """Payments submitted as arrays within the service's process, durable in Kafka, every answer counted.

    What the journal holds is read by the bare C fetch, and must come to what the state holds.
    """

    def __init__(self, tier: str, name: str = "processor", kind: str = "ours") -> None:
        self.name, self.kind, self._tier = name, kind, tier

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        context.bootstrap()
        programs.c("fetch")

    def configuration(self) -> str:
        return (
            f"bench.balance:{self._tier}, one session within the process, submit_array of {ARRAY_EVENTS}, "
            f"blocks of {BLOCK_EVENTS} events, "
            f"{IN_FLIGHT} in flight, wait strategy block, no snapshots on the way"
        )

    def run(self, work: Work) -> Measurement:
        events = work.parameters["events"]
        with (
            tempfile.TemporaryDirectory(dir=self.context.scratch) as directory,
            self.context.topic(**{"retention.ms": "-1", "retention.bytes": "-1"}) as topic,
        ):
            journal = f"kafka://{self.context.bootstrap()}/{topic}"
            command = [sys.executable, "-m", "bench.in_process", self._tier, journal, directory]
            found = programs.outcome([*command, str(events), str(WARM_UP), str(BLOCK_EVENTS)], cwd=programs.ROOT)
            journaled = events_in(topic, self.context)
        if journaled["checksum"] != found["checksum"] % 2**64 or found["outputs"] != found["answered"]:
            raise WrongResult(f"{self.name}, {work.name}: {found} do not fit what its journal holds, {journaled}")
        result = payments.result_text(found["outputs"] - found["rejected"], journaled["sum"], found["checksum"])
        return Measurement({"events": events / found["seconds"]}, result, payments.expected(WARM_UP + events))


@contextlib.contextmanager
def service(app: App, journal: str, directory: str, **config: Any) -> Iterator[Service]:
    """A service in this process that leads, its house kept by a thread; raises RuntimeError when it ends badly."""
    made = Service(
        app,
        journal=journal,
        listen=f"unix:{directory}/socket",
        snapshots=Path(directory) / "snapshots",
        config=Config(snapshot_every=0, snapshot_at_shutdown=False, **config),
        report=lambda line: print(line, file=sys.stderr),
    )
    made.start()
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join()
    if made.exit_code:
        raise RuntimeError(f"the service ended with exit code {made.exit_code}")


def array(events: payments.Array) -> payments.Array:
    """Payments as the application's own event: shape (n,)."""
    made = np.zeros(len(events), balance.declared.message_of(balance.Deposit).dtype)
    made["account"], made["amount"] = events["account"], events["amount"]
    return made


def main(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench.in_process")
    parser.add_argument("tier", choices=[*sorted(TIERS), "tables"])
    parser.add_argument("journal")
    parser.add_argument("directory")
    for number in ("events", "warm_up", "block_events"):
        parser.add_argument(number, type=int)
    parser.add_argument("accounts", type=int, nargs="?", default=payments.ACCOUNTS)
    asked = parser.parse_args(arguments)
    count = asked.warm_up + asked.events
    if asked.tier == "tables":
        os.environ[tables.TABLE_BYTES] = str(8 * asked.accounts)
        app, event, made = tables.app, tables.Deposit, array(tables.spread(count, asked.accounts))
    else:
        app, event, made = TIERS[asked.tier], balance.Deposit, array(payments.payments(count))
    with (
        service(app, asked.journal, asked.directory, max_block_events=asked.block_events) as running,
        running.session(answers=False, timeout_s=60) as session,
    ):
        session.submit_array(event, made[: asked.warm_up])
        session.wait()
        start = time.perf_counter()
        for first in range(asked.warm_up, len(made), ARRAY_EVENTS):
            session.submit_array(event, made[first : first + ARRAY_EVENTS])
        session.wait()
        seconds = time.perf_counter() - start
        counted = {"answered": session.answered, "outputs": session.outputs, "rejected": session.rejected}
    balances = running.core.state.balances
    checksum = int((np.arange(1, len(balances) + 1) * balances).sum())
    return {"seconds": seconds, **counted, "checksum": checksum}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])), flush=True)
