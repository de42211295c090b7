"""A frame that cannot be is refused with words that help; what was right before it is answered, and nobody else
notices.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor.client import Client
from processor.journal import open_journal
from processor.service import Service
from tests.gateway.conftest import ACCOUNTS
from tests.gateway.raw import Raw
from tests.gateway.rig import serving

DEPOSIT = bank.schema.event_names["Deposit"]

BAD = {
    "a length above what a slot holds": (
        {"length": 4096},
        r"length 4096 is too long: a frame of this application holds 32 bytes .* type 1 is declared with 16",
    ),
    "a length above the type's": ({"length": 24}, r"length 24, where event type 1 is declared with 16 bytes .*compare"),
    "a length below the type's": ({"length": 8}, r"length 8, where event type 1 is declared with 16 bytes .*compare"),
    "an unknown type": (
        {"type": 77},
        r"unknown event type 77; the application declares 2 event types: compare the schemas",
    ),
    "the type 0": ({"type": 0}, r"type 0x0000 is a control type"),
    "a session open": (
        {"type": 0xFF01, "length": 32},
        r"type 0xFF01 is a control type, which only the service itself makes",
    ),
    "a quarantine": ({"type": 0xFF08, "length": 32}, r"type 0xFF08 is a control type"),
    "session 0": ({"session": 0}, r"session 0 is the system's; write this connection's own into it, \d+"),
}


def balance_behind_one_more(service: Service, account: int) -> int:
    with Client(service.listen, bank) as client:
        (balance,) = client.request(Deposit(account, 1))
        return int(balance.balance)


@pytest.mark.parametrize(("wrong", "text"), BAD.values(), ids=BAD.keys())
def test_a_bad_frame_is_refused_with_its_reason_and_changes_nothing(
    raw: Raw, service: Service, bystander: Client, wrong: dict[str, int], text: str
) -> None:
    raw.open()
    account = next(ACCOUNTS)
    raw.send(raw.frame(DEPOSIT, 1, account=account, amount=100, **wrong))
    error = raw.read_error()
    assert error.startswith("frame 1 of this connection (request 1): ")
    assert re.search(text, error), error
    assert balance_behind_one_more(service, account) == 1


def test_a_frame_of_another_clients_session_is_refused_and_does_not_reach_it(
    raw: Raw, service: Service, bystander: Client
) -> None:
    raw.open()
    account = next(ACCOUNTS)
    # Its own next request is the tenth.
    raw.send(raw.frame(DEPOSIT, 10, session=bystander.session, account=account, amount=100))
    error = raw.read_error()
    assert f"session {bystander.session} is not yours; write this connection's own into it" in error
    assert balance_behind_one_more(service, account) == 1


def test_good_frames_before_a_bad_one_are_answered_before_the_error_and_those_behind_it_are_not_taken(
    raw: Raw, service: Service, bystander: Client
) -> None:
    raw.open()
    account = next(ACCOUNTS)
    good = [raw.frame(DEPOSIT, k, account=account, amount=10) for k in range(1, 6)]
    bad = raw.frame(DEPOSIT, 6, account=account, amount=10, type=99)
    behind = [raw.frame(DEPOSIT, k, account=account, amount=10) for k in range(7, 10)]
    raw.send(b"".join([*good, bad, *behind]))
    assert list(raw.read_answers(5)) == [1, 2, 3, 4, 5]
    assert raw.read_error().startswith("frame 6 of this connection (request 6): unknown event type 99")
    assert balance_behind_one_more(service, account) == 51


def test_the_session_of_a_bad_frame_lives_on_over_a_new_connection(
    raw: Raw, service: Service, bystander: Client
) -> None:
    welcome = raw.open()
    account = next(ACCOUNTS)
    raw.send(raw.frame(DEPOSIT, 1, account=account, amount=10, length=3))
    raw.read_error()
    with Raw(service.listen) as again:
        assert again.open(token=raw.token, session=welcome.session).session == welcome.session
        again.send(again.frame(DEPOSIT, 1, account=account, amount=10))
        ((request, outputs),) = again.read_answers(1).items()
        assert (request, outputs) == (
            1,
            [bank.schema.output_names["Balance"].pack({"account": account, "balance": 10})],
        )
    assert Balance(account, 11).balance == balance_behind_one_more(service, account)


def test_stray_bytes_behind_a_payload_are_not_journaled(tmp_path: Path) -> None:
    url = f"embedded://{tmp_path}/journal"
    with serving(journal=url) as service, Raw(service.listen) as raw:
        raw.open()
        frame = raw.frame(DEPOSIT, 1, account=1, amount=10)
        raw.send(frame[: 32 + DEPOSIT.length].ljust(len(frame), b"\xee"))
        raw.read_answers(1)
    journaled = []
    with open_journal(url) as journal:
        reader = journal.reader(journal.ends()[0])
        while (record := reader.read(timeout_s=0.0)) is not None:
            journaled.append(bytes(record[3]))
        reader.close()
    assert any(frame[32 : 32 + DEPOSIT.length] in data for data in journaled)
    assert not any(b"\xee\xee" in data for data in journaled)
