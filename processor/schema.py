"""What an application's events and outputs are called and how their payloads lie in memory; and the schema's
fingerprint.

A payload is the fields in the order of their declaration, aligned as a C compiler would align them, so that native
handlers read it as a struct. The fingerprint is 64 bits of BLAKE2b over the canonical JSON of the schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from processor.errors import SchemaMismatch, WrongUse
from processor.fields import FieldType, field_type_of_code
from processor.layout import CONTROL_FIRST, HEADER, SLOT_BYTES_MIN, SLOT_HEADER_BYTES

RUN_HEADER_FIELDS = ("sequence", "timestamp", "session", "request")


class Message:
    """One type of event or output: number, name, fields, and the NumPy dtype of its payload."""

    def __init__(self, number: int, name: str, fields: Mapping[str, FieldType]) -> None:
        if not 1 <= number < CONTROL_FIRST:
            raise WrongUse(f"{name}: a type number is from 1 to {CONTROL_FIRST - 1}, not {number}")
        self.number = number
        self.name = name
        self.fields = dict(fields)
        self.dtype = np.dtype([(key, kind.dtype) for key, kind in self.fields.items()], align=True)
        self.length = self.dtype.itemsize
        if self.length > 65_535:
            raise WrongUse(f"{name}: a payload has at most 65535 bytes, this one has {self.length}")

    def pack(self, values: Mapping[str, Any]) -> bytes:
        """The payload of these values; raises WrongUse for a missing, unknown or unfitting one."""
        if values.keys() != self.fields.keys():
            raise WrongUse(f"{self.name} has the fields {', '.join(self.fields)}; got {', '.join(values) or 'none'}")
        record = np.zeros((), self.dtype)
        for key, kind in self.fields.items():
            record[key] = self._checked(key, kind, values[key])
        return record.tobytes()

    def _checked(self, key: str, kind: FieldType, value: Any) -> Any:
        """The value as its field takes it; raises WrongUse for one that does not fit."""
        if kind.dtype.kind in "SV":
            return self._checked_bytes(key, kind, value)
        bounds = kind.bounds
        try:
            number = int(value) if bounds is not None else float(value)
            fits = bounds is None or (number == value and bounds[0] <= number <= bounds[1])
        except (TypeError, ValueError, OverflowError):
            fits = False
        if not fits:
            limits = f", from {bounds[0]} to {bounds[1]}" if bounds is not None else ""
            raise WrongUse(f"{self.name}.{key} is {kind.code}{limits}; got {value!r}")
        return number

    def _checked_bytes(self, key: str, kind: FieldType, value: Any) -> bytes:
        if kind.text and isinstance(value, str):
            try:
                value = value.encode()
            except UnicodeEncodeError as error:
                raise WrongUse(f"{self.name}.{key} is {kind.code}, in UTF-8; got {value!r} ({error.reason})") from error
        if not isinstance(value, (bytes, bytearray, memoryview, np.void)):
            raise WrongUse(f"{self.name}.{key} is {kind.code}: {'text or ' if kind.text else ''}bytes; got {value!r}")
        data = value.tobytes() if isinstance(value, np.void) else bytes(value)
        if kind.text and b"\0" in data:
            raise WrongUse(f"{self.name}.{key} is {kind.code}: a zero byte cannot be part of it")
        if len(data) > kind.dtype.itemsize:
            raise WrongUse(f"{self.name}.{key} is {kind.code}; got {len(data)} bytes")
        return data.ljust(kind.dtype.itemsize, b"\0") if kind.dtype.kind == "V" else data

    def unpack(self, payload: bytes | memoryview) -> dict[str, Any]:
        """The payload's values by field name: int, float, str (text) or bytes (raw)."""
        record = np.frombuffer(payload, self.dtype, 1)[0]
        out: dict[str, Any] = {}
        for key, kind in self.fields.items():
            value = record[key]
            if kind.text:
                out[key] = bytes(value).decode(errors="replace")
            elif kind.dtype.kind == "V":
                out[key] = value.tobytes()
            else:
                out[key] = value.item()
        return out

    def unpack_many(self, payloads: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        """The values of many payloads, shape (n,), this message's dtype; each as `unpack` gives them."""
        if not self.fields:
            return [{} for _ in range(len(payloads))]
        columns = []
        for key, kind in self.fields.items():
            column = payloads[key].tolist()
            columns.append([value.decode(errors="replace") for value in column] if kind.text else column)
        return [dict(zip(self.fields, row, strict=True)) for row in zip(*columns, strict=True)]

    def describe(self) -> dict[str, Any]:
        return {"number": self.number, "name": self.name, "fields": [[k, v.code] for k, v in self.fields.items()]}


class Schema:
    """All event and output types of an application, by number and by name."""

    def __init__(self, application: str, events: Iterable[Message], outputs: Iterable[Message]) -> None:
        self.application = application
        self.events = {message.number: message for message in events}
        self.outputs = {message.number: message for message in outputs}
        self.event_names = {message.name: message for message in self.events.values()}
        self.output_names = {message.name: message for message in self.outputs.values()}
        longest = max((message.length for message in self.events.values()), default=0)
        self.slot_bytes = max(SLOT_BYTES_MIN, -(-(SLOT_HEADER_BYTES + longest) // 8) * 8)
        self.text = json.dumps(self.describe(), sort_keys=True, separators=(",", ":"))
        self.fingerprint = int.from_bytes(hashlib.blake2b(self.text.encode(), digest_size=8).digest(), "little")

    def describe(self) -> dict[str, Any]:
        return {
            "application": self.application,
            "events": [self.events[number].describe() for number in sorted(self.events)],
            "outputs": [self.outputs[number].describe() for number in sorted(self.outputs)],
        }

    @classmethod
    def parse(cls, text: str | bytes) -> Schema:
        """The schema of a claim or a welcome; raises SchemaMismatch when the text is none."""
        try:
            value = json.loads(text)
            events, outputs = (
                [
                    Message(m["number"], m["name"], {k: field_type_of_code(c) for k, c in m["fields"]})
                    for m in value[part]
                ]
                for part in ("events", "outputs")
            )
            return cls(value["application"], events, outputs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SchemaMismatch(f"this is no schema: {error}") from error

    def lengths(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Shape (65536,), int32: the payload's length of each event type, -1 for types that do not exist."""
        table = np.full(65_536, -1, np.int32)
        for message in self.events.values():
            table[message.number] = message.length
        return table

    def slot_dtype(self, event: Message) -> np.dtype[Any]:
        """A whole slot of this event: the header's fields, `payload` with the event's, padding up to slot_bytes."""
        assert HEADER.names is not None and HEADER.fields is not None
        names = [*HEADER.names, "payload"]
        formats = [*(HEADER[name] for name in HEADER.names), event.dtype]
        offsets = [*(HEADER.fields[name][1] for name in HEADER.names), SLOT_HEADER_BYTES]
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.slot_bytes})

    def run_dtype(self, event: Message) -> np.dtype[Any]:
        """A whole slot of this event as NumPy handlers see it: `sequence`, `timestamp`, `session`, `request` and the
        event's fields.

        A field of the event hides one of the header with the same name.
        """
        header: Mapping[str, Any] = HEADER.fields or {}
        fields: Mapping[str, Any] = event.dtype.fields or {}
        places = {name: (header[name][0], header[name][1]) for name in RUN_HEADER_FIELDS}
        places |= {name: (fields[name][0], SLOT_HEADER_BYTES + fields[name][1]) for name in event.fields}
        names = sorted(places, key=lambda name: places[name][1])
        return np.dtype(
            {
                "names": names,
                "formats": [places[name][0] for name in names],
                "offsets": [places[name][1] for name in names],
                "itemsize": self.slot_bytes,
            }
        )
