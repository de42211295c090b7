"""Every way to ask: one at a time, pipelined, in batches, a whole array, whole slots."""

from __future__ import annotations

import numpy as np
import pytest

from examples.bank import Balance, Deposit, Transfer
from examples.bank import app as bank
from processor.client import Client, Output
from processor.client.frames import answered
from processor.client.wire import split
from processor.service import Service

MANY = 1_000  # many times the window
DEPOSIT = bank.schema.event_names["Deposit"]


def balances(account: int, first: int, count: int) -> list[list[Balance]]:
    return [[Balance(account, first + k)] for k in range(count)]


def test_a_request_gives_its_answer(client: Client, account: int) -> None:
    answer = client.request(Deposit(account, 100))
    assert (answer.request, answer.status, answer.rejected, answer.repeated) == (1, "applied", None, False)
    assert list(answer) == answer.outputs == [Balance(account, 100)]
    assert len(answer) == 1
    later = client.request(Transfer(account, account + 1_000_000, 40))
    assert list(later) == [Balance(account, 60), Balance(account + 1_000_000, 40)]
    assert later.sequence > answer.sequence
    assert later.timestamp >= answer.timestamp > 1_600_000_000 * 10**9


def test_a_rejection_is_an_answer_with_its_reason(client: Client, account: int) -> None:
    answer = client.request(Transfer(account, 1, 5))
    assert (answer.status, answer.rejected, list(answer)) == ("rejected", f"account {account} has 0", [])


def test_submitted_requests_are_answered_in_their_order(client: Client, account: int) -> None:
    assert [client.submit(Deposit(account, 1)) for _ in range(MANY)] == list(range(1, MANY + 1))
    answers = list(client.answers())
    assert [answer.request for answer in answers] == list(range(1, MANY + 1))
    assert [list(answer) for answer in answers] == balances(account, 1, MANY)
    assert client.unanswered == ()
    assert list(client.answers()) == []


def test_send_many_takes_any_iterable_and_gives_the_request_numbers(client: Client, account: int) -> None:
    assert client.send_many([]) == range(1, 1)
    assert client.send_many(Deposit(account, 1) for _ in range(MANY)) == range(1, MANY + 1)
    assert client.send_many([("Deposit", {"account": account, "amount": 1})]) == range(MANY + 1, MANY + 2)
    assert [list(answer) for answer in client.answers()] == balances(account, 1, MANY + 1)


def test_a_request_among_pipelined_ones_gets_its_own_answer_and_theirs_are_kept(client: Client, account: int) -> None:
    client.send_many(Deposit(account, 1) for _ in range(20))
    assert list(client.request(Deposit(account, 100))) == [Balance(account, 120)]
    client.submit(Deposit(account, 1))
    assert [list(answer) for answer in client.answers()] == [*balances(account, 1, 20), [Balance(account, 121)]]


def test_answers_can_be_taken_one_by_one_between_other_calls(client: Client, account: int) -> None:
    client.send_many(Deposit(account, 1) for _ in range(10))
    first = next(client.answers())
    client.submit(Deposit(account, 1))
    assert [first.request, *(answer.request for answer in client.answers())] == list(range(1, 12))


@pytest.mark.parametrize(
    "dtype",
    [
        DEPOSIT.dtype,
        np.dtype([("account", "<u4"), ("amount", "<i8")]),  # packed
        np.dtype([("account", ">u4"), ("amount", ">i8")]),  # the other byte order
        np.dtype([("account", "i8"), ("amount", "i4")]),  # other sizes
    ],
    ids=str,
)
def test_an_array_is_sent_in_one_call_whatever_its_layout(client: Client, account: int, dtype: np.dtype) -> None:
    payloads = np.zeros(MANY, dtype)
    payloads["account"], payloads["amount"] = account, 1
    assert client.send_array(Deposit, payloads) == range(1, MANY + 1)
    assert client.send_array("Deposit", payloads[::2]) == range(MANY + 1, MANY + MANY // 2 + 1)
    assert client.send_array(Deposit, payloads[:0]) == range(MANY + MANY // 2 + 1, MANY + MANY // 2 + 1)
    assert [list(answer) for answer in client.answers()] == balances(account, 1, MANY + MANY // 2)


def test_a_stream_of_slots_calls_back_with_every_frame_once_in_order(client: Client, account: int) -> None:
    client.submit(Deposit(account, 1))
    slots = np.zeros(MANY, bank.schema.slot_dtype(DEPOSIT))
    slots["type"], slots["length"] = DEPOSIT.number, DEPOSIT.length
    slots["payload"]["account"], slots["payload"]["amount"] = account, 1
    frames: list[bytes] = []
    assert client.stream(slots, frames.append, window=7) == range(2, MANY + 2)
    requests, sequences = answered(b"".join(frames))
    assert requests.tolist() == list(range(2, MANY + 2))
    assert (np.diff(sequences.astype(np.int64)) > 0).all()
    outputs = [bank.schema.output_names["Balance"].unpack(frame[-1]) for frame in split(b"".join(frames))]
    assert outputs == [{"account": account, "balance": 2 + k} for k in range(MANY)]
    assert client.window == 64
    assert [list(answer) for answer in client.answers()] == balances(account, 1, 1)


def test_frames_are_given_as_they_came(client: Client, account: int) -> None:
    client.send_many(Deposit(account, 1) for _ in range(50))
    frames = b""
    while client.unanswered:
        frames += client.receive_frames()
    frames += client.receive_frames()
    assert [frame[5] for frame in split(frames)] == list(range(1, 51))
    assert client.receive_frames() == b""


def test_a_client_without_the_application_speaks_by_name(service: Service, account: int) -> None:
    with Client(service.listen) as client:
        assert client.schema.text == bank.schema.text
        answer = client.request(("Deposit", {"account": account, "amount": 7}))
        assert list(answer) == [Output("Balance", {"account": account, "balance": 7})]


def test_a_smaller_window_is_kept_to_and_a_larger_one_is_the_services(service: Service, account: int) -> None:
    with Client(service.listen, bank, window=3) as small, Client(service.listen, bank, window=10_000) as large:
        assert (small.window, large.window) == (3, 64)
        small.send_many(Deposit(account, 1) for _ in range(100))
        assert len(small.unanswered) <= 3
        assert [list(answer) for answer in small.answers()] == balances(account, 1, 100)
