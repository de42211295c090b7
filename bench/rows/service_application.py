"""A stand-in for bench/balance.py, in Python handlers, until the rows are run with that."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from processor import App, i64, u32

app = App("balance")


@app.event
class Payment:
    account: u32
    amount: i64


@app.output
class Balance:
    account: u32
    balance: i64


@app.state
class Balances:
    balances: dict[int, int] = field(default_factory=dict)


@app.on(Payment)
def pay(state: Any, event: Any, ctx: Any) -> None:
    balance = state.balances.get(event.account, 0) + event.amount
    state.balances[event.account] = balance
    ctx.emit(Balance(event.account, balance))
