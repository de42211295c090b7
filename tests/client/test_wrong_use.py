"""What does not fit the schema is refused where it is said, before anything is sent; the client stays usable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor import App, f64, raw, text, u8
from processor.client import Client
from processor.errors import WrongUse
from processor.service import Service
from tests.gateway.rig import serving


@dataclasses.dataclass
class Stranger:
    account: int


def rows(**columns: Any) -> np.ndarray[Any, Any]:
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    made = np.zeros(len(next(iter(arrays.values()))), [(name, array.dtype) for name, array in arrays.items()])
    for name, array in arrays.items():
        made[name] = array
    return made


WRONG: dict[str, tuple[Callable[[Client], object], str]] = {
    "a class of no application": (
        lambda c: c.request(Stranger(1)),
        "bank: .*Stranger.* is neither an event nor an output",
    ),
    "an output": (lambda c: c.request(Balance(1, 1)), "Balance is an output, not an event"),
    "an unknown name": (
        lambda c: c.request(("Withdraw", {})),
        "bank has no event 'Withdraw'; it has Deposit, Transfer",
    ),
    "no event at all": (lambda c: c.request(5), "bank: <class 'int'> is neither an event nor an output"),
    "a field too few": (
        lambda c: c.request(("Deposit", {"account": 1})),
        "Deposit has the fields account, amount; got account",
    ),
    "a field too many": (
        lambda c: c.request(("Deposit", {"account": 1, "amount": 1, "x": 1})),
        "got account, amount, x",
    ),
    "a number too large": (
        lambda c: c.request(Deposit(2**32, 1)),
        "Deposit.account is u32, from 0 to 4294967295; got 4294967296",
    ),
    "a negative number": (lambda c: c.request(Deposit(-1, 1)), "Deposit.account is u32, from 0 to .*; got -1"),
    "half a number": (lambda c: c.request(Deposit(1, 0.5)), "Deposit.amount is i64, from .*; got 0.5"),
    "a text for a number": (lambda c: c.request(Deposit(1, "much")), "Deposit.amount is i64, from .*; got 'much'"),
    "nothing for a number": (lambda c: c.request(Deposit(1, None)), "Deposit.amount is i64, from .*; got None"),
    "infinity for a number": (lambda c: c.request(Deposit(1, float("inf"))), "Deposit.amount is i64, from .*; got inf"),
    "an array of other fields": (
        lambda c: c.send_array(Deposit, rows(account=[1], money=[1])),
        r"takes an array of shape \(n,\) with the fields account, amount",
    ),
    "an array of another shape": (
        lambda c: c.send_array(Deposit, rows(account=[1], amount=[1]).reshape(1, 1)),
        r"got shape \(1, 1\)",
    ),
    "a number too large in an array": (
        lambda c: c.send_array(Deposit, rows(account=[1, 2**32, 3], amount=[1, 1, 1])),
        "Deposit.account is u32, from 0 to 4294967295; got 4294967296 at index 1",
    ),
    "a negative number in an array": (
        lambda c: c.send_array(Deposit, rows(account=[1, 2, -3], amount=[1, 1, 1])),
        "Deposit.account is .*; got -3 at index 2",
    ),
    "fractions in an array": (
        lambda c: c.send_array(Deposit, rows(account=[1], amount=[0.5])),
        "Deposit.amount is i64 .*; got an array of float64",
    ),
    "slots of another size": (
        lambda c: c.stream(np.zeros((3, 72), np.uint8), print),
        r"slots here have 64 bytes each; got shape \(3, 72\)",
    ),
}


@pytest.mark.parametrize(("ask", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_refused_before_anything_is_sent(
    service: Service, client: Client, account: int, ask: Callable[[Client], object], words: str
) -> None:
    before = service.gateway.counts["frames"]
    with pytest.raises(WrongUse, match=words):
        ask(client)
    assert client.unanswered == ()
    assert service.gateway.counts["frames"] == before
    assert list(client.request(Deposit(account, 1))) == [Balance(account, 1)]


def test_of_many_events_those_before_the_wrong_one_are_sent_and_answered(client: Client, account: int) -> None:
    with pytest.raises(WrongUse, match=r"Deposit\.account is u32"):
        client.send_many([Deposit(account, 1), Deposit(account, 1), Deposit(-1, 1), Deposit(account, 1)])
    assert [list(answer) for answer in client.answers()] == [[Balance(account, 1)], [Balance(account, 2)]]


def test_a_client_without_the_application_is_told_how_to_name_events(service: Service) -> None:
    with (
        Client(service.listen) as client,
        pytest.raises(WrongUse, match=r"takes \(name, \{field: value\}\), not .*Deposit"),
    ):
        client.request(Deposit(1, 1))


def test_a_window_below_one_is_refused(service: Service) -> None:
    with pytest.raises(WrongUse, match="window is at least 1, not 0"):
        Client(service.listen, bank, window=0)


def notes() -> App:
    app = App("notes")

    @app.event
    class Note:
        name: text[4]
        mark: raw[4]
        weight: f64
        kind: u8

    @app.output
    class Noted:
        name: text[4]
        mark: raw[4]
        weight: f64
        kind: u8

    @app.state
    class Nothing:
        count: int = 0

    @app.on(Note)
    def note(state, event, ctx):
        ctx.emit(Noted(event.name, event.mark, event.weight, event.kind))

    return app


GOOD = {"name": "żó", "mark": b"\0\x01", "weight": 1, "kind": 255}
UNFIT = {
    "name": ["12345", "a\0b", 5, None, "\udc80"],
    "mark": [b"12345", 0, 10**12, "text", None],
    "weight": ["heavy", None],
    "kind": [256, -1],
}


def test_texts_and_bytes_that_do_not_fit_are_refused_and_those_that_do_come_back_whole() -> None:
    app = notes()
    with serving(app) as service, Client(service.listen) as client:
        for name, values in UNFIT.items():
            for value in values:
                with pytest.raises(WrongUse, match=rf"Note.{name} is "):
                    client.request(("Note", {**GOOD, name: value}))
        table = np.zeros(2, [("name", "S5"), ("mark", "V4"), ("weight", "f4"), ("kind", "i8")])
        table["name"] = b"abcd", b"abcde"
        with pytest.raises(WrongUse, match=r"Note\.name is text\[4\]; got 5 bytes at index 1"):
            client.send_array("Note", table)
        assert service.gateway.counts["frames"] == 0
        assert client.request(("Note", GOOD)).outputs[0].fields == {**GOOD, "mark": b"\0\x01\0\0", "weight": 1.0}
        client.send_array("Note", table[:1])
        ((noted,),) = client.answers()
        assert noted.fields == {"name": "abcd", "mark": bytes(4), "weight": 0.0, "kind": 0}
