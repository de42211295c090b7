"""From the annotations of a state to the coders of its values; what cannot be in a snapshot is refused at once."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections import OrderedDict, defaultdict, deque
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

from processor.errors import WrongUse
from processor.fields import FieldType
from processor.logic.native import NativeState
from processor.snapshot.arrays import ArrayCoder, NativeCoder
from processor.snapshot.coders import (
    MapCoder,
    OptionalCoder,
    RecordCoder,
    SequenceCoder,
    TupleCoder,
    UnionCoder,
)
from processor.snapshot.scalars import I64, Coder, EnumCoder, Scalar
from processor.snapshot.walk import Misfit

KNOWN = (
    "int, float, str, bytes, bool, None, the types of processor.fields, enums, dataclasses, list, tuple, set, "
    "frozenset, dict, defaultdict, OrderedDict, deque, unions, NumPy arrays and native states"
)


class Plan:
    """The coders of one state type. `text` describes it and everything in it: it tells snapshots of others apart."""

    def __init__(self, state_type: type) -> None:
        self._records: dict[tuple[type, bool], RecordCoder] = {}
        self._where = [state_type.__name__]
        if not dataclasses.is_dataclass(state_type):
            raise WrongUse(f"a state is a dataclass or a NativeState, not {state_type!r}")
        self.root = self._record(state_type, key=False)
        self.text = ";".join(
            f"{record.text}{{{','.join(f'{name}:{coder.text}' for name, coder in record.fields.items())}}}"
            for record in self._records.values()
        )

    def _refused(self, what: str) -> WrongUse:
        return WrongUse(f"{'.'.join(self._where)}: {what}")

    def _coder(self, hint: Any, key: bool) -> Coder:
        """The coder of an annotation; `key`: of the keys of a dict or the elements of a set, which must be hashable."""
        coder = self._annotated(hint, key) if get_origin(hint) is Annotated else self._made(hint, key)
        if key and not coder.hashable:
            raise self._refused(f"{coder.text} can be neither a key nor an element of a set: it can change")
        return coder

    def _made(self, hint: Any, key: bool) -> Coder:
        origin, arguments = get_origin(hint) or hint, get_args(hint)
        if hint is None or hint is type(None):
            return Scalar(type(None), "None")
        if hint is int:
            return Scalar(int, "int", I64)
        if hint in (float, str, bytes, bool):
            return Scalar(hint, hint.__name__, key=key)
        if origin in (Union, types.UnionType):
            return self._union(arguments, key)
        if origin in (list, set, frozenset, deque) and len(arguments) == 1:
            return SequenceCoder(origin, self._coder(arguments[0], key or origin in (set, frozenset)))
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return SequenceCoder(tuple, self._coder(arguments[0], key))
        if origin is tuple and arguments:
            return TupleCoder([self._coder(argument, key) for argument in arguments])
        if origin in (dict, defaultdict, OrderedDict) and len(arguments) == 2:
            return MapCoder(origin, self._coder(arguments[0], True), self._coder(arguments[1], key))
        if origin is np.ndarray:
            return self._array(arguments)
        if isinstance(hint, type):
            if issubclass(hint, enum.Enum) and not issubclass(hint, enum.Flag):
                return EnumCoder(hint, hint.__name__)
            if issubclass(hint, NativeState):
                return NativeCoder(hint, hint.__name__)
            if dataclasses.is_dataclass(hint):
                return self._record(hint, key)
        if hint in (list, set, frozenset, deque, tuple, dict, defaultdict, OrderedDict):
            raise self._refused(f"say what the {hint.__name__} holds, for example dict[int, str] or list[int]")
        raise self._refused(f"{hint!r} cannot be in a snapshot: use {KNOWN}")

    def _annotated(self, hint: Any, key: bool) -> Coder:
        inner, *extras = get_args(hint)
        for extra in extras:
            if isinstance(extra, FieldType) and inner in (int, float, str, bytes):
                size = None if inner is float else (0, extra.dtype.itemsize)
                return Scalar(inner, extra.code, extra.bounds if inner is int else size, key)
            if isinstance(extra, np.dtype) and (get_origin(inner) or inner) is np.ndarray:
                return self._array_of(extra)
        return self._coder(inner, key)

    def _union(self, arguments: tuple[Any, ...], key: bool) -> Coder:
        members = [self._coder(argument, key) for argument in arguments if argument is not type(None)]
        kinds = {member.python for member in members}
        if len(kinds) != len(members) or object in kinds:
            raise self._refused("the members of a union must be of different classes")
        coder = members[0] if len(members) == 1 else UnionCoder(members)
        return OptionalCoder(coder) if type(None) in arguments else coder

    def _array(self, arguments: tuple[Any, ...]) -> Coder:
        scalars = get_args(arguments[1]) if len(arguments) == 2 else ()
        if not scalars or not isinstance(scalars[0], type) or issubclass(scalars[0], np.void):
            return ArrayCoder(None)
        return self._array_of(np.dtype(scalars[0]))

    def _array_of(self, dtype: np.dtype[Any]) -> Coder:
        try:
            return ArrayCoder(dtype)
        except Misfit as misfit:
            raise self._refused(misfit.text) from None

    def _record(self, kind: type, key: bool) -> RecordCoder:
        known = self._records.get((kind, key))
        if known is not None:
            return known
        frozen = bool(kind.__dataclass_params__.frozen)  # type: ignore[attr-defined]
        record = self._records[kind, key] = RecordCoder(kind, frozen)
        try:
            hints = typing.get_type_hints(kind, None, {kind.__name__: kind}, include_extras=True)
        except NameError as error:
            raise self._refused(f"the annotations of {kind.__name__}: {error}; declare it at module level") from None
        for field in dataclasses.fields(kind):
            self._where.append(field.name)
            record.fields[field.name] = self._coder(hints[field.name], key)
            self._where.pop()
        return record
