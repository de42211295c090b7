"""The balances with so many accounts that their table has BENCH_TABLE_BYTES (default 1 GiB): `bench.tables:app`.

For the rows snapshot and growth; native handlers, the same as bench.balance's.
"""

from __future__ import annotations

import os
from dataclasses import field
from typing import Any

import numpy as np

from bench import payments
from processor import App, i64, u32
from processor.apps.balance.handlers import deposit as native_deposit

TABLE_BYTES = "BENCH_TABLE_BYTES"


def table() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Balances, shape (n,), every page of them really there."""
    made = np.empty(int(os.environ.get(TABLE_BYTES, 1 << 30)) // 8, np.int64)
    made.fill(0)
    return made


def spread(count: int, accounts: int) -> payments.Array:
    """Payments as whole events, shape (count,), dtype payments.SLOT, for accounts all over a table of this many."""
    made = payments.slots(count)
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    made["account"] = (x >> np.uint64(32)) % np.uint64(accounts)
    return made


app = App("tables")


@app.event
class Deposit:
    account: u32
    amount: i64


@app.output
class Balance:
    account: u32
    balance: i64


@app.state
class Bank:
    """What each account holds, int64."""

    balances: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=table)


app.on(Deposit, native_deposit)
