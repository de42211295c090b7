"""States as plain values: to be shown, written as JSON, and compared.

A dataclass becomes a dict of its fields; a state with a method `describe` (a native one) is what that returns; bytes
stay bytes. Plain values are copies: they stay what they are when the state goes on.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from processor.logic.native import NativeState

MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()


def plain(value: Any) -> Any:
    """A copy of the value, made of dict, list, set, str, bytes, numbers, None and NumPy arrays."""
    if hasattr(type(value), "describe"):
        return plain(value.describe())
    if isinstance(value, NativeState):
        return {"export": value.export()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {_key(key): plain(one) for key, one in value.items()}
    if isinstance(value, Set):
        return {_key(one) for one in value}
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [plain(one) for one in value]
    if hasattr(value, "__iter__") and not isinstance(value, str | bytes | bytearray):
        return [plain(one) for one in value]
    return value


def _key(key: Any) -> Any:
    """Keys stay hashable: a frozen dataclass becomes a tuple of its fields."""
    if dataclasses.is_dataclass(key) and not isinstance(key, type):
        return tuple(_key(getattr(key, field.name)) for field in dataclasses.fields(key))
    if isinstance(key, tuple):
        return tuple(_key(part) for part in key)
    if isinstance(key, enum.Enum):
        return key.value
    return frozenset(_key(part) for part in key) if isinstance(key, frozenset) else key


@dataclass(frozen=True)
class Change:
    """One place of the state that differs: `before` or `after` is MISSING where there is nothing."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"

    def as_json(self) -> dict[str, Any]:
        sides = {"before": self.before, "after": self.after}
        return {"path": self.path, **{key: jsonable(one) for key, one in sides.items() if one is not MISSING}}


def changes(before: Any, after: Any, path: str = "state") -> Iterator[Change]:
    """Where two plain values differ, from the outside to the inside, in the order of the keys."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in _sorted(before.keys() | after.keys()):
            step = f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r}]"
            if key not in before or key not in after:
                yield Change(step, before.get(key, MISSING), after.get(key, MISSING))
            else:
                yield from changes(before[key], after[key], step)
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            sides = [side[place] if place < len(side) else MISSING for side in (before, after)]
            if sides[0] is MISSING or sides[1] is MISSING:
                yield Change(f"{path}[{place}]", *sides)
            else:
                yield from changes(sides[0], sides[1], f"{path}[{place}]")
    elif isinstance(before, set) and isinstance(after, set):
        for element in _sorted(before ^ after):
            gone = element in before
            yield Change(f"{path}{{{element!r}}}", element if gone else MISSING, MISSING if gone else element)
    elif isinstance(before, np.ndarray) and isinstance(after, np.ndarray) and _comparable(before, after):
        for index in _different(before, after):
            yield Change(f"{path}[{', '.join(map(str, index))}]", before[index].item(), after[index].item())
    elif not _equal(before, after):
        yield Change(path, before, after)


def _sorted(keys: Any) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:
        return sorted(keys, key=lambda key: (type(key).__name__, repr(key)))


def _comparable(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    return bool(before.shape == after.shape and before.dtype == after.dtype)


def _different(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Iterator[tuple[int, ...]]:
    """Indices of elements that differ; NaN is equal to NaN, as it is in the state's hash."""
    unequal = before != after
    if before.dtype.kind in "fc":
        unequal &= ~(np.isnan(before) & np.isnan(after))
    for place in np.argwhere(unequal):
        yield tuple(int(index) for index in place)


def _equal(before: Any, after: Any) -> bool:
    """Neither of them is an array, or their shapes or types differ; NaN is equal to NaN."""
    if isinstance(before, np.ndarray) or type(before) is not type(after):
        return False
    return bool(before == after or (before != before and after != after))


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, np.ndarray) else f"array of shape {value.shape}, {value.dtype}"
    return text if len(text) <= 200 else f"{text[:197]}..."


def jsonable(value: Any) -> Any:
    """A plain value (or any value that `plain` takes) as JSON holds it: keys as text, sets sorted, bytes in base64."""
    value = plain(value)
    if isinstance(value, dict):
        return {_key_text(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, set | frozenset):
        return [jsonable(one) for one in _sorted(value)]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, np.ndarray):
        if value.dtype.names:
            return [
                dict(zip(value.dtype.names, jsonable(list(row)), strict=True)) for row in value.reshape(-1).tolist()
            ]
        return jsonable(value.tolist())
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)


def _key_text(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(jsonable(list(key) if isinstance(key, tuple) else key))
