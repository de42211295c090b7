"""The input of all comparisons, payments (account of 10,000, amount), and what must come of them: one balance output
for each.

Payment k (from 0) is a function of k alone, so that every language makes the same ones without a file:

    x = k + 1;  x = (x ^ x >> 30) * BF58476D1CE4E5B9;  x = (x ^ x >> 27) * 94D049BB133111EB;  x ^= x >> 31      (u64)
    account = (x >> 8 & FFFFFFFF) % 10000;  amount = (x >> 40 & 1023) - 256

A result is the outputs' number, the sum of the balances in them, and a checksum of which account had which balance
in the end (all modulo 2^64): an event lost, doubled or applied in another order of its account changes one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from processor.layout import HEADER

ACCOUNTS = 10_000
EVENT = np.dtype([("account", "<u4"), ("pad", "<u4"), ("amount", "<i8")])
OUTPUT = np.dtype([("account", "<u4"), ("pad", "<u4"), ("balance", "<i8")])
# A whole event of 64 bytes, as it stands in a ring's slot and in a record of a peer's input topic.
SLOT = np.dtype(
    {
        "names": [*(HEADER.names or ()), "account", "amount"],
        "formats": [*(HEADER[n] for n in HEADER.names or ()), "<u4", "<i8"],
        "offsets": [*((HEADER.fields or {})[n][1] for n in HEADER.names or ()), 32, 40],
        "itemsize": 64,
    }
)

Array = np.ndarray[Any, np.dtype[Any]]


def payments(count: int, first: int = 0) -> Array:
    """Payments `first` to `first + count`: shape (count,), dtype EVENT."""
    x = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    made = np.zeros(count, EVENT)
    made["account"] = (x >> np.uint64(8) & np.uint64(0xFFFFFFFF)) % np.uint64(ACCOUNTS)
    made["amount"] = (x >> np.uint64(40) & np.uint64(1023)).astype(np.int64) - 256
    return made


def slots(count: int, first: int = 0) -> Array:
    """The same as whole events of 64 bytes: shape (count,), dtype SLOT; sequence and request from first + 1."""
    made, events = np.zeros(count, SLOT), payments(count, first)
    made["sequence"] = made["request"] = np.arange(first + 1, first + count + 1)
    made["session"] = made["type"] = 1
    made["length"] = EVENT.itemsize
    made["account"], made["amount"] = events["account"], events["amount"]
    return made


class Outputs:
    """What came out, in the order of each account; `result` is the text that all contestants are compared by."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0
        self._balances = np.zeros(ACCOUNTS, np.int64)

    def add(self, accounts: Array, balances: Array) -> None:
        """Takes outputs: accounts below 10,000 and their new balances, shape (n,) each."""
        self.count += len(accounts)
        self._sum += int(balances.sum(dtype=np.int64))
        self._balances[accounts] = balances  # the last one of equal accounts stays

    def result(self) -> str:
        weights = np.arange(1, ACCOUNTS + 1, dtype=np.int64)
        return result_text(self.count, self._sum, int((weights * self._balances).sum(dtype=np.int64)))


def result_text(count: int, balances_sum: int, checksum: int) -> str:
    """The result of a contestant, from its three numbers."""
    return f"{count} outputs, sum {balances_sum % 2**64:016x}, balances {checksum % 2**64:016x}"


def running_balances(events: Array) -> Array:
    """The balance of its account behind each event, from 0: shape (n,), int64."""
    order = np.argsort(events["account"], kind="stable")
    accounts, total = events["account"][order], np.cumsum(events["amount"][order])
    starts = np.flatnonzero(np.r_[True, accounts[1:] != accounts[:-1]])
    before = np.r_[0, total[starts[1:] - 1]]
    balances = np.empty(len(events), np.int64)
    balances[order] = total - np.repeat(before, np.diff(np.r_[starts, len(events)]))
    return balances


def expected(count: int) -> str:
    """The one right result of the first `count` payments, each of them answered."""
    outputs, events = Outputs(), payments(count)
    if count:
        outputs.add(events["account"], running_balances(events))
    return outputs.result()
