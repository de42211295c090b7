"""What an application declares: its events, outputs, state, and the handlers that change the state.

    app = App("bank")

    @app.event
    class Deposit:
        account: u32
        amount: i64

    @app.output
    class Balance:
        account: u32
        balance: i64

    @app.state
    class Bank:
        balances: dict[int, int] = field(default_factory=dict)

    @app.on(Deposit)
    def deposit(bank, event, ctx):
        ...

A handler is of one of three tiers, chosen for each event type: `on` takes a Python callable per event (or a native
handler of a Cython module), `on_run` one that gets a whole run of equal events as a NumPy array, `on_compiled` a
function per event that Numba compiles. Their results are the same.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
import typing
from typing import Any

from processor.errors import WrongUse
from processor.fields import field_type
from processor.schema import Message, Schema


@dataclasses.dataclass(frozen=True)
class RunHandler:
    """A callable (state, events, ctx) for runs of equal events."""

    function: Any


@dataclasses.dataclass(frozen=True)
class CompiledHandler:
    """A function (state, event, ctx) per event, to be compiled for the state's tables when they are known."""

    app: App
    message: Message
    function: Any

    def native(self, state: Any) -> Any:
        """The NativeHandler for a state of this kind; raises WrongUse without Numba, or for what it cannot compile."""
        from processor.compiled import compile_handler  # Numba is an extra, and slow to import

        return compile_handler(self.app, self.message, self.function, state)

SCHEMA_BYTES_MAX = 65_495      # a welcome is a frame: 65,535 bytes, less its fixed part


class App:
    """An application: a name, its event, output and state types, and a handler for each event type.

    `version` is written into claims and snapshots, so that people can tell which code wrote them.
    """

    def __init__(self, name: str, version: str = "1") -> None:
        self.name = name
        self.version = version
        self.state_type: type | None = None
        self.handlers: dict[int, Any] = {}     # event number -> callable, NativeHandler, RunHandler or CompiledHandler
        self.queries: dict[str, Any] = {}      # name -> callable (state, *arguments)
        self._events: list[Message] = []
        self._outputs: list[Message] = []
        self._classes: dict[type, Message] = {}
        self._schema: Schema | None = None

    def event(self, cls: type | None = None, *, number: int | None = None) -> Any:
        """Declares an event type; its number is the next free one, or `number`. The class becomes a dataclass."""
        return self._declare(self._events, cls, number)

    def output(self, cls: type | None = None, *, number: int | None = None) -> Any:
        """Declares an output type; its number is the next free one, or `number`. The class becomes a dataclass."""
        return self._declare(self._outputs, cls, number)

    def state(self, cls: type) -> type:
        """Declares the state: a class without required arguments (a plain class becomes a dataclass), or a
        NativeState.
        """
        if self.state_type is not None:
            raise WrongUse(f"{self.name}: the state is declared already, as {self.state_type.__name__}")
        native = any(base.__name__ == "NativeState" for base in cls.__mro__)
        self.state_type = cls if native or dataclasses.is_dataclass(cls) else dataclasses.dataclass(cls)
        return self.state_type

    def on(self, event: type, handler: Any = None) -> Any:
        """Registers what handles an event type: a callable (state, event, ctx), or a NativeHandler given as
        `handler`.
        """
        return self._register(event, lambda function: function, handler)

    def on_run(self, event: type, handler: Any = None) -> Any:
        """Registers a callable (state, events, ctx) for runs of equal events: as many as follow each other, one or
        thousands.

        `events` is a read-only structured array over the events where they lie, with `sequence`, `timestamp`,
        `session`, `request` and the event's fields; it is dead when the handler returns (keeping it, or a view, halts).
        `ctx` is a RunContext. The result must not depend on how runs are cut: event by event it must be the same.
        NumPy's integers wrap around silently; processor.checked has arithmetic that raises OverflowError.
        """
        return self._register(event, RunHandler, handler)

    def on_compiled(self, event: type, handler: Any = None) -> Any:
        """Registers a function (state, event, ctx) that Numba compiles and that runs without the GIL, called per event.

        Of the state, a dataclass, it sees the fields that are NumPy arrays; `ctx` has emit, reject and now. See
        processor.compiled. Needs the extra: pip install 'processor[numba]'.
        """
        message = self._event(event)
        return self._register(event, lambda function: CompiledHandler(self, message, function), handler)

    def twin(self) -> App:
        """Another application with the same declarations and no handlers: the same events handled in another way."""
        other = App(self.name, self.version)
        other.state_type = self.state_type
        other._events, other._outputs, other._classes = list(self._events), list(self._outputs), dict(self._classes)
        return other

    def query(self, function: Any = None, *, name: str | None = None) -> Any:
        """Declares a query: a function of the state and further arguments that changes nothing, called by its name.

        It is asked of the past (`processor query`, History.query) and of the live state (Client.query).
        """
        if function is None:
            return lambda later: self.query(later, name=name)
        given = name or function.__name__
        if given in self.queries:
            raise WrongUse(f"{self.name}: the query {given} is declared twice")
        self.queries[given] = function
        return function

    def message_of(self, cls: type) -> Message:
        """The declaration behind an event or output class; raises WrongUse for any other class."""
        try:
            return self._classes[cls]
        except KeyError:
            raise WrongUse(f"{self.name}: {cls!r} is neither an event nor an output of this application") from None

    def output_classes(self) -> dict[type, Message]:
        """The declared output classes and their messages."""
        return {cls: message for cls, message in self._classes.items() if message in self._outputs}

    def event_classes(self) -> dict[type, Message]:
        """The declared event classes and their messages."""
        return {cls: message for cls, message in self._classes.items() if message in self._events}

    @property
    def schema(self) -> Schema:
        """The schema, complete from the first time it is asked for: nothing can be declared after that."""
        if self._schema is None:
            self._schema = Schema(self.name, self._events, self._outputs)
        return self._schema

    def check(self) -> None:
        """Raises WrongUse unless there is a state and every event has a handler."""
        if self.state_type is None:
            raise WrongUse(f"{self.name}: declare the state with @app.state")
        missing = [m.name for m in self._events if m.number not in self.handlers]
        if missing or not self._events:
            raise WrongUse(f"{self.name}: no handler for {', '.join(missing) or 'any event'}: use @app.on")
        if len(self.schema.text.encode()) > SCHEMA_BYTES_MAX:
            raise WrongUse(f"{self.name}: the schema has {len(self.schema.text.encode())} bytes as JSON, a client's welcome holds "
                           f"{SCHEMA_BYTES_MAX}: declare fewer or shorter names")

    def _event(self, event: type) -> Message:
        message = self._classes.get(event)
        if message is None or message not in self._events:
            raise WrongUse(f"{self.name}: {event!r} is not declared with @app.event")
        return message

    def _register(self, event: type, wrapped: Any, handler: Any) -> Any:
        message = self._event(event)
        if message.number in self.handlers:
            raise WrongUse(f"{self.name}: {message.name} has a handler already")

        def register(function: Any) -> Any:
            self.handlers[message.number] = wrapped(function)
            return function

        return register if handler is None else register(handler)

    def _declare(self, where: list[Message], cls: type | None, number: int | None) -> Any:
        if cls is None:
            return lambda later: self._declare(where, later, number)
        if self._schema is not None:
            raise WrongUse(f"{self.name}: {cls.__name__} is declared too late, the schema is in use")
        used = {message.number for message in where}
        if number is None:
            number = max(used, default=0) + 1
        if number in used or cls.__name__ in {message.name for message in where}:
            raise WrongUse(f"{self.name}: {cls.__name__} (number {number}) is declared twice")
        hints = typing.get_type_hints(cls, include_extras=True)
        message = Message(number, cls.__name__, {key: field_type(hint) for key, hint in hints.items()})
        made: type = dataclasses.dataclass(slots=True)(cls)
        where.append(message)
        self._classes[made] = message
        return made


def load_app(name: str) -> App:
    """The application named MODULE:APP; the current directory is importable, as with `python -m`."""
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise WrongUse(f"an application is named MODULE:APP, for example examples.bank:app, not {name!r}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise WrongUse(f"{name}: there is no module {error.name!r} to import from here") from error
    except AttributeError as error:
        raise WrongUse(f"{name}: module {module} has no {attribute!r}") from error
    if not isinstance(found, App):
        raise WrongUse(f"{name} is a {type(found).__name__}, not a processor.App")
    found.check()
    return found
