"""All tiers of handler say and do the same, whatever the events and however runs are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import balance
from processor.snapshot.state import decode_state, encode_state, state_hash
from tests.logic.applications import MIXTURES, Bank, Deposit, Withdraw, declared
from tests.logic.drive import Driven

SESSIONS = 3
SLOT = declared.schema.slot_bytes


@st.composite
def events(draw: Any) -> list[tuple[int, int, bytes]]:
    """(session, request, payload and type) with duplicates, gaps, old ones, and sessions that do not exist."""
    last = {session: 0 for session in range(1, SESSIONS + 2)}
    made = []
    for _ in range(draw(st.integers(0, 40))):
        session = draw(st.integers(1, SESSIONS + 1))
        step = draw(st.sampled_from((1, 1, 1, 1, 0, -2, 2)))
        request = max(0, last[session] + step)
        last[session] = request if step == 1 else last[session]
        kind = draw(st.sampled_from((Deposit, Deposit, Withdraw)))
        account = draw(st.integers(0, 6))
        values = (
            {"account": account, "amount": draw(st.integers(-1000, 1000))}
            if kind is Deposit
            else {"account": account, "amount": draw(st.integers(0, 300)), "alike": draw(st.integers(0, 3))}
        )
        made.append((kind, session, request, values))
    return made


def slots_of(driven: Driven, asked: Any) -> np.ndarray[Any, Any]:
    rows = []
    for kind, session, request, values in asked:
        payload = np.zeros(1, declared.message_of(kind).dtype)
        for name, value in values.items():
            payload[name] = value
        rows.append(driven.slots(kind, payload, request, session))
    return np.concatenate(rows) if rows else np.zeros((0, SLOT), np.uint8)


def outcome(name: str, asked: Any, cuts: list[int], *, strict: bool = False, most: int | None = None) -> Any:
    driven = Driven(MIXTURES[name], SESSIONS, strict=strict)
    if most is not None:
        driven.core.run_events_max = most
    slots = slots_of(driven, asked)
    assert driven.apply(slots, [cut for cut in cuts if cut < len(slots)]) == len(slots), driven.core.trouble
    return driven.frames, state_hash(driven.core.state), driven.core.sessions.export(), driven.core.sequence


@settings(max_examples=150, deadline=None)
@given(events(), st.lists(st.integers(1, 39), max_size=5), st.integers(1, 4))
def test_every_mixture_of_tiers_and_every_cut_of_runs_gives_the_same_answers_state_and_sessions(
    asked: Any, cuts: list[int], most: int
) -> None:
    wanted = outcome("python-python", asked, [])
    for name in MIXTURES:
        assert outcome(name, asked, cuts) == wanted, name
    assert outcome("numpy-numpy", asked, [], strict=True) == wanted
    assert outcome("numpy-numpy", asked, cuts, most=most) == wanted


@pytest.mark.parametrize("tier", ["python", "numpy", "compiled", "native"])
def test_the_balance_application_is_right_in_every_tier(tier: str) -> None:
    count = 3000
    rng = np.random.default_rng(11)
    payloads = np.zeros(count, balance.declared.message_of(balance.Deposit).dtype)
    payloads["account"] = rng.integers(balance.ACCOUNTS - 300, balance.ACCOUNTS + 30, count)
    payloads["amount"] = rng.integers(-(2**40), 2**40, count)
    driven = Driven(getattr(balance, tier), window=8192)
    slots = driven.slots(balance.Deposit, payloads, np.arange(count) + 1)
    assert slots.shape[1] == 64
    assert driven.apply(slots, [1, 7, 1000]) == count
    wanted = np.zeros(balance.ACCOUNTS, np.int64)
    known = payloads[payloads["account"] < balance.ACCOUNTS]
    np.add.at(wanted, known["account"], known["amount"])
    assert (driven.core.state.balances == wanted).all()
    twin = Driven(balance.python, window=8192)
    twin.apply(slots)
    assert driven.frames == twin.frames
    assert state_hash(driven.core.state) == state_hash(twin.core.state)


def test_tables_of_a_state_survive_a_snapshot_and_go_on_in_every_tier() -> None:
    asked = [(Deposit, 1, k + 1, {"account": k % 5, "amount": k}) for k in range(20)]
    first = Driven(MIXTURES["python-python"])
    first.apply(slots_of(first, asked))
    for name, app in MIXTURES.items():
        loaded = decode_state(Bank, bytes(encode_state(first.core.state)))
        assert state_hash(loaded) == state_hash(first.core.state)
        driven = Driven(app)
        driven.core = type(driven.core)(app, first.core.sessions, state=loaded)
        more = [(Deposit, 1, 21, {"account": 2, "amount": 100})]
        driven.core.restore(first.core.sequence, first.core.timestamp)
        table = first.core.sessions.export()
        assert driven.core.apply_slots(driven.number(slots_of(driven, more)).reshape(-1)) == 1, name
        first.core.sessions.load(table)
        assert loaded.balances[2] == first.core.state.balances[2] + 100, name
