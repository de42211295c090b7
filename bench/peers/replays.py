"""Replays: a bare fetch of a topic, Aeron Cluster from its log, eventsourcing from SQLite, and our service.

Each has written its payments once, before anything is measured. What a replay comes to is the balances of all accounts.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np

from bench import payments, programs
from bench.context import Context
from bench.ours import FRAME, balance_service
from bench.peers.aeron import PORTS, WINDOW, Aeron, unused_ports
from bench.peers.bare_producer import BLOCK_EVENTS, IN_FLIGHT, events_in
from bench.peers.event_sourcing import SHARE, WARM_UP, EventSourcing
from bench.service_process import ServiceProcess
from bench.suite import Contestant, Measurement, Work
from processor.client import Client


def balances_text(count: int, checksum: int) -> str:
    """The result of a replay."""
    return f"{count} events, balances {checksum % 2**64:016x}"


def expected(count: int) -> str:
    """What a replay of the first `count` payments comes to."""
    events = payments.payments(count)
    balances = np.zeros(payments.ACCOUNTS, np.int64)
    np.add.at(balances, events["account"], events["amount"])
    return balances_text(count, int((np.arange(1, payments.ACCOUNTS + 1) * balances).sum()))


class BareFetch(Contestant):
    """librdkafka reading blocks of 64-byte events. They are looked at in a second reading, to check them."""

    name = "bare C fetch"
    kind = "limit"

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        programs.c("fetch")
        context.bootstrap()

    def configuration(self) -> str:
        return f"blocks of {BLOCK_EVENTS} events, fetches of 8 MiB, a queue of 128 MiB, no CRC check (the default)"

    def takes(self, work: Work) -> bool:
        return bool(work.parameters["kafka"])

    def run(self, work: Work) -> Measurement:
        topic = self.context.once(
            f"{work.parameters['events']} payments in blocks", lambda: self._filled(work.parameters["events"])
        )
        seconds = events_in(topic, self.context, apply=False)["seconds"]
        found = events_in(topic, self.context)
        result = balances_text(found["events"], found["checksum"])
        return Measurement({"events": found["events"] / seconds}, result)

    def _filled(self, events: int) -> str:
        topic = self.context.kept_topic()
        arguments = (self.context.bootstrap(), topic, str(events), str(BLOCK_EVENTS), str(IN_FLIGHT), "0")
        programs.outcome([*programs.c("produce"), *arguments])
        return topic


class AeronReplay(Aeron):
    """A node that is started again on the log of another run, without a snapshot."""

    def __init__(self) -> None:
        super().__init__("ipc", 0)
        self.name = "Aeron Cluster replay"
        self._stack = contextlib.ExitStack()
        self._log: tuple[Path, list[str], int] | None = None

    def takes(self, work: Work) -> bool:
        return not work.parameters["kafka"]

    def run(self, work: Work) -> Measurement:
        events = work.parameters["events"]
        if self._log is None:
            self._log = self._written(events)
        directory, options, port = self._log
        found = programs.outcome(
            [*self._with(options), "bench.Node", str(directory), str(port), "0", "SHARED", str(events)]
        )
        return Measurement({"events": events / found["seconds"]}, balances_text(events, found["checksum"]))

    def _written(self, events: int) -> tuple[Path, list[str], int]:
        directory, options = self._stack.enter_context(self.directories())
        port = unused_ports(PORTS)
        with self.node(directory, options, port):
            client = [*self._with(options), "bench.Client", str(port), "ipc", "0", str(events), str(WINDOW), "0"]
            programs.outcome(client)
        return directory, options, port

    def close(self) -> None:
        self._stack.close()


class EventSourcingRebuild(EventSourcing):
    """All aggregates made again from their events."""

    name = "eventsourcing rebuild"

    def takes(self, work: Work) -> bool:
        return not work.parameters["kafka"]

    def run(self, work: Work) -> Measurement:
        found = self.outcome(int(work.parameters["events"] * SHARE))
        result = balances_text(found["count"], found["checksum"])
        wanted = expected(int(work.parameters["events"] * SHARE) + WARM_UP)
        return Measurement({"events": found["count"] / found["rebuild_seconds"]}, result, wanted)


class OurReplay(Contestant):
    """A service that was killed and is started again without a snapshot; the rate is what it tells itself.

    All tiers replay the same journals: they have one schema.
    """

    name = "processor"
    kind = "ours"

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._journals: dict[bool, tuple[str, str]] = {}

    def configuration(self) -> str:
        return "bench.balance, no snapshot, every block checked, from the first event to its own claim"

    def run(self, work: Work) -> Measurement:
        kafka, events = work.parameters["kafka"], work.parameters["events"]
        if kafka not in self._journals:
            self._journals[kafka] = self._written(kafka, events)
        with balance_service(*self._journals[kafka], work.parameters["tier"]) as service:
            service.start()
            return self._replayed(service, events)

    def _replayed(self, service: ServiceProcess, events: int) -> Measurement:
        recovered, _snapshot, seconds = service.recovered
        rate = recovered / seconds
        # A payment of 0 to each account answers its balance. It is journaled, later rounds replay it as well, but
        # it changes no balance, and the rate is that of what was replayed.
        ask = np.zeros(payments.ACCOUNTS, payments.EVENT)
        ask["account"] = np.arange(payments.ACCOUNTS)
        frames: list[bytes] = []
        with Client(service.listen, timeout_s=60) as client:
            client.send_array("Deposit", ask[["account", "amount"]])
            while got := client.receive_frames():
                frames.append(got)
        balances = np.frombuffer(b"".join(frames), FRAME)["output"]["balance"]
        checksum = int((np.arange(1, payments.ACCOUNTS + 1) * balances).sum())
        return Measurement({"events": rate}, balances_text(events, checksum))

    def _written(self, kafka: bool, events: int) -> tuple[str, str]:
        """(journal, directory) with the first `events` payments in it."""
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(dir=self.context.scratch))
        journal = f"embedded://{directory}/journal"
        if kafka:
            topic = self.context.kept_topic(**{"retention.ms": "-1", "retention.bytes": "-1"})
            journal = f"kafka://{self.context.bootstrap()}/{topic}"
        with (
            balance_service(journal, directory) as service,
            Client(service.start().listen, timeout_s=60) as client,
        ):
            client.stream(payments.slots(events), lambda frames: None)
        return journal, directory

    def close(self) -> None:
        self._stack.close()
