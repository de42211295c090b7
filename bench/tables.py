"""The balances with so many accounts that their table has BENCH_TABLE_BYTES (default 1 GiB): `bench.tables:app`.

For the rows snapshot and growth; native handlers, the same as bench.balance's.
"""

from __future__ import annotations

import os
from dataclasses import field
from typing import Any

import numpy as np

from processor import App, i64, u32
from processor.apps.balance.handlers import deposit as native_deposit

TABLE_BYTES = "BENCH_TABLE_BYTES"


def table() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Balances, shape (n,), every page of them really there."""
    made = np.empty(int(os.environ.get(TABLE_BYTES, 1 << 30)) // 8, np.int64)
    made.fill(0)
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
