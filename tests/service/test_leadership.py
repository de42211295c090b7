"""Two services on one partition, and a broker that goes away: the log decides, and nothing that was answered is lost."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest

from bench.broker import Broker
from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor import Client
from processor.client import admin
from processor.errors import ClientError, ClientTimeout
from tests.service.conftest import Make

WINDOW = 8192


def deposit(client: Client, account: int, expected: int) -> None:
    assert list(client.request(Deposit(account, 10))) == [Balance(account, expected)]


def test_who_claims_last_leads_and_the_one_before_is_deposed_and_answers_nobody(
    make: Make, bootstrap: str, topic: str, tmp_path
) -> None:
    url = f"kafka://{bootstrap}/{topic}"
    first = make(journal=url, name="first", snapshots=tmp_path / "first").start()
    with Client(first.listen, bank, timeout_s=20, reconnect_s=0) as old:
        deposit(old, 1, 10)
        second = make(journal=url, name="second", snapshots=tmp_path / "second").start()
        with Client(second.listen, bank) as new:
            deposit(new, 1, 20)
            # The first does not know yet. Its next block is acknowledged behind the other's claim: nobody hears of it.
            with pytest.raises(ClientError):
                old.request(Deposit(1, 10))
            assert old.unanswered == (2,)
            assert first.join() == 5
            assert any(line.startswith("deposed:") for line in first.lines), first.lines
            deposit(new, 1, 30)


def test_a_leader_that_was_stopped_wakes_up_deposed(make: Make, bootstrap: str, topic: str, tmp_path) -> None:
    url = f"kafka://{bootstrap}/{topic}"
    first = make(journal=url, name="first", snapshots=tmp_path / "first").start()
    with Client(first.listen, bank, timeout_s=20, reconnect_s=0) as old:
        deposit(old, 1, 10)
        first.process.send_signal(signal.SIGSTOP)
        old.send_many([Deposit(1, 10)])
        second = make(journal=url, name="second", snapshots=tmp_path / "second").start()
        first.process.send_signal(signal.SIGCONT)
        with pytest.raises(ClientError):
            list(old.answers())
        assert first.join() == 5
        with Client(second.listen, bank) as new:
            deposit(new, 1, 20)


def test_a_client_goes_on_at_the_successor_on_the_same_address(make: Make, bootstrap: str, topic: str) -> None:
    url = f"kafka://{bootstrap}/{topic}"
    service = make(journal=url).start()
    with Client(service.listen, bank, timeout_s=60, reconnect_s=60) as client:
        client.send_many(Deposit(1, 10) for _ in range(200))
        service.kill()
        make(journal=url).start()
        balances = [answer.outputs[0].balance for answer in client.answers()]
        assert balances == [10 * (k + 1) for k in range(200)]


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_while_the_broker_is_away_the_service_waits_says_so_and_takes_in_no_more_than_the_ring_holds(
    make: Make, own_broker: Broker, how: str
) -> None:
    service = make(journal=f"kafka://{own_broker.bootstrap}/away", options=("--snapshot-every", "0")).start()
    amounts = np.zeros(WINDOW, bank.message_of(Deposit).dtype)
    amounts["amount"] = 1
    clients = [Client(service.listen, bank, timeout_s=1, reconnect_s=60) for _ in range(12)]
    try:
        for account, client in enumerate(clients):
            deposit(client, 100 + account, 10)
        if how == "killed":
            own_broker.kill()
        else:
            own_broker.process.send_signal(signal.SIGSTOP)
        for account, client in enumerate(clients):
            amounts["account"] = 100 + account
            client.send_array(Deposit, amounts)
        service.wait_for("does not answer: waiting")
        # More was sent than the ring holds. Every client waits in vain; the service answers those who ask how it is.
        for client in clients:
            with pytest.raises(ClientTimeout):
                client.request(Deposit(1, 1))
        stats = admin(service.listen, {"command": "stats"})
        assert stats["journal_away"] == 1
        assert 0 < stats["gateway"]["frames"] - len(clients) <= 65_536
        assert 12 * WINDOW > 65_536
        if how == "killed":
            own_broker.start()
        else:
            own_broker.process.send_signal(signal.SIGCONT)
        service.wait_for("answers again")
        for client in clients:
            client.timeout_s = 60
            answers = list(client.answers())
            assert [answer.outputs[0].balance for answer in answers[:WINDOW]] == list(range(11, WINDOW + 11))
            assert len(answers) == WINDOW          # the last request found the window full: it was never sent
    finally:
        for client in clients:
            client.close()
    assert service.stop() == 0


def test_an_end_while_the_broker_is_away_is_bounded_and_says_that_it_was_not_clean(make: Make, own_broker: Broker) -> None:
    url = f"kafka://{own_broker.bootstrap}/away"
    service = make(journal=url, options=("--drain-s", "1")).start()
    heard = threading.Event()
    with Client(service.listen, bank, timeout_s=60, reconnect_s=60) as client:
        deposit(client, 1, 10)
        own_broker.kill()
        client.send_many([Deposit(1, 10)])
        assert service.stop() == 3
        assert any("not acknowledged in time" in line for line in service.lines), service.lines
        own_broker.start()
        make(journal=url).start()
        # Whether the block of before got into the log or not: it counts once.
        assert [answer.outputs for answer in client.answers()] == [[Balance(1, 20)]]
        heard.set()
    assert heard.is_set()
