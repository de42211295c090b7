"""Reads what Exchange.export() wrote, as tables."""

from __future__ import annotations

from typing import Any

import numpy as np

HEAD_BYTES = 16

ORDER = np.dtype(
    [("id", "<u8"), ("price", "<i8"), ("quantity", "<u4"), ("symbol", "<u2"), ("side", "u1"), ("reserved", "u1")]
)


def resting_orders(export: bytes) -> np.ndarray[Any, np.dtype[Any]]:
    """Shape (orders,), dtype ORDER: by symbol, bids before asks, the best price first, the oldest order first."""
    return np.frombuffer(export, ORDER, offset=HEAD_BYTES)


def depth(export: bytes, symbol: int = 0) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The bids and the asks of a symbol, best first, as (price, quantity of all orders at it)."""
    orders = resting_orders(export)
    orders = orders[orders["symbol"] == symbol]
    sides: list[list[tuple[int, int]]] = [[], []]
    for side in (0, 1):
        mine = orders[orders["side"] == side]
        starts = np.flatnonzero(np.r_[True, np.diff(mine["price"]) != 0]) if len(mine) else np.empty(0, np.intp)
        totals = np.add.reduceat(mine["quantity"].astype(np.uint64), starts) if len(mine) else np.empty(0, np.uint64)
        sides[side] = list(zip(mine["price"][starts].tolist(), totals.tolist(), strict=True))
    return sides[0], sides[1]
