"""All threads of a service at once: clients that stream, snapshots on the way, an ordered end, a restart."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.bank import Balance, Deposit, Transfer
from examples.bank import app as bank
from processor.app import App
from processor.apps.exchange import app as exchange
from processor.apps.exchange.flow import OrderFlow
from processor.client import Client
from processor.client.admin import admin
from processor.client.wire import split
from processor.config import Config
from processor.layout import REPLY_LAST
from processor.service import Service
from processor.snapshot import file as snapshot_file
from processor.snapshot.state import state_hash
from tests.test_snapshot_taker import Gate


@contextlib.contextmanager
def served(app: App, journal: str, directory: Path, **settings: object) -> Iterator[Service]:
    """A service that runs on a thread of this process, stopped in order at the end."""
    said: list[str] = []
    service = Service(
        app, journal=journal, listen=f"unix:{directory}/socket", snapshots=directory / "snapshots",
        config=Config(ring_slots=1024, window=512, **settings), report=said.append,  # type: ignore[arg-type]
    )
    service.start()
    house = threading.Thread(target=service.run)
    house.start()
    try:
        yield service
    finally:
        service.stop()
        house.join(120)
        assert not house.is_alive(), said
        assert service.exit_code == 0, said


def stream(address: str, client_number: int, count: int, requests: dict[int, np.ndarray]) -> None:
    """One client's order flow; `requests` gets the request numbers of the last replies, in the order they came."""
    flow = OrderFlow(seed=client_number + 1, symbols=4, resting=200, first_id=1 + client_number * 1_000_000)
    parts: list[bytes] = []
    with Client(address, timeout_s=60, window=256) as client:
        client.stream(flow.take(count), parts.append)
    requests[client_number] = answered(b"".join(parts))


def answered(frames: bytes) -> np.ndarray:
    """Request numbers of the frames that are the last of their request."""
    return np.array([request for _, _, _, flags, _, request, _ in split(frames) if flags & REPLY_LAST])


def journal_of(kind: str, directory: Path, request: pytest.FixtureRequest) -> str:
    if kind == "kafka":
        return f"kafka://{request.getfixturevalue('bootstrap')}/test-{secrets.token_hex(6)}"
    return "memory:" if kind == "memory" else f"embedded://{directory}/journal"


@pytest.mark.parametrize("wait", ["block", "yield"])
@pytest.mark.parametrize("kind", ["memory", "embedded", "kafka"])
def test_every_request_is_answered_once_and_in_order_while_snapshots_are_taken(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, wait: str
) -> None:
    clients, count = 3, 2_000
    requests: dict[int, np.ndarray] = {}
    journal = journal_of(kind, tmp_path, request)
    with served(exchange, journal, tmp_path, wait=wait, snapshot_every=1_500, output_queue_bytes=1 << 20) as service:
        threads = [threading.Thread(target=stream, args=(service.listen, k, count, requests)) for k in range(clients)]
        for thread in threads:
            thread.start()
        taken = admin(service.listen, {"command": "snapshot", "keep": "mine"})
        stats = admin(service.listen, {"command": "stats"})
        for thread in threads:
            thread.join()
        assert service.gateway.counts["frames"] == clients * count
    for k in range(clients):
        assert (requests[k] == np.arange(1, count + 1)).all() and len(requests[k]) == count
    assert taken["ok"] and stats["ok"] and stats["pid"] > 0
    assert service.counters.get("applied") == service.core.sequence >= clients * count
    assert service.counters.get("snapshots") >= 1
    assert service.journaler.outcome == ("drained", "")


def test_a_restart_gives_the_same_state_from_a_snapshot_and_from_the_first_event(tmp_path: Path) -> None:
    journal = f"embedded://{tmp_path}/journal"
    requests: dict[int, np.ndarray] = {}
    with served(exchange, journal, tmp_path, snapshot_every=700, snapshot_at_shutdown=False) as service:
        stream(service.listen, 0, 2_000, requests)
    before, sequence = state_hash(service.core.state), service.core.sequence
    with served(exchange, journal, tmp_path, snapshot_at_shutdown=False) as from_snapshot:
        assert from_snapshot.recovered is not None and from_snapshot.recovered.snapshot is not None
    bare = tmp_path / "bare"
    bare.mkdir()
    with served(exchange, journal, bare, snapshot_at_shutdown=False) as from_first:
        assert from_first.recovered is not None and from_first.recovered.snapshot is None
    for again in (from_snapshot, from_first):
        assert (again.core.sequence, state_hash(again.core.state)) == (sequence, before)


def test_a_snapshot_that_is_still_being_written_when_the_service_stops_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process dies with the logic's thread, which therefore waits for it."""
    gate = Gate(tmp_path)
    monkeypatch.setattr(snapshot_file.os, "replace", gate.before(os.replace))
    answers: list[dict[str, object]] = []
    with served(bank, "memory:", tmp_path, snapshot_at_shutdown=False) as service:
        outlive = service.keeper.outlive_child

        def let_go() -> None:
            gate.release()
            outlive()

        monkeypatch.setattr(service.keeper, "outlive_child", let_go)
        asker = threading.Thread(target=lambda: answers.append(admin(service.listen, {"command": "snapshot"})))
        asker.start()
        child = gate.reached()
    asker.join()
    assert answers[0]["ok"], answers
    assert [found.sequence for found in service.recovered.store.files()] == [answers[0]["sequence"]]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_python_handlers_answer_many_clients_while_the_gateway_and_the_journaler_go_on(tmp_path: Path) -> None:
    rounds, accounts = 150, 4
    wrong: list[object] = []

    def pay(address: str, account: int) -> None:
        with Client(address, bank, timeout_s=60) as client:
            for k in range(rounds):
                answer = client.request(Deposit(account, 2))
                if list(answer) != [Balance(account, 2 + k)]:
                    wrong.append(answer)
                client.request(Transfer(account, 1000, 1))

    with served(bank, f"embedded://{tmp_path}/journal", tmp_path, snapshot_every=200) as service:
        threads = [threading.Thread(target=pay, args=(service.listen, account)) for account in range(accounts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert service.core.state.balances == {**dict.fromkeys(range(accounts), rounds), 1000: rounds * accounts}
