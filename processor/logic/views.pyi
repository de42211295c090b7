from typing import Any

from processor.app import App
from processor.schema import Message

class EventView:
    """The event in a handler's hand; dead (its fields raise) when the handler has returned."""

    sequence: int
    timestamp: int
    session: int
    request: int

class HandlerContext:
    """What a handler answers through. Usable only inside the handler."""

    def __init__(self, app: App) -> None: ...
    def emit(self, output: Any) -> None:
        """Says an output to the session that asked; raises TypeError, OverflowError, RuntimeError after reject."""
    def reject(self, reason: str) -> None:
        """Refuses the event: the reason is its only output. Nothing may have been emitted, and nothing changed,
        before."""
    @property
    def now(self) -> int:
        """The event's timestamp, ns since the epoch: the only clock that a handler may read."""

def view_class(message: Message) -> type[EventView]:
    """A subclass of EventView with the fields of this event type."""

class Packer:
    """Writes an object's fields as the payload of this type. Raises OverflowError for a number that does not fit its
    field."""

    number: int
    name: str
    def __init__(self, message: Message) -> None: ...
