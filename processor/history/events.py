"""Slots and reply frames as named fields: what a replay shows of events and of outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from processor.history.plain import jsonable
from processor.layout import (
    CONTROL_FIRST,
    CONTROL_NAMES,
    CONTROL_PAYLOADS,
    HEADER,
    REPLY,
    REPLY_NAMES,
    SLOT_HEADER_BYTES,
)
from processor.schema import Schema

REPLY_DONE = 0xFF01
REPLY_REJECTED = 0xFF02


def _shown(name: str, fields: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in fields.items())})"


@dataclass(frozen=True)
class PastEvent:
    """An event of the journal: its header, its type's name, its fields. Control events have those of layout.pxd."""

    sequence: int
    timestamp: int
    session: int
    request: int
    name: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return _shown(self.name, self.fields)

    def as_json(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "timestamp": self.timestamp,
            "session": self.session,
            "request": self.request,
            "type": self.name,
            "event": jsonable(self.fields),
        }


@dataclass(frozen=True)
class PastOutput:
    """What the logic said about the event `sequence`: the `index`-th output. A refusal is `rejected`, with its
    `reason`.
    """

    sequence: int
    timestamp: int
    index: int
    request: int
    name: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return _shown(self.name, self.fields)

    def as_json(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "timestamp": self.timestamp,
            "index": self.index,
            "request": self.request,
            "type": self.name,
            "output": jsonable(self.fields),
        }


def event_of(schema: Schema, slot: bytes) -> PastEvent:
    """The event in a slot; an unknown type keeps its payload as bytes."""
    head = np.frombuffer(slot, HEADER, 1)[0]
    kind, length = int(head["type"]), int(head["length"])
    payload = slot[SLOT_HEADER_BYTES:]
    if kind >= CONTROL_FIRST:
        name = CONTROL_NAMES.get(kind, f"control {kind:#x}")
        fields: dict[str, Any] = {"payload": payload[:length]}
        if kind in CONTROL_PAYLOADS:
            dtype = CONTROL_PAYLOADS[kind]
            row = np.frombuffer(payload, dtype, 1)[0]
            fields = {
                key: row[key].tobytes() if dtype[key].kind == "V" else row[key].item()
                for key in dtype.names or ()
                if key != "reserved"
            }
    elif kind in schema.events:
        message = schema.events[kind]
        name, fields = message.name, message.unpack(payload[: message.length])
    else:
        name, fields = f"type {kind}", {"payload": payload[:length]}
    return PastEvent(
        int(head["sequence"]), int(head["timestamp"]), int(head["session"]), int(head["request"]), name, fields
    )


def outputs_of(schema: Schema, frames: bytes) -> Iterator[PastOutput]:
    """The outputs in reply frames; what the processor itself says (that an event was applied in silence) is left
    out.
    """
    at = 0
    while at < len(frames):
        head = np.frombuffer(frames, REPLY, 1, at)[0]
        kind, length = int(head["type"]), int(head["length"])
        payload = frames[at + REPLY.itemsize : at + REPLY.itemsize + length]
        at += REPLY.itemsize + (length + 7) // 8 * 8
        if kind == REPLY_REJECTED:
            name = "rejected"
            fields: dict[str, Any] = {"reason": payload.decode(errors="replace")}
        elif kind >= CONTROL_FIRST:
            if kind == REPLY_DONE:
                continue
            name, fields = REPLY_NAMES.get(kind, f"reply {kind:#x}"), {"payload": payload}
        else:
            message = schema.outputs[kind]
            name, fields = message.name, message.unpack(payload)
        yield PastOutput(
            int(head["sequence"]), int(head["timestamp"]), int(head["index"]), int(head["request"]), name, fields
        )
