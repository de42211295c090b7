"""Answers as people see them, made of reply frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from processor.client.wire import split
from processor.errors import ClientError
from processor.layout import REPLY_LAST, REPLY_REPEATED
from processor.schema import Schema

REPLY_DONE = 0xFF01
REPLY_REJECTED = 0xFF02
REPLY_TOO_OLD = 0xFF03
REPLY_GAP = 0xFF04
REPLY_OUTPUTS_GONE = 0xFF05

APPLIED = "applied"
REJECTED = "rejected"
OUTPUTS_GONE = "applied, outputs no longer kept"


@dataclass(frozen=True)
class Output:
    """An output as a client without the application sees it: its type's name and its fields by name."""

    type: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the service said to one request; iterating over it gives its outputs.

    `sequence` and `timestamp` (ns since the epoch) are those of the event; `rejected` is the reason, when it was;
    `status` is "applied", "rejected" or "applied, outputs no longer kept"; `repeated` tells that it is the stored
    answer, sent again.
    """

    request: int
    sequence: int
    timestamp: int
    outputs: list[Any] = field(default_factory=list)
    rejected: str | None = None
    status: str = APPLIED
    repeated: bool = False

    def __iter__(self) -> Iterator[Any]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)


class Decoder:
    """Makes answers of whole reply frames. `classes`: the application's output classes by number, if it is known."""

    def __init__(self, schema: Schema, classes: dict[int, Callable[..., Any]]) -> None:
        self._schema = schema
        self._classes = classes

    def answers(self, frames: bytes) -> Iterator[Answer | ClientError]:
        """One item a request, in order; a ClientError for a request that the service refused as too old or as a gap."""
        outputs: list[Any] = []
        for sequence, timestamp, _index, flags, kind, request, payload in split(frames):
            rejected, status = None, APPLIED
            error = None
            if kind == REPLY_REJECTED:
                rejected, status = payload.decode(errors="replace"), REJECTED
            elif kind == REPLY_OUTPUTS_GONE:
                status = OUTPUTS_GONE
            elif kind == REPLY_TOO_OLD:
                error = ClientError(
                    f"request {request} is too old: it is behind the window of requests whose answers the service keeps"
                )
            elif kind == REPLY_GAP:
                last = int.from_bytes(payload[:8], "little")
                error = ClientError(
                    f"request {request} was refused as a gap: the last one that the service has is {last}"
                )
            elif kind != REPLY_DONE:
                outputs.append(self._output(kind, payload))
            if flags & REPLY_LAST:
                yield error or Answer(
                    request, sequence, timestamp, outputs, rejected, status, bool(flags & REPLY_REPEATED)
                )
                outputs = []

    def _output(self, kind: int, payload: bytes) -> Any:
        message = self._schema.outputs.get(kind)
        if message is None or message.length != len(payload):
            raise ClientError(
                f"the service sent an output of type {kind} with {len(payload)} bytes, which its schema has not"
            )
        values = message.unpack(payload)
        made = self._classes.get(kind)
        return Output(message.name, values) if made is None else made(**values)
