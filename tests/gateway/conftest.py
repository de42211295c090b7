"""A bank that one file's tests share, and a client in it who must never notice what the others do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor.client import Client
from processor.service import Service
from tests.gateway.raw import Raw
from tests.gateway.rig import serving

ACCOUNTS = itertools.count(1_000)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving(window=16, hello_s=0.3) as started:
        yield started


@pytest.fixture
def raw(service: Service) -> Iterator[Raw]:
    with Raw(service.listen) as made:
        yield made


@pytest.fixture
def bystander(service: Service) -> Iterator[Client]:
    """A good client that works before the test, while it lasts (requests in flight), and after it, and loses
    nothing.
    """
    account = next(ACCOUNTS)
    with Client(service.listen, bank) as client:
        assert list(client.request(Deposit(account, 1))) == [Balance(account, 1)]
        client.send_many(Deposit(account, 1) for _ in range(8))
        events = service.counters.get("applied")
        yield client
        client.send_many(Deposit(account, 1) for _ in range(8))
        answers = list(client.answers())
        assert [answer.request for answer in answers] == list(range(2, 18))
        assert [list(answer) for answer in answers] == [[Balance(account, n)] for n in range(2, 18)]
        assert service.counters.get("applied") >= events
