"""Values of one declared type as *wire* values (what MessagePack knows) and back, checked both ways: the simple types.

Types are exact: no bool or NumPy scalar in an int field, no int in a float field, since each computes differently.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from processor.snapshot.walk import Misfit, Reading, Writing

I64 = (-(2**63), 2**63 - 1)


class Coder:
    """One declared type. `python`: the exact class of its values. `natural`: wire values sort by Python's own order."""

    natural = False
    hashable = False

    def __init__(self, python: type, text: str) -> None:
        self.python = python
        self.text = text

    def wire(self, value: Any, walk: Writing) -> Any:
        raise NotImplementedError

    def value(self, wire: Any, walk: Reading) -> Any:
        raise NotImplementedError

    def wires(self, values: list[Any], walk: Writing) -> list[Any]:
        """All of them; a Misfit says at which index."""
        out: list[Any] = []
        try:
            for value in values:
                out.append(self.wire(value, walk))
        except Misfit as misfit:
            raise misfit.inside(len(out)) from None
        return out

    def values(self, wires: Any, walk: Reading) -> list[Any]:
        out: list[Any] = []
        try:
            for wire in self.listed(wires):
                out.append(self.value(wire, walk))
        except Misfit as misfit:
            raise misfit.inside(len(out)) from None
        return out

    def check(self, value: Any) -> None:
        if type(value) is not self.python:
            hint = ", convert it first" if hasattr(value, "item") else ""
            raise Misfit(f"is declared {self.text}, but holds {value!r:.60} (a {type(value).__name__}){hint}")

    def listed(self, wire: Any, length: int | None = None) -> list[Any]:
        if type(wire) is not list or (length is not None and len(wire) != length):
            raise Misfit(f"is declared {self.text}, but the snapshot holds {wire!r:.60}")
        return wire


class Scalar(Coder):
    """bool, str, bytes, None, int, float: as they are. `bounds`: of an int's value, of a text's length in bytes."""

    natural = True
    hashable = True

    def __init__(self, python: type, text: str, bounds: tuple[int, int] | None = None, key: bool = False) -> None:
        super().__init__(python, text)
        self.bounds = bounds
        self.key = key

    def wire(self, value: Any, walk: Writing) -> Any:
        if type(value) is not self.python:
            self.check(value)
        return self._fit(value)

    def value(self, wire: Any, walk: Reading) -> Any:
        self.check(wire)
        return self._fit(wire)

    def wires(self, values: list[Any], walk: Writing) -> list[Any]:
        if self._plain(values):
            return values
        return super().wires(values, walk)

    def values(self, wires: Any, walk: Reading) -> list[Any]:
        if type(wires) is list and self._plain(wires):
            return wires
        return super().values(wires, walk)

    def _plain(self, values: list[Any]) -> bool:
        """Whether every value is right as it stands, found without a loop in Python."""
        if set(map(type, values)) - {self.python}:
            return False
        if self.python is int and self.bounds is not None and values:
            return bool(self.bounds[0] <= min(values) and max(values) <= self.bounds[1])
        return self.bounds is None and self.python in (str, bytes, bool, type(None))

    def _fit(self, value: Any) -> Any:
        if self.python is float:
            if value != value:
                if self.key:
                    raise Misfit("NaN cannot be a key: it equals nothing")
                return math.nan  # one NaN for all: its other bits depend on the machine
            return value + 0.0 if self.key else value  # -0.0 and 0.0 are one key, whichever came first
        if self.bounds is not None:
            low, high = self.bounds
            if self.python is int:
                if not low <= value <= high:
                    raise Misfit(f"is {self.text}, from {low} to {high}, but holds {value}", overflow=True)
            elif len(value.encode() if self.python is str else value) > high:
                raise Misfit(f"is {self.text}, but holds {len(value)}: {value!r:.60}")
        return value


class EnumCoder(Coder):
    """A member by its name."""

    hashable = True
    natural = True

    def wire(self, value: Any, walk: Writing) -> Any:
        self.check(value)
        return value.name

    def value(self, wire: Any, walk: Reading) -> Any:
        kind: type[Enum] = self.python
        if type(wire) is not str or wire not in kind.__members__:
            raise Misfit(f"is declared {self.text}, which has no member {wire!r:.60}")
        return kind[wire]
