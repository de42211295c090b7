from processor.outputs.queue import OutputQueue
from processor.ring.buffer import Ring
from processor.schema import Schema

class Double:
    """Test support: journaler and logic in one thread (`run`). Attach it to a ring and an output queue first."""

    sessions: int
    sequence: int
    applied: int
    repeated: int
    control_events: int
    def __init__(self, schema: Schema, window: int, sessions_max: int = 1024) -> None: ...
    def attach(self, ring: Ring, outputs: OutputQueue) -> None: ...
    def run(self) -> None: ...
    def stop(self) -> None:
        """Makes run return when all that is published is answered (or at once, when it holds)."""
    def hold(self, on: bool = True) -> None:
        """Takes nothing from the ring while this is on."""
    def silence(self, on: bool = True) -> None:
        """Applies without answering while this is on."""
    def evict(self, session: int) -> None:
        """Forgets a session; whoever asks in it is told so."""
