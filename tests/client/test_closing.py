"""A client that is closed, and who may use one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor.client import Client
from processor.errors import ClientError
from processor.service import Service
from tests.gateway.rig import until

CALLS: dict[str, Callable[[Client], object]] = {
    "request": lambda client: client.request(Deposit(1, 1)),
    "submit": lambda client: client.submit(Deposit(1, 1)),
    "send_many": lambda client: client.send_many([Deposit(1, 1)]),
    "answers": lambda client: list(client.answers()),
    "receive_frames": lambda client: client.receive_frames(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_closed_client_says_so(service: Service, account: int, call: Callable[[Client], object]) -> None:
    with Client(service.listen, bank) as client:
        client.submit(Deposit(account, 1))
    with pytest.raises(ClientError, match="this client is closed: make a new one"):
        call(client)
    client.close()  # a second time is nothing


def test_the_end_of_a_with_closes_the_connection_whatever_is_raised(service: Service) -> None:
    until(lambda: service.gateway.counts["connections_open"] == 0)      # those of the tests before are gone
    with pytest.raises(KeyError), Client(service.listen, bank):
        until(lambda: service.gateway.counts["connections_open"] == 1)
        raise KeyError
    until(lambda: service.gateway.counts["connections_open"] == 0)


def test_a_client_each_for_several_threads_keeps_their_answers_apart(service: Service) -> None:
    wrong: list[int] = []

    def work(account: int) -> None:
        with Client(service.listen, bank) as client:
            for k in range(1, 101):
                if list(client.request(Deposit(account, 1))) != [Balance(account, k)]:
                    wrong.append(account)

    threads = [threading.Thread(target=work, args=(500_000 + k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_client_may_be_used_by_several_threads_one_at_a_time(
    service: Service, client: Client, account: int
) -> None:
    lock = threading.Lock()
    seen: list[int] = []

    def work() -> None:
        for _ in range(50):
            with lock:
                seen.extend(balance.balance for balance in client.request(Deposit(account, 1)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == list(range(1, 201))
