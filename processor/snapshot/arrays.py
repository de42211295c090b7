"""NumPy arrays and native states in a snapshot: type and shape in the tree, the bytes beside it, piece by piece.

Canonical: C order, little-endian, one NaN, zeros in the holes of aligned records. An array that is all of this
already is handed over as it lies in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from processor.logic.native import NativeState
from processor.snapshot.scalars import Coder
from processor.snapshot.walk import Misfit, Reading, Writing

PIECE_BYTES = 1 << 20  # stays in the processor's cache while it is checked, hashed and written
KINDS = "biufcSUVmM"

Array = np.ndarray[Any, np.dtype[Any]]


def describe(dtype: np.dtype[Any]) -> Any:
    """A dtype as lists and strings: "<i8", ["array", of, shape] or ["record", itemsize, [[name, offset, of], ...]].

    Raises Misfit for types whose bytes mean nothing elsewhere: objects and the machine's long double.
    """
    if dtype.itemsize == 0:
        raise Misfit(f"is an array of {dtype}, whose elements have no bytes")
    if dtype.subdtype is not None:
        return ["array", describe(dtype.subdtype[0]), list(dtype.subdtype[1])]
    if dtype.fields is not None:
        fields = [[name, dtype.fields[name][1], describe(dtype.fields[name][0])] for name in dtype.names or ()]
        return ["record", dtype.itemsize, fields]
    if dtype.kind not in KINDS or dtype.char in "gG":
        raise Misfit(f"is an array of {dtype}: a snapshot takes numbers, dates, fixed text and records of them")
    return dtype.newbyteorder("<").str


def parse(wire: Any) -> np.dtype[Any]:
    """The dtype of a description; raises Misfit for anything else."""
    try:
        dtype = _parse(wire)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError, SyntaxError) as error:
        raise Misfit(f"the snapshot holds {wire!r:.60}, which is no dtype: {error}") from None
    if dtype.hasobject or dtype.itemsize == 0:
        raise Misfit(f"the snapshot holds the dtype {dtype}, which no snapshot can hold")
    return dtype


def _parse(wire: Any) -> np.dtype[Any]:
    if type(wire) is str and len(wire) < 40:
        return np.dtype(wire)
    kind, *rest = wire
    if kind == "array":
        of, shape = rest
        return np.dtype((_parse(of), tuple(shape)))
    if kind != "record":
        raise ValueError("neither an array nor a record")
    itemsize, fields = rest
    names, offsets, formats = ([field[i] for field in fields] for i in (0, 1, 2))
    spec = {"names": names, "offsets": offsets, "formats": [_parse(of) for of in formats], "itemsize": itemsize}
    return np.dtype(spec)  # type: ignore[call-overload, no-any-return]


def _floats(part: Array) -> Iterator[Array]:
    """Views of everything in it that can be NaN."""
    if part.dtype.names:
        for name in part.dtype.names:
            yield from _floats(part[name])
    elif part.dtype.kind == "f":
        yield part
    elif part.dtype.kind == "c":
        yield part.real
        yield part.imag


def _has_holes(dtype: np.dtype[Any]) -> bool:
    if dtype.subdtype is not None:
        return _has_holes(dtype.subdtype[0])
    if dtype.fields is None:
        return False
    kinds = [dtype.fields[name][0] for name in dtype.names or ()]
    return sum(kind.itemsize for kind in kinds) != dtype.itemsize or any(map(_has_holes, kinds))


def _fill(into: Array, part: Array) -> None:
    if part.dtype.names:
        for name in part.dtype.names:
            _fill(into[name], part[name])
    else:
        into[...] = part


def _canonical(part: Array, little: np.dtype[Any], holes: bool) -> Array:
    """The part itself if its bytes are canonical, else a copy that is."""
    if part.dtype == little and not holes and not any(np.isnan(view).any() for view in _floats(part)):
        return part
    fresh = np.zeros(part.shape, little)
    _fill(fresh, part)
    for view in _floats(fresh):
        view[np.isnan(view)] = np.nan
    return fresh


class ArrayBytes:
    """The canonical bytes of an array."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.nbytes = int(array.nbytes)

    def chunks(self) -> Iterator[memoryview]:
        if not self.nbytes:
            return
        flat = np.ascontiguousarray(self.array).reshape(-1)
        little = flat.dtype.newbyteorder("<")
        holes = _has_holes(little)
        rows = max(1, PIECE_BYTES // flat.dtype.itemsize)
        for first in range(0, len(flat), rows):
            yield _canonical(flat[first : first + rows], little, holes).view(np.uint8).data


class Bytes:
    """Bytes that are canonical already."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self.nbytes = len(data)

    def chunks(self) -> Iterator[memoryview]:
        for first in range(0, self.nbytes, PIECE_BYTES):
            yield self.data[first : first + PIECE_BYTES]


class ArrayCoder(Coder):
    """[dtype, shape, offset among the raw bytes]. `dtype`: the declared one, or None for any."""

    def __init__(self, dtype: np.dtype[Any] | None) -> None:
        if dtype is not None:
            describe(dtype)
        super().__init__(np.ndarray, "ndarray" if dtype is None else f"ndarray[{describe(dtype)}]")
        self.dtype = dtype

    def wire(self, value: Any, walk: Writing) -> Any:
        self.check(value)
        walk.once(value)
        if self.dtype is not None and value.dtype != self.dtype:
            raise Misfit(f"is declared {self.text}, but holds an array of {value.dtype}")
        return [describe(value.dtype), list(value.shape), walk.put(ArrayBytes(value))]

    def value(self, wire: Any, walk: Reading) -> Any:
        described, shape, offset = self.listed(wire, 3)
        dtype = parse(described)
        if self.dtype is not None:
            if dtype != self.dtype.newbyteorder("<"):
                raise Misfit(f"is declared {self.text}, but the snapshot holds an array of {dtype}")
            dtype = self.dtype.newbyteorder("<")
        if not all(type(length) is int and length >= 0 for length in self.listed(shape)):
            raise Misfit(f"the snapshot holds an array of shape {shape!r:.60}")
        raw = walk.get(offset, math.prod(shape) * dtype.itemsize)
        try:
            made = np.empty(shape, dtype)
        except ValueError as error:
            raise Misfit(f"the snapshot holds an array of shape {shape!r:.60}: {error}") from None
        if made.nbytes:
            made.reshape(-1).view(np.uint8)[:] = np.frombuffer(raw, np.uint8)
        return made if self.dtype is None else made.astype(self.dtype, copy=False)


class NativeCoder(Coder):
    """A NativeState inside of a dataclass: [offset among the raw bytes, length]."""

    def wire(self, value: Any, walk: Writing) -> Any:
        self.check(value)
        walk.once(value)
        export = value.export()
        return [walk.put(Bytes(export)), len(export)]

    def value(self, wire: Any, walk: Reading) -> Any:
        offset, length = self.listed(wire, 2)
        if type(length) is not int or length < 0:
            raise Misfit(f"the snapshot holds an export of {length!r:.60} bytes")
        return load_native(self.python, walk.get(offset, length))


def load_native(kind: type[NativeState], data: memoryview) -> NativeState:
    """A fresh native state from its export; raises Misfit when that is none."""
    made = kind()
    try:
        made.load(bytes(data))
    except ValueError as error:
        raise Misfit(f"is no export of a {kind.__name__}: {error}") from error
    return made
