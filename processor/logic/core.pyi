from typing import Any

from processor.app import App
from processor.counters import Counters
from processor.logic.sessions import Sessions
from processor.outputs.queue import OutputQueue
from processor.outputs.tap import OutputTap

class Core:
    """The state, the session table, and the one function that applies events, live and in recovery."""

    app: App
    state: Any
    sessions: Sessions
    slot_bytes: int
    sequence: int
    timestamp: int
    stop: int
    strict: bool
    run_events_max: int
    raised_events: int
    error: BaseException | None
    trouble: str
    def __init__(
        self, app: App, sessions: Sessions, *, state: Any = None, counters: Counters | None = None, strict: bool = False
    ) -> None:
        """`run_events_max` bounds the runs of NumPy handlers; `raised_events` is how many events a handler that raised
        had in hand; with `strict`, runs are copies, overwritten when the handler has returned."""
    def restore(self, sequence: int, timestamp: int) -> None:
        """Says that the state given is the one after `sequence`, whose event has this timestamp."""
    def answer_through(self, outputs: OutputQueue, control: Any, journal_id: int) -> None:
        """From now on replies go to this queue, and evictions to the control queue."""
    def listen(self, tap: OutputTap | None) -> None:
        """From now on the frames of every event that is applied go to this tap as well."""
    def abort(self) -> None:
        """Makes a thread that waits for room among the outputs give up."""
    def apply_slots(self, slots: bytes) -> int:
        """Applies whole slots given as bytes, as one block; returns how many it passed (for tests and tools)."""
