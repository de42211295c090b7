"""Request numbers that are not the next one: answered, and nothing changes."""

from __future__ import annotations

import pytest

from examples.bank import app as bank
from processor.client import Client
from processor.service import Service
from tests.gateway.conftest import ACCOUNTS
from tests.gateway.raw import Raw

DEPOSIT = bank.schema.event_names["Deposit"]
BALANCE = bank.schema.output_names["Balance"]
WINDOW = 16
TOO_OLD, GAP, LAST, REPEATED = 0xFF03, 0xFF04, 1, 2


def deposit(raw: Raw, request: int, account: int) -> tuple[int, int, bytes, int]:
    """(type, flags, payload, request) of the one frame that answers it."""
    raw.send(raw.frame(DEPOSIT, request, account=account, amount=1))
    _, _, index, flags, kind, answered, payload = raw.read()
    assert index == 0
    return kind, flags, payload, answered


def balance(account: int, amount: int) -> bytes:
    return BALANCE.pack({"account": account, "balance": amount})


@pytest.mark.parametrize("request_number", [2, 3, 1 << 40, (1 << 64) - 1])
def test_a_request_above_the_next_is_a_gap_that_tells_the_last_one(
    raw: Raw, bystander: Client, request_number: int
) -> None:
    raw.open()
    account = next(ACCOUNTS)
    assert deposit(raw, request_number, account) == (GAP, LAST, (0).to_bytes(8, "little"), request_number)
    assert deposit(raw, 1, account) == (BALANCE.number, LAST, balance(account, 1), 1)
    assert deposit(raw, 3, account) == (GAP, LAST, (1).to_bytes(8, "little"), 3)
    assert deposit(raw, 2, account) == (BALANCE.number, LAST, balance(account, 2), 2)


def test_a_request_behind_the_window_is_too_old_and_one_within_it_gets_its_stored_output(
    raw: Raw, bystander: Client
) -> None:
    raw.open()
    account = next(ACCOUNTS)
    for request in range(1, WINDOW + 2):
        assert deposit(raw, request, account)[0] == BALANCE.number
    assert deposit(raw, 1, account) == (TOO_OLD, LAST, b"", 1)
    assert deposit(raw, 2, account) == (BALANCE.number, LAST | REPEATED, balance(account, 2), 2)
    assert deposit(raw, WINDOW + 1, account) == (
        BALANCE.number,
        LAST | REPEATED,
        balance(account, WINDOW + 1),
        WINDOW + 1,
    )
    assert deposit(raw, WINDOW + 2, account) == (BALANCE.number, LAST, balance(account, WINDOW + 2), WINDOW + 2)


def test_the_request_number_0_is_too_old_since_they_begin_with_1(raw: Raw, bystander: Client, service: Service) -> None:
    raw.open()
    account = next(ACCOUNTS)
    assert deposit(raw, 0, account) == (TOO_OLD, LAST, b"", 0)
    assert deposit(raw, 1, account) == (BALANCE.number, LAST, balance(account, 1), 1)
