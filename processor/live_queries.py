"""Named queries of the live state: answered by the logic's thread, between two events, behind a read marker that is
durable.

A marker stands for everything that was asked before it was put; what comes meanwhile waits for the next one, so that
however many ask there is one marker in flight. A leader that was deposed without knowing never answers: its marker is
never acknowledged.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from typing import Any

from processor.app import App
from processor.errors import ProcessorError
from processor.history.plain import jsonable
from processor.logic.core import Core
from processor.queries import ask, check_arguments
from processor.ring.control import ControlQueue
from processor.wakeup import Wakeup

CONTROL_READ_MARKER = 0xFF06
MARKER = struct.Struct("<Q24x")  # the number of the last question that it stands for

Say = Callable[[dict[str, Any]], None]


class LiveQueries:
    """Between the service's thread (`ask`, `poll`, `close`) and the logic's (`on_read`)."""

    def __init__(self, app: App, core: Core, control: ControlQueue, wakeup: Wakeup) -> None:
        self._app, self._core, self._control, self._wakeup = app, core, control, wakeup
        self._lock = threading.Lock()
        self._number = 0
        self._marked = 0  # the number of the marker in flight; 0: none is
        self._waiting: list[tuple[int, str, list[Any], Say]] = []
        self._answered: list[tuple[Say, dict[str, Any]]] = []

    def ask(self, name: Any, arguments: Any, say: Say) -> None:
        """`say` gets {"ok": true, "sequence", "timestamp", "answer"}, or {"ok": false, "error"}, in `poll`."""
        if not isinstance(name, str) or not isinstance(arguments, list):
            say({"ok": False, "error": 'a query has a "name", and its "arguments" in a list'})
            return
        try:
            check_arguments(self._app, name, arguments)
        except ProcessorError as error:
            say({"ok": False, "error": str(error)})
            return
        with self._lock:
            self._number += 1
            self._waiting.append((self._number, name, arguments, say))
        self._mark()

    def _mark(self) -> None:
        """Puts a marker for all that wait, unless one is in flight; a full queue is tried again at the next poll."""
        with self._lock:
            if self._waiting and not self._marked and self._control.put(CONTROL_READ_MARKER, MARKER.pack(self._number)):
                self._marked = self._number

    def on_read(self, payload: bytes) -> None:
        """The marker has been applied: answers all that it stands for from the state as it is."""
        (number,) = MARKER.unpack(payload)
        with self._lock:
            ready = [one for one in self._waiting if one[0] <= number]
            self._waiting = [one for one in self._waiting if one[0] > number]
        answers = [(say, self._answer(name, arguments)) for _, name, arguments, say in ready]
        with self._lock:
            self._answered += answers
            self._marked = 0
        self._mark()
        self._wakeup.set()

    def _answer(self, name: str, arguments: list[Any]) -> dict[str, Any]:
        try:
            # Made into plain values here: the state goes on when this thread does.
            answer = jsonable(ask(self._app, self._core.state, name, arguments))
        except ProcessorError as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True, "sequence": self._core.sequence, "timestamp": self._core.timestamp, "answer": answer}

    def poll(self) -> None:
        """Tells those who asked."""
        with self._lock:
            answered, self._answered = self._answered, []
        for say, answer in answered:
            say(answer)
        self._mark()

    def close(self) -> None:
        """Whoever still waits is told that there will be no answer."""
        self.poll()
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for _, _, _, say in waiting:
            say({"ok": False, "error": "the service stopped before it could answer"})
