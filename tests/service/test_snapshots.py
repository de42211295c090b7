"""Snapshots of a running service: as many as are asked for, their hashes journaled, and no failure that ends the service."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.bank import Deposit
from examples.bank import app as bank
from processor import Client
from processor.client import admin
from processor.journal import open_journal
from processor.keeper import AT_SHUTDOWN, BY_COMMAND, CONTROL_SNAPSHOT, CONTROL_STATE_HASH, EVERY_EVENTS, TRIGGER
from processor.layout import BLOCK_HEADER, HEADER, SLOT_HEADER_BYTES
from processor.service import Service
from processor.snapshot import file as snapshot_file
from processor.snapshot.store import SnapshotStore
from tests.service.conftest import Make
from tests.test_snapshot_taker import Gate
from tests.test_whole_service import served

Answers = list[dict[str, Any]]


def control_events(url: str) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of all events of a journal with one epoch after the other and nothing left over."""
    with open_journal(url) as journal:
        first, end = journal.ends()
        reader = journal.reader(first)
        while reader.position < end:
            _, _, head, data = reader.read(timeout_s=5)
            header = np.frombuffer(head, BLOCK_HEADER)[0]
            for k in range(int(header["count"]) if header["kind"] == 1 else 0):
                slot = data[k * int(header["slot_bytes"]):][:int(header["slot_bytes"])]
                kind = int(np.frombuffer(slot[:SLOT_HEADER_BYTES], HEADER)[0]["type"])
                yield kind, bytes(slot[SLOT_HEADER_BYTES:SLOT_HEADER_BYTES + TRIGGER.size])
        reader.close()


def reasons(url: str) -> Counter[int]:
    """How many triggers of each reason stand in the journal."""
    return Counter(TRIGGER.unpack(payload)[1] for kind, payload in control_events(url) if kind == CONTROL_SNAPSHOT)


def commands(url: str) -> set[int]:
    """The numbers of the triggers by command; one that came while a child wrote stands there again."""
    triggers = [TRIGGER.unpack(payload) for kind, payload in control_events(url) if kind == CONTROL_SNAPSHOT]
    return {number for number, reason, _ in triggers if reason == BY_COMMAND}


def deposit(client: Client, count: int) -> None:
    client.send_many(Deposit(1, 1) for _ in range(count))
    assert sum(1 for _ in client.answers()) == count


def ask(service: Service, answers: Answers) -> threading.Thread:
    """Asks for a snapshot by command, from a thread."""
    thread = threading.Thread(target=lambda: answers.append(admin(service.listen, {"command": "snapshot"})))
    thread.start()
    return thread


def test_a_snapshot_is_no_event_that_asks_for_the_next_one(make: Make) -> None:
    service = make(options=("--snapshot-every", "1")).start()
    with Client(service.listen, bank) as client:
        deposit(client, 1)
    for _ in range(5):
        assert admin(service.listen, {"command": "snapshot"})["ok"]
    assert service.stop() == 0
    found = reasons(service.journal)
    events = sum(1 for kind, _ in control_events(service.journal) if kind not in (CONTROL_SNAPSHOT, CONTROL_STATE_HASH))
    assert commands(service.journal) == {1, 2, 3, 4, 5}
    assert 1 <= found[EVERY_EVENTS] <= events, "an idle service goes on for ever"


def test_a_trigger_that_nobody_waits_for_does_not_come_back_as_a_command(make: Make) -> None:
    service = make(options=("--snapshot-every", "1")).start()
    with Client(service.listen, bank) as client:
        for _ in range(300):
            deposit(client, 1)
    assert service.stop() == 0
    found = reasons(service.journal)
    assert found[EVERY_EVENTS] > 1 and set(found) <= {EVERY_EVENTS, AT_SHUTDOWN}, found


def test_skipped_triggers_that_nobody_waits_for_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, skipped, journal = Gate(tmp_path), threading.Event(), f"embedded:{tmp_path}/journal"
    with served(bank, journal, tmp_path, snapshot_every=2, snapshot_at_shutdown=False) as service:
        skip, answers = service.keeper.on_snapshot, Answers()

        def on_snapshot(payload: bytes, *place: int) -> None:
            skip(payload, *place)
            if TRIGGER.unpack(payload)[1] == EVERY_EVENTS:
                skipped.set()

        monkeypatch.setattr(service.keeper, "on_snapshot", on_snapshot)
        monkeypatch.setattr(snapshot_file.os, "replace", gate.before(os.replace))
        asking = ask(service, answers)
        gate.reached()
        with Client(service.listen, bank) as client:
            deposit(client, 2)
        assert skipped.wait(60)
        waiting = list(service.keeper._waiting_again)
        monkeypatch.undo()
        gate.release()
        asking.join(60)
    assert waiting == [] and answers[0]["ok"]


def test_who_asks_while_a_child_writes_gets_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, skipped, answers, journal = Gate(tmp_path), threading.Event(), Answers(), f"embedded:{tmp_path}/journal"
    with served(bank, journal, tmp_path, snapshot_at_shutdown=False) as service:
        skip = service.keeper.on_snapshot

        def on_snapshot(payload: bytes, *place: int) -> None:
            skip(payload, *place)
            if TRIGGER.unpack(payload)[0] == 2:
                skipped.set()

        monkeypatch.setattr(service.keeper, "on_snapshot", on_snapshot)
        with monkeypatch.context() as patched:
            patched.setattr(snapshot_file.os, "replace", gate.before(os.replace))
            first = ask(service, answers)
            gate.reached()
        control = Full(service)
        second = ask(service, answers)
        assert skipped.wait(60)
        control.refuse(CONTROL_SNAPSHOT, CONTROL_STATE_HASH)
        gate.release()
        first.join(60)
        assert control.refused.wait(60)
        control.refuse()
        second.join(60)
    assert [answer["ok"] for answer in answers] == [True, True]
    assert reasons(journal) == {BY_COMMAND: 3}, "one of the three is the second one again"
    hashes = [payload for kind, payload in control_events(journal) if kind == CONTROL_STATE_HASH]
    assert len(hashes) == 2, "a hash that found no room was never journaled"


class Full:
    """Stands before a service's control queue and has no room for some events when told so."""

    def __init__(self, service: Service) -> None:
        self.queue = service.control
        self.kinds: tuple[int, ...] = ()
        self.refused = threading.Event()
        service.keeper._control = self  # type: ignore[assignment]

    def refuse(self, *kinds: int) -> None:
        self.kinds = kinds

    def put(self, kind: int, payload: bytes) -> bool:
        if kind in self.kinds:
            self.refused.set()
            return False
        return self.queue.put(kind, payload)


def test_the_end_of_a_child_wakes_the_service_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Patient(selectors.EpollSelector):
        """Without a time limit: what nothing wakes up for is never seen."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            return super().select(None)

    monkeypatch.setattr(selectors, "DefaultSelector", Patient)
    gate, answers = Gate(tmp_path), Answers()
    with served(bank, "memory:", tmp_path, snapshot_at_shutdown=False) as service:
        with monkeypatch.context() as patched:
            patched.setattr(snapshot_file.os, "replace", gate.before(os.replace))
            asking = ask(service, answers)
            gate.reached()
        stats = admin(service.listen, {"command": "stats"})
        gate.release()
        asking.join(30)
        seen, running = list(answers), service.counters.get("snapshot_running")
    assert stats["snapshot_running"] == 1
    assert [answer["ok"] for answer in seen] == [True] and running == 0


def test_a_service_without_descriptors_says_so_and_goes_on(make: Make) -> None:
    service = make(options=("--snapshot-every", "10")).start()
    pid = service.process.pid
    with Client(service.listen, bank) as client:
        deposit(client, 1)
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        deposit(client, 20)
        service.wait_for("was not taken: cannot make a pipe: Too many open files")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        deposit(client, 20)
    assert admin(service.listen, {"command": "snapshot"})["ok"]
    assert service.stop() == 0


def test_a_child_that_hangs_is_killed_and_the_next_snapshot_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, answers = Gate(tmp_path), Answers()
    with served(bank, "memory:", tmp_path, snapshot_timeout_s=0.2) as service:
        with monkeypatch.context() as patched:
            patched.setattr(snapshot_file.os, "replace", gate.before(os.replace))
            asking = ask(service, answers)
            os.kill(gate.reached(), signal.SIGSTOP)
        asking.join(60)
        assert not answers[0]["ok"] and "not written within 0.2 s" in answers[0]["error"]
        assert service.counters.get("snapshot_running") == 0
        assert list((tmp_path / "snapshots").glob(".*.tmp")) == []
    assert len(SnapshotStore(tmp_path / "snapshots").files()) == 1


def test_a_snapshot_names_the_partition_of_its_journal(tmp_path: Path, bootstrap: str, topic: str) -> None:
    with served(bank, f"kafka://{bootstrap}/{topic}?partition=1", tmp_path):
        assert SnapshotStore(tmp_path / "snapshots").files() == []
    assert SnapshotStore(tmp_path / "snapshots").files()[0].read().info.meta.partition == 1
