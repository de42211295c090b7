"""Times counted in buckets: percentiles of any number of them in bounded memory.

After the HDR histogram (Gil Tene): buckets grow with the value, so that each is at most 1/128 of its value wide. The
bucket of a time is found in the bits of its float64: the exponent and the first seven bits of the mantissa.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

MANTISSA_BITS = 52
KEPT_BITS = 7
SHIFT = MANTISSA_BITS - KEPT_BITS
LOWEST = int(np.float64(1.0).view(np.int64)) >> SHIFT
BUCKETS = 50 << KEPT_BITS           # up to 2**50 ns, which is 13 days

Times = np.ndarray[Any, np.dtype[np.float64]]


class Latencies:
    """Counts times in ns; those below 1 count as 1. A percentile is off by at most 1/256 of itself."""

    def __init__(self) -> None:
        self._counts = np.zeros(BUCKETS, np.int64)

    def __len__(self) -> int:
        return int(self._counts.sum())

    def add(self, times_ns: Times) -> None:
        """Shape (n,), float64."""
        buckets = (np.maximum(times_ns, 1.0).view(np.int64) >> SHIFT) - LOWEST
        np.add.at(self._counts, np.minimum(buckets, BUCKETS - 1), 1)

    def take(self, other: Latencies) -> None:
        """Adds what the other one counted, and empties it."""
        self._counts += other._counts
        other._counts[:] = 0

    def percentiles_us(self, percents: Iterable[float]) -> list[float | None]:
        """In microseconds, of the least time that so many percent are not above; None when nothing was counted."""
        upto = np.cumsum(self._counts)
        if upto[-1] == 0:
            return [None for _ in percents]
        ranks = np.maximum(np.ceil(np.array(list(percents)) / 100 * upto[-1]), 1)
        buckets = np.searchsorted(upto, ranks) + LOWEST
        edges = (np.stack([buckets, buckets + 1]).astype(np.int64) << SHIFT).view(np.float64)
        return [round(float(value) / 1000, 3) for value in edges.mean(axis=0)]
