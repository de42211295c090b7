"""Events as people write them, made into types and payload bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from processor.app import App
from processor.errors import WrongUse
from processor.fields import FieldType
from processor.schema import Message, Schema


def check_column(name: str, kind: FieldType, values: np.ndarray[Any, Any]) -> None:
    """Raises WrongUse unless every value fits the field: nothing is cut or wrapped around on the way."""
    given, wanted = values.dtype, kind.dtype
    if np.can_cast(given, wanted, "safe"):
        return
    bounds = kind.bounds
    if bounds is not None and given.kind in "iu":
        wrong = np.flatnonzero((values < bounds[0]) | (values > bounds[1]))
        if len(wrong):
            raise WrongUse(
                f"{name} is {kind.code}, from {bounds[0]} to {bounds[1]}; got {values[wrong[0]]} at index {wrong[0]}"
            )
    elif given.kind == wanted.kind == "S":
        wrong = np.flatnonzero(np.strings.str_len(values) > wanted.itemsize)
        if len(wrong):
            raise WrongUse(f"{name} is {kind.code}; got {len(values[wrong[0]])} bytes at index {wrong[0]}")
    else:
        raise WrongUse(f"{name} is {kind.code} ({wanted}); got an array of {given}")


class Encoder:
    """Knows the service's schema, and the application's classes when it is known."""

    def __init__(self, schema: Schema, app: App | None) -> None:
        self._schema = schema
        self._app = app

    def output_classes(self) -> dict[int, Callable[..., Any]]:
        """The application's output classes by number; empty without an application."""
        if self._app is None:
            return {}
        return {message.number: cls for cls, message in self._app.output_classes().items()}

    def event(self, event: Any) -> tuple[int, bytes]:
        """(type, payload) of an event class's instance, or of (name, {field: value}); raises WrongUse for others."""
        if isinstance(event, tuple) and len(event) == 2:
            message, values = self._message(event[0]), event[1]
        else:
            message = self._message(type(event))
            values = {name: getattr(event, name) for name in message.fields}
        return message.number, message.pack(values)

    def array(self, event: Any, payloads: np.ndarray[Any, Any]) -> tuple[int, np.ndarray[Any, np.dtype[np.uint8]]]:
        """(type, payload bytes of shape (n, length)) of a structured array with the event's fields."""
        message = self._message(event)
        if payloads.ndim != 1 or payloads.dtype.names != message.dtype.names:
            raise WrongUse(
                f"{message.name} takes an array of shape (n,) with the fields {', '.join(message.fields)}; "
                f"got shape {payloads.shape}, dtype {payloads.dtype}"
            )
        if message.length == 0:
            return message.number, np.zeros((len(payloads), 0), np.uint8)
        # Padding between fields is journaled, too: it must be zero, whatever the caller's array has there.
        packed = np.zeros(len(payloads), message.dtype)
        for name, kind in message.fields.items():
            check_column(f"{message.name}.{name}", kind, payloads[name])
            packed[name] = payloads[name]
        return message.number, packed.view(np.uint8).reshape(len(packed), message.length)

    def slots(self, slots: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Whole slots as bytes, shape (n, slot_bytes)."""
        size = self._schema.slot_bytes
        if slots.ndim == 1 and slots.dtype.itemsize == size:
            slots = np.ascontiguousarray(slots).view(np.uint8).reshape(len(slots), size)
        if slots.ndim != 2 or slots.shape[1] != size or slots.dtype != np.uint8:
            raise WrongUse(f"slots here have {size} bytes each; got shape {slots.shape}, dtype {slots.dtype}")
        return np.ascontiguousarray(slots)

    def _message(self, event: Any) -> Message:
        if isinstance(event, str):
            if event not in self._schema.event_names:
                known = ", ".join(self._schema.event_names)
                raise WrongUse(f"{self._schema.application} has no event {event!r}; it has {known}")
            return self._schema.event_names[event]
        if self._app is None:
            raise WrongUse(
                f"a client without an application takes (name, {{field: value}}), not {event!r}: or make it with one"
            )
        message = self._app.message_of(event)
        if self._schema.events.get(message.number) is not message:
            raise WrongUse(f"{message.name} is an output, not an event")
        return message
