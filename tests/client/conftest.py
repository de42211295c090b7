"""A bank in a thread, which one file's tests share; each takes an account of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from examples.bank import app as bank
from processor.client import Client
from processor.service import Service
from tests.gateway.rig import serving

ACCOUNTS = itertools.count(1)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving(window=64) as started:
        yield started


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.listen, bank) as made:
        yield made


@pytest.fixture
def account() -> int:
    return next(ACCOUNTS)
