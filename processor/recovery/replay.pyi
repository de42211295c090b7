from processor.journal.base import JournalReader
from processor.logic.core import Core
from processor.recovery.plan import RecoveryPlan

IDLE: int
BUSY: int
REACHED: int

class KnownHashes:
    """The hashes that replay took at snapshot triggers and that wait for the journal's own."""

    def __len__(self) -> int: ...
    def know(self, sequence: int, state: bytes, sessions: int) -> None:
        """What the state hashes to behind `sequence`: later than all that were known before, or one of them again."""
    def compare(self, sequence: int, state: bytes, sessions: int) -> bool:
        """Whether the recorded hashes could be compared, and are equal; raises Diverged when they are others."""

class Replay:
    """Reads and applies until something has to be decided."""

    events: int
    records: int
    hashes: int
    header: bytes
    data: bytes
    offset: int
    def __init__(
        self, core: Core, reader: JournalReader, plan: RecoveryPlan, *, check_hashes: bool = True, strict: bool = False
    ) -> None: ...
    @property
    def waiting(self) -> bytes | None:
        """The slot that would be applied next, when its record is in hand."""
    def rest(self, until: int) -> bytes:
        """The slots of the record in hand that are not applied, up to sequence `until`."""
    def stop_after(self, sequence: int | None = None, time_ns: int | None = None) -> None:
        """Makes run say REACHED behind this sequence, or behind the last event whose timestamp is not later."""
    def know_hash(self, sequence: int, state: bytes, sessions: int) -> None:
        """The hashes at `sequence` (a snapshot's), to be compared when the journal tells its own."""
    def run(self, most_events: int, timeout_ms: int) -> int:
        """IDLE, BUSY, REACHED or a PlanAction; raises CorruptJournal, or Diverged when the state is not what the
        journal says.
        """
