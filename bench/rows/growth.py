"""What grows with keys, clients and the journal: each against the same with few of them."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from bench import payments, programs, tables
from bench.context import Context
from bench.in_process import WARM_UP
from bench.ours import Service, balance_service, outputs_of
from bench.peers.bare_producer import BLOCK_EVENTS
from bench.suite import Contestant, Figure, Goal, Measurement, Row, Work
from processor.client import Client
from processor.client.admin import admin

EVENTS, KEYS, CLIENTS, JOURNAL, BEHIND = 1_000_000, (100_000, 10_000_000), 200, 20_000_000, 500_000
FEW_KEYS, SHORT = 1_000, 0.1
FEW = "few of them"


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 10)
    cost = {"cost": Figure("ns an event", "lower")}
    by_keys = [
        Work(
            f"growth, {keys:,} keys", cost, tables_text(events, keys), {"kind": "keys", "many": keys, "events": events}
        )
        for keys in KEYS
    ]
    journal, behind = context.size(JOURNAL, JOURNAL // 40), context.size(BEHIND, BEHIND // 10)
    return [
        *by_keys,
        Work(
            f"growth, {CLIENTS} clients",
            cost,
            clients_text(events, CLIENTS),
            {"kind": "clients", "many": CLIENTS, "events": events},
        ),
        Work(
            f"growth, {journal:,} events of journal",
            {"recovery": Figure("s", "lower")},
            f"{behind} events behind the snapshot",
            {"kind": "journal", "many": journal, "behind": behind},
        ),
    ]


def tables_text(events: int, keys: int) -> str:
    made = tables.spread(WARM_UP + events, keys)
    balances = np.zeros(keys, np.int64)
    np.add.at(balances, made["account"], made["amount"])
    return f"{len(made)} outputs, balances {int((np.arange(1, keys + 1) * balances).sum()) % 2**64:016x}"


def of_client(number: int, clients: int, events: int) -> payments.Array:
    """The payments of one of the clients, whole events: for accounts of its own, their order does not matter."""
    share, accounts = events // clients, payments.ACCOUNTS // clients
    made = payments.slots(share, number * share)
    made["account"] = number * accounts + made["account"] % accounts
    return made


def clients_text(events: int, clients: int) -> str:
    outputs = payments.Outputs()
    for number in range(clients):
        made = of_client(number, clients, events)
        outputs.add(made["account"], payments.running_balances(made))
    return outputs.result()


class Keys(Contestant):
    """Payments in process through Kafka, with a table of many or of few accounts."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind

    def takes(self, work: Work) -> bool:
        return bool(work.parameters["kind"] == "keys")

    def configuration(self) -> str:
        return f"bench.tables:app in process, kafka journal; few: {FEW_KEYS} keys"

    def run(self, work: Work) -> Measurement:
        events, keys = work.parameters["events"], work.parameters["many"] if self.kind == "ours" else FEW_KEYS
        with (
            tempfile.TemporaryDirectory(dir=self.context.scratch) as directory,
            self.context.topic(**{"retention.ms": "-1", "retention.bytes": "-1"}) as topic,
        ):
            journal = f"kafka://{self.context.bootstrap()}/{topic}"
            numbers = map(str, (events, WARM_UP, BLOCK_EVENTS, keys))
            command = [sys.executable, "-m", "bench.in_process", "tables", journal, directory, *numbers]
            found = programs.outcome(command, cwd=programs.ROOT)
        result = f"{found['outputs'] - found['rejected']} outputs, balances {found['checksum'] % 2**64:016x}"
        return Measurement({"cost": found["seconds"] / events * 1e9}, result, tables_text(events, keys))


class Clients(Service):
    """All clients of one process, in turns: each has its whole share in flight. Or one client with everything."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__("kafka")
        self.name, self.kind = name, kind

    def takes(self, work: Work) -> bool:
        return bool(work.parameters["kind"] == "clients")

    def configuration(self) -> str:
        return f"{super().configuration()}; few: 1 client"

    def run(self, work: Work) -> Measurement:
        events = work.parameters["events"]
        count = work.parameters["many"] if self.kind == "ours" else 1
        shares = [of_client(number, count, events) for number in range(count)]
        frames: list[bytes] = []
        with self.started() as service, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(service.listen, timeout_s=60)) for _ in shares]
            start = time.perf_counter()
            if count == 1:
                clients[0].stream(shares[0], frames.append)
            else:
                for client, share in zip(clients, shares, strict=True):
                    client.offer(share)
                for client in clients:
                    while client.in_flight:
                        frames.append(client.receive_frames(1.0, answers=client.in_flight))
            seconds = time.perf_counter() - start
        return Measurement({"cost": seconds / events * 1e9}, outputs_of(frames).result(), clients_text(events, count))


class Journal(Contestant):
    """A service that is killed and started again: a snapshot, as many events behind it, more or fewer before."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self._stack = contextlib.ExitStack()
        self._written: tuple[str, str] | None = None

    def takes(self, work: Work) -> bool:
        return bool(work.parameters["kind"] == "journal")

    def configuration(self) -> str:
        return f"bench.balance:native, embedded journal, one snapshot; few: {SHORT:g} of the events before it"

    def run(self, work: Work) -> Measurement:
        many, behind = work.parameters["many"], work.parameters["behind"]
        if self._written is None:
            self._written = self._write(many if self.kind == "ours" else int(many * SHORT), behind)
        with balance_service(*self._written) as service:
            recovered, snapshot, seconds = service.start().recovered
        # Beside them: the event that records the snapshot's hash.
        found = recovered - 1 if snapshot is not None else recovered
        return Measurement({"recovery": seconds}, f"{found} events behind the snapshot")

    def _write(self, before: int, behind: int) -> tuple[str, str]:
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(dir=self.context.scratch))
        journal = f"embedded://{directory}/journal"
        with balance_service(journal, directory) as service:
            with Client(service.start().listen, timeout_s=60) as client:
                for first in range(0, before, EVENTS):
                    client.stream(payments.slots(min(EVENTS, before - first), first), lambda frames: None)
                said = admin(service.listen, {"command": "snapshot", "keep": None}, timeout_s=120)
                if not said.get("ok"):
                    raise RuntimeError(f"no snapshot was taken: {said}")
                client.stream(payments.slots(behind, before), lambda frames: None)
            service.kill()
        return journal, directory

    def close(self) -> None:
        self._stack.close()


def contestants(context: Context) -> Sequence[Contestant]:
    return [one for kind in (Keys, Clients, Journal) for one in (kind("processor", "ours"), kind(FEW, "limit"))]


ROW = Row(
    "growth",
    "cost per event with many keys and clients, and recovery from a long journal, each against few of them",
    works,
    contestants,
    goals=[
        *(Goal(f"growth, {keys:,} keys", FEW, most=1.5) for keys in KEYS),
        Goal(f"growth, {CLIENTS} clients", FEW, most=1.5),
        Goal(f"growth, {JOURNAL:,} events of journal", FEW, most=1.5),
    ],
)
