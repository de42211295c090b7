"""The payments of all comparisons: a result that shows what is lost, doubled or out of order."""

from __future__ import annotations

import numpy as np

from bench import payments


def plainly(events: np.ndarray) -> str:
    """The result, event by event in plain Python."""
    balances = [0] * payments.ACCOUNTS
    total = 0
    for account, _pad, amount in events.tolist():
        balances[account] += amount
        total += balances[account]
    return payments.result_text(len(events), total, sum((k + 1) * balance for k, balance in enumerate(balances)))


def test_the_expected_result_is_that_of_one_event_after_the_other() -> None:
    assert payments.expected(50_000) == plainly(payments.payments(50_000))


def test_a_payment_depends_on_its_number_alone() -> None:
    assert np.array_equal(payments.payments(1000)[400:500], payments.payments(100, first=400))


def test_every_account_is_paid_to_and_amounts_are_of_both_signs() -> None:
    events = payments.payments(200_000)
    assert len(np.unique(events["account"])) == payments.ACCOUNTS
    assert (events["amount"].min(), events["amount"].max()) == (-256, 767)


def test_a_lost_a_doubled_and_an_exchanged_event_change_the_result() -> None:
    events = payments.payments(30_000)
    right = plainly(events)
    account = events["account"][0]
    others = np.flatnonzero((events["account"] == account) & (events["amount"] != events["amount"][0]))
    swapped = events.copy()
    swapped[[0, others[0]]] = swapped[[others[0], 0]]
    for wrong in (np.delete(events, 7), np.insert(events, 7, events[7]), swapped):
        assert plainly(wrong) != right


def test_outputs_may_come_in_parts() -> None:
    events = payments.payments(5_000)
    balances = payments.running_balances(events)
    outputs = payments.Outputs()
    for part in np.array_split(np.arange(5_000), 7):
        outputs.add(events["account"][part], balances[part])
    assert outputs.result() == payments.expected(5_000)


def test_a_slot_holds_the_payment_where_the_native_handlers_look_for_it() -> None:
    made = payments.slots(10)
    assert made.dtype.itemsize == 64
    assert np.array_equal(made.view("<u4").reshape(10, 16)[:, 8], payments.payments(10)["account"])
    assert np.array_equal(made.view("<i8").reshape(10, 8)[:, 5], payments.payments(10)["amount"])
