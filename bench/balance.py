"""The application of all comparisons: a running balance per account, and an output with the new balance for every
event.

The same in every tier of handler, one application each: `python`, `numpy`, `compiled` (Numba) and `native` (Cython):
same schema, same outputs, same state. A slot has 64 bytes. `processor run bench.balance:native ...`
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from processor import App, checked, i64, u32
from processor.apps.balance.handlers import deposit as native_deposit

ACCOUNTS = 10_000
NO_ACCOUNT = "no such account"

declared = App("balance")


@declared.event
class Deposit:
    account: u32
    amount: i64


@declared.output
class Balance:
    account: u32
    balance: i64


@declared.state
class Bank:
    """What each account holds, int64, shape (ACCOUNTS,)."""

    balances: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros(ACCOUNTS, np.int64))


python, numpy, compiled, native = (declared.twin() for _ in range(4))

native.on(Deposit, native_deposit)


@python.on(Deposit)
def deposit(bank: Bank, event: Any, ctx: Any) -> None:
    account = event.account
    if account >= ACCOUNTS:
        return ctx.reject(NO_ACCOUNT)
    balance = bank.balances.item(account) + event.amount
    bank.balances[account] = balance
    ctx.emit(Balance(account, balance))


@compiled.on_compiled(Deposit)
def compiled_deposit(bank: Any, event: Any, ctx: Any) -> None:
    if event.account >= len(bank.balances):
        ctx.reject(NO_ACCOUNT)
        return
    balance = bank.balances[event.account] + event.amount
    bank.balances[event.account] = balance
    ctx.emit(Balance(event.account, balance))


@numpy.on_run(Deposit)
def deposits(bank: Bank, events: np.ndarray[Any, Any], ctx: Any) -> None:
    account = events["account"]
    known = np.flatnonzero(account < ACCOUNTS)
    if len(known) < len(events):
        ctx.reject(account >= ACCOUNTS, NO_ACCOUNT)
        account = account[known]
    # Events of one account side by side, as they came: 16 bits are sorted by radix.
    order = np.argsort(account.astype(np.uint16), kind="stable")
    account, amount = account[order], events["amount"][known[order]]
    first = np.flatnonzero(np.diff(account, prepend=np.uint32(0xFFFFFFFF)))
    runs = np.diff(first, append=len(account))
    # Sums over all accounts may wrap around, which the difference undoes; whether an account's own sum fits is checked.
    before = np.cumsum(amount) - amount
    before += np.repeat(bank.balances[account[first]] - before[first], runs)
    balance = checked.add(before, amount)
    bank.balances[account[first]] = balance[first + runs - 1]
    ctx.emit(Balance, {"account": account, "balance": balance}, known[order])
