"""The service goes away and comes back: the client waits, reconnects by itself, and everything happens exactly once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.journals import fresh
from bench.service_process import ServiceProcess
from examples.bank import Balance, Deposit, Transfer
from examples.bank import app as bank
from processor.client import Client
from processor.counters import Counters
from processor.errors import ClientError, ClientTimeout
from tests.gateway.rig import serving, socket_directory, until


@pytest.fixture
def folder() -> Iterator[Path]:
    with socket_directory() as directory:
        yield directory


def embedded_bank(folder: Path, journal: str, *options: str) -> ServiceProcess:
    return ServiceProcess(
        "examples.bank:app",
        journal=journal,
        listen=f"unix:{folder}/socket",
        snapshots=folder / "snapshots",
        options=("--snapshot-every", "5000", *options),
    )


def test_a_client_goes_on_by_itself_when_the_service_is_killed_and_restarted_and_nothing_is_done_twice() -> None:
    moments, count = (2_000, 9_000, 16_000), 24_000
    with fresh("embedded") as store, embedded_bank(store.directory, store.url, "--window", "512") as service:
        service.start()
        page = str(service.snapshots / "counters")
        with Client(service.listen, bank, timeout_s=60, reconnect_s=60) as client:

            def kill() -> None:
                """Three times in the midst of what is in flight: the client sends on without a pause."""
                for moment in moments:
                    until(lambda moment=moment: Counters.read(page)["applied"] >= moment, 60)
                    service.kill()
                    service.start()

            killer = threading.Thread(target=kill)
            killer.start()
            client.request(Deposit(1, 1_000_000))
            client.send_many(Transfer(1, 2, 1) for _ in range(count))
            answers = list(client.answers())
            killer.join()
            assert [answer.request for answer in answers] == list(range(2, count + 2))
            assert [list(answer) for answer in answers] == [
                [Balance(1, 1_000_000 - k), Balance(2, k)] for k in range(1, count + 1)
            ]
            assert list(client.request(Transfer(2, 3, count))) == [Balance(2, 0), Balance(3, count)]
            assert client._wire.connections == len(moments) + 1
            sequences = [answer.sequence for answer in answers]
            assert sequences == sorted(set(sequences))
        assert service.stop() == 0


def test_nobody_at_the_address_is_an_error_at_once_that_asks_the_right_question(folder: Path) -> None:
    with pytest.raises(
        ClientError, match=r"nobody answers at unix:.*/nobody \(No such file or directory\), tried for 0 s: is the "
    ):
        Client(f"unix:{folder}/nobody", bank)


def test_the_first_connection_waits_for_a_service_that_starts_meanwhile() -> None:
    with fresh("embedded") as store, embedded_bank(store.directory, store.url) as service:
        service.begin()
        with Client(service.listen, bank, connect_s=60) as client:
            assert list(client.request(Deposit(1, 1))) == [Balance(1, 1)]


def test_a_service_that_does_not_come_back_is_a_timeout_with_what_is_unanswered_and_then_an_error() -> None:
    with serving() as service:
        client = Client(service.listen, bank, timeout_s=0.1, reconnect_s=0.5)
        client.request(Deposit(1, 1))
    with pytest.raises(
        ClientTimeout, match=r"no connection \(nobody answers at unix:.*1 requests stay in flight"
    ) as caught:
        client.request(Deposit(1, 1))
    assert caught.value.unanswered == (2,)
    client.timeout_s = 20
    with pytest.raises(ClientError, match=r"tried for 0.5 s: is the service running there\?") as given_up:
        list(client.answers())
    assert not isinstance(given_up.value, ClientTimeout)
    assert client.unanswered == (2,)
    client.close()


def test_a_service_with_another_journal_is_not_taken_for_the_one_that_was_there(folder: Path) -> None:
    with embedded_bank(folder, f"embedded://{folder}/one") as service:
        service.start()
        with Client(service.listen, bank, timeout_s=60) as client:
            client.request(Deposit(1, 1))
            service.kill()
            other = ServiceProcess(
                "examples.bank:app", journal="memory:", listen=service.listen, snapshots=folder / "other"
            )
            with other:
                other.start()
                with pytest.raises(ClientError, match="evicted session 1; 1 requests are unanswered") as caught:
                    client.request(Deposit(1, 1))
                assert caught.value.unanswered == (2,)
