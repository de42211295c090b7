"""One small bank in every tier of handler, and in mixtures of them: what the tiers' tests compare."""

from __future__ import annotations

from dataclasses import field
from itertools import product
from typing import Any

import numpy as np

from processor import App, checked, i64, u8, u32

ACCOUNTS = 5
declared = App("tiers")


@declared.event
class Deposit:
    account: u32
    amount: i64


@declared.event
class Withdraw:
    """`alike`: how many outputs, all the same, its answer has."""

    account: u8
    amount: u32
    alike: u8


@declared.output
class Balance:
    account: u32
    balance: i64


@declared.state
class Bank:
    balances: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros(ACCOUNTS, np.int64))
    counts: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros((2, 2), np.int64))


def deposit(bank: Any, event: Any, ctx: Any) -> None:
    if event.account >= ACCOUNTS:
        ctx.reject("no such account")
        return
    bank.counts[0, 1] += 1
    bank.balances[event.account] = checked.add(int(bank.balances[event.account]), event.amount)
    ctx.emit(Balance(event.account, int(bank.balances[event.account])))


def withdraw(bank: Any, event: Any, ctx: Any) -> None:
    """Never below zero; says nothing, or the balance as often as asked for."""
    if event.account >= ACCOUNTS or int(bank.balances[event.account]) < event.amount:
        ctx.reject("not covered")
        return
    bank.counts[1, 0] += 1
    bank.balances[event.account] = checked.subtract(int(bank.balances[event.account]), np.int64(event.amount))
    for _ in range(event.alike):
        ctx.emit(Balance(event.account, int(bank.balances[event.account])))


def deposits(bank: Bank, events: Any, ctx: Any) -> None:
    known = np.flatnonzero(events["account"] < ACCOUNTS)
    ctx.reject(events["account"] >= ACCOUNTS, "no such account")
    account, amount = events["account"][known], events["amount"][known]
    after = np.zeros(len(known), np.int64)
    for one in np.unique(account):
        mine = account == one
        before = bank.balances[one] + np.cumsum(amount[mine]) - amount[mine]
        after[mine] = checked.add(before, amount[mine])
        bank.balances[one] = after[mine][-1]
    bank.counts[0, 1] += len(known)
    ctx.emit(Balance, {"account": account, "balance": after}, known)


def withdrawals(bank: Bank, events: Any, ctx: Any) -> None:
    """Whether one is covered depends on those before it: a loop over the columns."""
    accounts, amounts = events["account"].tolist(), events["amount"].tolist()
    uncovered, told = [], []
    for k, (account, amount) in enumerate(zip(accounts, amounts, strict=True)):
        if account >= ACCOUNTS or bank.balances[account] < amount:
            uncovered.append(k)
            continue
        bank.balances[account] -= amount
        bank.counts[1, 0] += 1
        told.append((k, account, bank.balances[account]))
    ctx.reject(uncovered, "not covered")
    where = np.array([k for k, _, _ in told], np.int64)
    values = np.zeros(len(told), [("account", "<u4"), ("balance", "<i8")])
    values["account"], values["balance"] = [one[1] for one in told], [one[2] for one in told]
    often = np.repeat(np.arange(len(told)), events["alike"][where] if len(told) else 0)
    # Backwards: emit puts the outputs of an event in the order of the call, whatever the order of the events.
    ctx.emit(Balance, values[often[::-1]], where[often[::-1]])


def bank_of(deposits_tier: str, withdrawals_tier: str) -> App:
    """The bank with these tiers, each of `python`, `numpy`, `compiled`."""
    app = declared.twin()
    for tier, event, single, run in (
        (deposits_tier, Deposit, deposit, deposits),
        (withdrawals_tier, Withdraw, withdraw, withdrawals),
    ):
        if tier == "numpy":
            app.on_run(event, run)
        elif tier == "compiled":
            app.on_compiled(event, single)
        else:
            app.on(event, single)
    return app


MIXTURES = {
    f"{first}-{second}": bank_of(first, second) for first, second in product(("python", "numpy", "compiled"), repeat=2)
}
