"""A journal's events as plain values, without the application: `processor journal dump`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from processor.journal.base import Journal
from processor.journal.records import Array, BlockRecord, records
from processor.layout import CONTROL_FIRST, CONTROL_NAMES, CONTROL_PAYLOADS, SLOT_HEADER_BYTES
from processor.schema import Schema

SEQUENCE_MAX = 2**64 - 1
CONTROL_SNAPSHOT = 0xFF03
SNAPSHOT_REASONS = {1: "every N events", 2: "every T seconds", 3: "command", 4: "shutdown"}

Fields = dict[str, Any]
Event = dict[str, Any]


def events(journal: Journal, first: int = 1, last: int = SEQUENCE_MAX) -> Iterator[list[Event]]:
    """The events from sequence `first` to `last`, in the log's order, a list for each block that has some.

    An event is a dict: offset (of its block), epoch ({"offset", "writer": hex}), sequence, timestamp (ns since 1970),
    session, request, type (its name, a control event's too), fields (by name; raw bytes as hex), void (true: counts for
    nobody). Void ones can stand anywhere behind, so the log is read to its end. Raises as `records`.
    """
    for record in records(journal):
        if isinstance(record, BlockRecord):
            sequences = record.headers["sequence"]
            rows = np.flatnonzero((sequences >= first) & (sequences <= last))
            if len(rows):
                yield _events_of(record, rows)


def type_name(number: int, schema: Schema | None) -> str:
    """What an event of this type is called; `type-N` when nobody knows."""
    if number in CONTROL_NAMES:
        return CONTROL_NAMES[number]
    if schema is not None and number in schema.events:
        return schema.events[number].name
    return f"type-{number}"


def _events_of(block: BlockRecord, rows: Array) -> list[Event]:
    headers = block.headers[rows]
    fields: list[Fields] = [{}] * len(rows)
    names: dict[int, str] = {}
    for number in np.unique(headers["type"]).tolist():
        names[number] = type_name(number, block.schema)
        mine = np.flatnonzero(headers["type"] == number)
        for at, values in zip(mine.tolist(), _fields(block, number, rows[mine], headers["length"][mine]), strict=True):
            fields[at] = values
    epoch = {"offset": block.epoch_offset, "writer": f"{block.epoch_writer:016x}"}
    return [
        {
            "offset": block.offset, "epoch": epoch, "sequence": sequence, "timestamp": timestamp, "session": session,
            "request": request, "type": names[number], "fields": values, "void": block.void,
        }
        for (sequence, timestamp, session, number, _, request), values in zip(headers.tolist(), fields, strict=True)
    ]  # fmt: skip


def _fields(block: BlockRecord, number: int, rows: Array, lengths: Array) -> list[Fields]:
    """The payloads of events of one type, decoded; {"payload": hex} where the schema does not fit."""
    room = block.slot_bytes - SLOT_HEADER_BYTES
    message = block.schema.events.get(number) if block.schema is not None and number < CONTROL_FIRST else None
    if message is not None and message.length <= room and bool((lengths == message.length).all()):
        return [_readable(values) for values in message.unpack_many(_payloads(block, message.dtype, rows))]
    control = CONTROL_PAYLOADS.get(number)
    if control is not None and control.itemsize <= room:
        return [_control(number, values) for values in _columns(_payloads(block, control, rows))]
    starts = rows * block.slot_bytes + SLOT_HEADER_BYTES
    used = np.minimum(lengths, room)
    return [
        {"payload": block.slots[start : start + length].hex()}
        for start, length in zip(starts.tolist(), used.tolist(), strict=True)
    ]


def _payloads(block: BlockRecord, dtype: np.dtype[Any], rows: Array) -> Array:
    if dtype.itemsize == 0:
        return np.zeros(len(rows), dtype)
    return np.ndarray(len(block.headers), dtype, block.slots, SLOT_HEADER_BYTES, (block.slot_bytes,))[rows]


def _columns(table: Array) -> list[Fields]:
    names = [name for name in table.dtype.names or () if name != "reserved"]
    return [dict(zip(names, row, strict=True)) for row in zip(*(table[name].tolist() for name in names), strict=True)]


def _readable(values: Fields) -> Fields:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}


def _control(number: int, values: Fields) -> Fields:
    """Tokens and hashes as hex, as everywhere else; a snapshot's reason in words."""
    if number == CONTROL_SNAPSHOT:
        values["reason"] = SNAPSHOT_REASONS.get(values["reason"], str(values["reason"]))
    if "sessions" in values:
        values["sessions"] = f"{values['sessions']:016x}"
    return _readable(values)
