"""Runs messages through the native handlers and through their twin, with outputs in one form."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from processor.apps import exchange
from processor.layout import HEADER, REPLY
from processor.logic.bare import Bare

REJECTED = 0xFF02

Output = tuple[str, dict[str, Any]]


def slots_of(events: list[Any], first: int = 1) -> np.ndarray:
    """Slots (uint8, flat) of event objects, of the exchange or of its twin, with sequences from `first` on."""
    schema = exchange.app.schema
    slots = np.zeros((len(events), schema.slot_bytes), np.uint8)
    for at, event in enumerate(events):
        declared = schema.event_names[type(event).__name__]
        header = np.zeros((), HEADER)
        header["sequence"] = header["request"] = first + at
        header["session"] = 1
        header["type"] = declared.number
        header["length"] = declared.length
        slot = header.tobytes() + declared.pack(values_of(event))
        slots[at, : len(slot)] = np.frombuffer(slot, np.uint8)
    return slots.reshape(-1)


def values_of(message: Any) -> dict[str, Any]:
    return {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}


def replies(frames: bytes) -> list[list[Output]]:
    """The outputs in reply frames, a list for each request."""
    out: list[list[Output]] = []
    at = 0
    while at < len(frames):
        head = np.frombuffer(frames, REPLY, 1, at)[0]
        payload = frames[at + REPLY.itemsize : at + REPLY.itemsize + int(head["length"])]
        if head["index"] == 0:
            out.append([])
        assert head["index"] == len(out[-1])
        if head["type"] == REJECTED:
            out[-1].append(("reject", {"reason": payload.decode()}))
        else:
            declared = exchange.app.schema.outputs[int(head["type"])]
            values = declared.unpack(payload)
            assert declared.pack(values) == payload, "an output's padding is zero"
            out[-1].append((declared.name, values))
        at += REPLY.itemsize + -(-len(payload) // 8) * 8
        assert bool(head["flags"] & 1) == (at == len(frames) or np.frombuffer(frames, REPLY, 1, at)[0]["index"] == 0)
    return out


def native(events: list[Any], bare: Bare | None = None, first: int = 1) -> tuple[list[list[Output]], Bare]:
    """The outputs of each event from the native handlers, and what ran them."""
    bare = bare or Bare(exchange.app)
    bare.run(slots_of(events, first))
    return replies(bare.frames()), bare


class TwinContext:
    """A handler's context that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[Output] = []

    def emit(self, output: Any) -> None:
        self.said.append((type(output).__name__, values_of(output)))

    def reject(self, reason: str) -> None:
        assert not self.said
        self.said.append(("reject", {"reason": reason}))


def twin(events: list[Any], state: Any) -> list[list[Output]]:
    """The outputs of each event from the twin's handlers over this state."""
    from tests.exchange.twin import app

    out = []
    for event in events:
        ctx = TwinContext()
        app.handlers[app.schema.event_names[type(event).__name__].number](state, event, ctx)
        out.append(ctx.said)
    return out
