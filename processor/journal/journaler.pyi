from processor.counters import Counters
from processor.journal.base import Journal
from processor.leadership.validity import LeaderLog
from processor.ring.buffer import Ring

class Journaler:
    """Appends what the gateway publishes, in blocks, from ring memory, and moves the durable sequence."""

    outcome: tuple[str, str]
    block_slots_max: int
    def __init__(
        self, ring: Ring, journal: Journal, log: LeaderLog, *, next_sequence: int, timestamp: int, fingerprint: int,
        max_block_events: int, counters: Counters, max_block_bytes: int = ...,
    ) -> None: ...
    def run(self) -> None:
        """The loop of the journaler's thread."""
    def drain(self) -> None:
        """Makes run return when all that is published so far is durable. Call it when nothing is published any more."""
    def abort(self) -> None:
        """Makes run return now; what is in flight may or may not become durable."""
    def is_aborting(self) -> bool:
        """Whether `abort` was called."""
