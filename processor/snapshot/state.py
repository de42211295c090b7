"""A state to bytes and back, without executing anything on load; and its hash.

A dataclass is written as

    | u64 bytes of the tree | tree: MessagePack [description of the type, value] | raw bytes of arrays, native states |

and a NativeState as its export. The canonical form is the same for equal states whatever their history: dicts and
sets are sorted by key. With `ordered`, dicts keep their order of insertion instead, since a handler may iterate over
one: a snapshot holds that form, so that a recovered state behaves as the one it was taken from. Hashes are over the
canonical form. A set has no order that could be kept: a handler that iterates over one must sort it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import numpy as np

from processor.errors import SnapshotError
from processor.logic.native import NativeState
from processor.snapshot.arrays import Bytes, load_native
from processor.snapshot.plan import Plan
from processor.snapshot.walk import Chunked, Misfit, Reading, Writing

STATE_HASH_BYTES = 16

State = TypeVar("State")


class Export:
    """An encoded state: iterate over its pieces (memoryviews of at most about 1 MiB), or take bytes() of it.

    It refers to the arrays of the state: use it before they change. `canonical`: its bytes are the canonical form.
    """

    def __init__(self, parts: list[Chunked], canonical: bool) -> None:
        self._parts = parts
        self.nbytes = sum(part.nbytes for part in parts)
        self.canonical = canonical

    def __iter__(self) -> Iterator[memoryview]:
        for part in self._parts:
            yield from part.chunks()

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def __len__(self) -> int:
        return self.nbytes

    def hash(self) -> bytes:
        """16 bytes of BLAKE2b over it."""
        digest = hashlib.blake2b(digest_size=STATE_HASH_BYTES)
        for piece in self:
            digest.update(piece)
        return digest.digest()


_PLANS: dict[type, Plan] = {}


def _plan(state_type: type) -> Plan:
    if state_type not in _PLANS:
        _PLANS[state_type] = Plan(state_type)
    return _PLANS[state_type]


def check_state_type(state_type: type) -> None:
    """Raises WrongUse, naming the field, unless states of this type can be written to a snapshot."""
    if not issubclass(state_type, NativeState):
        _plan(state_type)


def encode_state(state: Any, *, ordered: bool = False) -> Export:
    """The canonical form of a state (a dataclass or a NativeState), or the one that keeps the order of dicts.

    Raises SnapshotError for a value that is not as declared, and OverflowError for an integer out of its range (i64 for
    `int`), both naming the field; WrongUse for a type that cannot be in a snapshot.
    """
    if isinstance(state, NativeState):
        return Export([Bytes(state.export())], canonical=True)
    plan = _plan(type(state))
    walk = Writing(ordered)
    name = type(state).__name__
    try:
        tree = msgspec.msgpack.encode([plan.text, plan.root.wire(state, walk)])
    except Misfit as misfit:
        text = f"{misfit.where(name)} {misfit.text}"
        raise (OverflowError if misfit.overflow else SnapshotError)(text) from None
    except UnicodeEncodeError as error:
        raise SnapshotError(f"{name} holds a str that is no Unicode text: {error}") from None
    except RecursionError:
        raise SnapshotError(f"{name} is nested too deeply for a snapshot: refer to what is inside by key") from None
    head = len(tree).to_bytes(8, "little") + tree
    return Export([Bytes(head), *walk.blobs], walk.canonical)


def decode_state(state_type: type[State], data: bytes | bytearray | memoryview) -> State:
    """The state that encode_state wrote, of either form. Calls no __init__ and no __post_init__ of dataclasses.

    Raises SnapshotError, naming the field, for data that is no such state.
    """
    view = memoryview(data).cast("B")
    name = state_type.__name__
    try:
        if issubclass(state_type, NativeState):
            return load_native(state_type, view)  # type: ignore[return-value]
        return _decoded(state_type, view)
    except Misfit as misfit:
        raise SnapshotError(f"{misfit.where(name)} {misfit.text}") from misfit.__cause__
    except RecursionError:
        raise SnapshotError(f"{name}: the snapshot is nested too deeply") from None


def _decoded(state_type: type[State], view: memoryview) -> State:
    plan = _plan(state_type)
    length = int.from_bytes(view[:8], "little")
    if len(view) < 8 or length > len(view) - 8:
        raise Misfit(f"cannot be read: {len(view)} bytes are there, {8 + length} are needed")
    try:
        text, wire = msgspec.msgpack.decode(view[8 : 8 + length], type=tuple[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misfit(f"cannot be read: {error}") from None
    if text != plan.text:
        raise Misfit(
            f"is now declared as {plan.text}, but the snapshot was written when it was {text}: "
            "run the version that wrote it, or rebuild from the first event without snapshots"
        )
    state: State = plan.root.value(wire, Reading(view[8 + length :]))
    _check_arrays(state_type, state)
    return state


def _check_arrays(state_type: type, state: Any) -> None:
    """Arrays whose dtype is not in the annotation must be of the dtype that a fresh state has there."""
    loose = [key for key, coder in _plan(state_type).root.fields.items() if coder.text == "ndarray"]
    if not loose:
        return
    fresh = state_type()
    for key in loose:
        wanted, found = getattr(fresh, key, None), getattr(state, key)
        if isinstance(wanted, np.ndarray) and wanted.dtype.newbyteorder("<") != found.dtype:
            text = f"is now an array of {wanted.dtype}, but the snapshot holds one of {found.dtype}"
            raise Misfit(text).inside(f".{key}")


def state_hash(state: Any) -> bytes:
    """16 bytes: BLAKE2b over the canonical form of the state. Raises as encode_state does."""
    return encode_state(state).hash()
