"""The ordered end: what was taken in is answered, a snapshot is there, and it is bounded."""

from __future__ import annotations

import os
import signal

import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor import Client
from processor.client import admin
from processor.snapshot.store import SnapshotStore
from tests.service.apps import Wait, Went, stuck
from tests.service.conftest import Make


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_takes_a_snapshot_and_ends_with_0(make: Make, number: signal.Signals) -> None:
    service = make().start()
    with Client(service.listen, bank) as client:
        client.send_many(Deposit(1, 1) for _ in range(3000))
        assert sum(1 for _ in client.answers()) == 3000
        service.process.send_signal(number)
        assert service.join() == 0
    newest = SnapshotStore(service.snapshots).files()[0]
    assert newest.good
    again = make().start()
    assert again.recovered[1] == newest.sequence
    assert again.recovered[0] <= 2
    with Client(again.listen, bank) as client:
        assert list(client.request(Deposit(1, 1))) == [Balance(1, 3001)]


def test_an_end_in_mid_stream_loses_nothing_that_the_client_sends_again(make: Make) -> None:
    service = make().start()
    with Client(service.listen, bank, timeout_s=60, reconnect_s=60) as client:
        client.send_many(Deposit(1, 1) for _ in range(6000))
        service.process.send_signal(signal.SIGTERM)
        assert service.join() == 0
        make().start()
        assert [answer.outputs[0].balance for answer in client.answers()] == list(range(1, 6001))


def test_an_idle_service_stops_without_a_second_snapshot(make: Make) -> None:
    service = make().start()
    assert service.stop() == 0
    files = [found.sequence for found in SnapshotStore(service.snapshots).files()]
    again = make().start()
    assert again.stop() == 0
    assert [found.sequence for found in SnapshotStore(service.snapshots).files()] == files


def test_nothing_is_left_running_or_lying_about(make: Make) -> None:
    service = make().start()
    pid = service.process.pid
    assert service.stop() == 0
    assert not os.path.exists(service.listen.removeprefix("unix:"))
    assert not [name for name in os.listdir("/proc") if name.isdigit() and parent(name) == pid]


def test_a_handler_that_does_not_return_bounds_the_end_and_is_told(make: Make) -> None:
    service = make("tests.service.apps:stuck", options=("--drain-s", "0.5")).start()
    with Client(service.listen, stuck, reconnect_s=0) as client:
        assert list(client.request(Wait(1))) == [Went(1)]
        client.send_many([Wait(13), Wait(2)])
        # Durable, and in the hands of the handler: then it is asked to end.
        stats = {"durable": 0}
        while stats["durable"] < 4:
            stats = admin(service.listen, {"command": "stats"})
        assert service.stop() == 3
    assert any("has not returned in time" in line and "sequence 2" in line for line in service.lines), service.lines


def parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return -1
