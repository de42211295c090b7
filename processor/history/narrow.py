"""The first event behind which two replays differ, found by looking ever closer instead of behind every event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

MARKS = 64
NARROWINGS_MAX = 12

Value = TypeVar("Value")


def first_difference(one: Mapping[int, Value], other: Mapping[int, Value], low: int = 0) -> tuple[int, int] | None:
    """(last equal mark, first different one) of two replays that were looked at behind the same sequences, or None."""
    for mark in sorted(one.keys() & other.keys()):
        if one[mark] != other[mark]:
            return low, mark
        low = max(low, mark)
    return None


def narrow(
    low: int, high: int, run: Callable[[list[int]], tuple[Mapping[int, Value], Mapping[int, Value]]]
) -> tuple[int, tuple[Value, Value] | None]:
    """Where two replays that are equal behind `low` and differ behind `high` part, and their values there.

    `run(marks)` replays both and looks behind each mark. Should it see no difference any more (a handler that is
    random only now and then), what was seen before stands; values None: it was not seen again at all.
    """
    values = None
    for _ in range(NARROWINGS_MAX):
        if high - low <= 1 and values is not None:
            break
        step = max(1, -(-(high - low) // MARKS))
        one, other = run([*range(low + step, high, step), high])
        parted = first_difference(one, other, low)
        if parted is None:
            break
        low, high = parted
        values = (one[high], other[high])
    return high, values


def spread(begin: int, step: int = 1) -> int:
    """The mark behind `begin` when the end is not known: ever wider apart, so that there are few, and the first ones
    close.
    """
    return begin + max(step, begin // 8)
