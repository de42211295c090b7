"""How values of each declared type become *wire* values (what MessagePack knows) and come back, checked both ways.

Types are exact: no bool or NumPy scalar in an int field, no int in a float field, since each computes differently.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from enum import Enum
from operator import lt
from typing import Any

import msgspec

from processor.snapshot.walk import Misfit, Reading, Writing

I64 = (-(2**63), 2**63 - 1)
_encode = msgspec.msgpack.Encoder().encode


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
                return math.nan      # one NaN for all: its other bits depend on the machine
            return value + 0.0 if self.key else value     # -0.0 and 0.0 are one key, whichever came first
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


class OptionalCoder(Coder):
    """None, or what `inner` says (whose wire value is never None)."""

    def __init__(self, inner: Coder) -> None:
        super().__init__(inner.python, f"{inner.text}|None")
        self.inner = inner
        self.hashable = inner.hashable

    def wire(self, value: Any, walk: Writing) -> Any:
        return None if value is None else self.inner.wire(value, walk)

    def value(self, wire: Any, walk: Reading) -> Any:
        return None if wire is None else self.inner.value(wire, walk)


class UnionCoder(Coder):
    """[index of the member, its wire value]; the members' classes differ."""

    def __init__(self, members: Sequence[Coder]) -> None:
        super().__init__(object, "|".join(member.text for member in members))
        self.members = members
        self.index = {member.python: index for index, member in enumerate(members)}
        self.hashable = all(member.hashable for member in members)

    def wire(self, value: Any, walk: Writing) -> Any:
        index = self.index.get(type(value))
        if index is None:
            raise Misfit(f"is declared {self.text}, but holds {value!r:.60} (a {type(value).__name__})")
        return [index, self.members[index].wire(value, walk)]

    def value(self, wire: Any, walk: Reading) -> Any:
        index, inner = self.listed(wire, 2)
        if type(index) is not int or not 0 <= index < len(self.members):
            raise Misfit(f"is declared {self.text}, which has no member number {index!r:.60}")
        return self.members[index].value(inner, walk)


class TupleCoder(Coder):
    """A tuple of fixed length, each element of its own type."""

    hashable = True

    def __init__(self, items: Sequence[Coder]) -> None:
        super().__init__(tuple, f"tuple[{','.join(item.text for item in items)}]")
        self.items = items
        self.hashable = all(item.hashable for item in items)
        self.natural = all(item.natural for item in items)

    def wire(self, value: Any, walk: Writing) -> Any:
        self.check(value)
        if len(value) != len(self.items):
            raise Misfit(f"is declared {self.text}, but holds {len(value)} elements")
        return self._each(value, [item.wire for item in self.items], walk)

    def value(self, wire: Any, walk: Reading) -> Any:
        return tuple(self._each(self.listed(wire, len(self.items)), [item.value for item in self.items], walk))

    def _each(self, values: Any, functions: list[Callable[[Any, Any], Any]], walk: Writing | Reading) -> list[Any]:
        out: list[Any] = []
        try:
            for function, value in zip(functions, values, strict=True):
                out.append(function(value, walk))
        except Misfit as misfit:
            raise misfit.inside(len(out)) from None
        return out


class SequenceCoder(Coder):
    """list, tuple[T, ...], deque (with its maxlen), set and frozenset (sorted)."""

    def __init__(self, python: type, item: Coder) -> None:
        super().__init__(python, f"{python.__name__}[{item.text}{',...' if python is tuple else ''}]")
        self.item = item
        self.hashable = python in (tuple, frozenset) and item.hashable
        self.natural = python is tuple and item.natural

    def wire(self, value: Any, walk: Writing) -> Any:
        self.check(value)
        if self.python in (list, set, deque):
            walk.once(value)
        wires = self.item.wires(list(value), walk)
        if self.python in (set, frozenset):
            return sorted(wires, key=None if self.item.natural else _encode)
        return [value.maxlen, wires] if self.python is deque else wires

    def value(self, wire: Any, walk: Reading) -> Any:
        if self.python is deque:
            maxlen, wire = self.listed(wire, 2)
            if maxlen is not None and (type(maxlen) is not int or not 0 <= maxlen <= I64[1]):
                raise Misfit(f"is declared {self.text}, but the snapshot holds the length {maxlen!r:.60}")
            return deque(self.item.values(wire, walk), maxlen)
        items = self.item.values(wire, walk)
        if self.python is list:
            return items
        made = self.python(items)
        if len(made) != len(items):
            raise Misfit("has an element twice in the snapshot")
        return made


class MapCoder(Coder):
    """dict, defaultdict, OrderedDict: [keys, values], sorted by key (OrderedDict: its order is part of the state)."""

    def __init__(self, python: type, key: Coder, item: Coder) -> None:
        super().__init__(python, f"{python.__name__}[{key.text},{item.text}]")
        self.key = key
        self.item = item

    def wire(self, value: Any, walk: Writing) -> Any:
        self.check(value)
        walk.once(value)
        if self.python is defaultdict and value.default_factory is not self.item.python:
            raise Misfit(f"is declared {self.text}: its default_factory must be {self.item.python.__name__}")
        try:
            keys = self.key.wires(list(value), walk)
        except Misfit as misfit:
            raise misfit.inside(" key ") from None
        items = list(value.values())
        if self.python is not OrderedDict:
            keys, items = self._sorted(keys, items, walk)
        try:
            return [keys, self.item.wires(items, walk)]
        except Misfit as misfit:
            misfit.path[0] = f"[{keys[int(misfit.path[0])]!r:.60}]"
            raise

    def _sorted(self, keys: list[Any], items: list[Any], walk: Writing) -> tuple[list[Any], list[Any]]:
        rank = keys if self.key.natural else [_encode(key) for key in keys]
        if all(map(lt, rank, rank[1:])):
            return keys, items
        if walk.ordered:
            walk.canonical = False
            return keys, items
        order = sorted(range(len(rank)), key=rank.__getitem__)
        return [keys[i] for i in order], [items[i] for i in order]

    def value(self, wire: Any, walk: Reading) -> Any:
        key_wires, item_wires = self.listed(wire, 2)
        keys = self.key.values(key_wires, walk)
        items = self.item.values(item_wires, walk)
        made: dict[Any, Any] = dict(zip(keys, items, strict=False))
        if len(keys) != len(items) or len(made) != len(keys):
            raise Misfit(f"has {len(keys)} keys ({len(made)} different ones) and {len(items)} values in the snapshot")
        if self.python is defaultdict:
            return defaultdict(self.item.python, made)
        return made if self.python is dict else OrderedDict(made)


class RecordCoder(Coder):
    """A dataclass: the wire values of its fields, as declared. Made without calling its __init__."""

    def __init__(self, python: type, frozen: bool) -> None:
        super().__init__(python, python.__name__)
        self.frozen = frozen
        self.hashable = frozen and python.__hash__ is not None
        self.fields: dict[str, Coder] = {}

    def wire(self, value: Any, walk: Writing) -> Any:
        self.check(value)
        if not self.frozen:
            walk.once(value)
        if hasattr(value, "__dict__") and (extra := vars(value).keys() - self.fields.keys()):
            raise Misfit(f"has the attribute {min(extra)!r}, which is no declared field: a recovery would lose it")
        out: list[Any] = []
        try:
            for name, coder in self.fields.items():
                out.append(coder.wire(getattr(value, name), walk))
        except Misfit as misfit:
            raise misfit.inside(f".{name}") from None
        except AttributeError:
            raise Misfit(f"has no value for its field {name!r}") from None
        return out

    def value(self, wire: Any, walk: Reading) -> Any:
        made: Any = object.__new__(self.python)
        wires = self.listed(wire, len(self.fields))
        try:
            for (name, coder), inner in zip(self.fields.items(), wires, strict=True):
                object.__setattr__(made, name, coder.value(inner, walk))
        except Misfit as misfit:
            raise misfit.inside(f".{name}") from None
        return made
