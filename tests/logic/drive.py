"""Events into a Core of each tier, without a service: slots made here, answers taken from an output queue."""

from __future__ import annotations

from typing import Any

import numpy as np

from processor import App
from processor.layout import HEADER
from processor.logic.core import Core
from processor.logic.sessions import Sessions
from processor.outputs.queue import TO_SESSION, OutputQueue

SETTINGS = {"window": 8, "kept_bytes_max": 4096, "sessions_max": 16}
JOURNAL_ID = 77


class Driven:
    """A core with `sessions` open sessions, numbered from 1; it answers into `frames`, by session."""

    def __init__(self, app: App, sessions: int = 1, *, strict: bool = False, window: int = SETTINGS["window"]) -> None:
        table = Sessions(window, SETTINGS["kept_bytes_max"], SETTINGS["sessions_max"])
        for number in range(1, sessions + 1):
            table.open_session(number.to_bytes(16, "little"), 0, number)
        self.app = app
        self.core = Core(app, table, strict=strict)
        self.core.restore(sessions, 0)
        self.queue = OutputQueue(1 << 20)
        self.core.answer_through(self.queue, None, JOURNAL_ID)
        self.frames: dict[int, bytes] = {}

    def slots(
        self, event: type, payloads: np.ndarray[Any, Any], requests: Any, sessions: Any = 1
    ) -> np.ndarray[Any, Any]:
        """Whole slots of events of one class; `payloads` is a structured array, sequences follow the core's last."""
        message = self.app.message_of(event)
        made = np.zeros(len(payloads), self.app.schema.slot_dtype(message))
        for name in message.fields:
            made["payload"][name] = payloads[name]
        made["type"], made["length"] = message.number, message.length
        made["session"], made["request"] = sessions, requests
        return made.view(np.uint8).reshape(-1, self.app.schema.slot_bytes)

    def number(self, slots: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The slots with sequences behind the core's last one, and times."""
        made = np.ascontiguousarray(slots)
        head = made[:, : HEADER.itemsize].copy().view(HEADER).reshape(-1)
        head["sequence"] = np.arange(len(made)) + self.core.sequence + 1
        head["timestamp"] = head["sequence"] * 1000
        made = made.copy()
        made[:, : HEADER.itemsize] = head.view(np.uint8).reshape(len(made), HEADER.itemsize)
        return made

    def apply(self, slots: np.ndarray[Any, Any], cuts: Any = ()) -> int:
        """Applies numbered slots, cut into blocks at these places; returns how many were passed."""
        done = 0
        for part in np.split(self.number(slots), sorted(cuts)):
            if len(part):
                done += self.core.apply_slots(part.reshape(-1))
                self.take()
            if self.core.trouble:
                break
        return done

    def take(self) -> None:
        """Moves what was answered from the queue to `frames`."""
        self.queue.publish()
        while (parcel := self.queue.take()) is not None:
            kind, session, frames = parcel
            assert kind == TO_SESSION
            self.frames[session] = self.frames.get(session, b"") + frames
