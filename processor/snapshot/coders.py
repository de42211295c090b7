"""Values that hold other values, as wire values and back: unions, tuples, sequences, sets, maps and dataclasses."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from operator import lt
from typing import Any

import msgspec

from processor.snapshot.scalars import I64, Coder
from processor.snapshot.walk import Misfit, Reading, Writing

_encode = msgspec.msgpack.Encoder().encode


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
