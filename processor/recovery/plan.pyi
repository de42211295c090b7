from enum import IntEnum

from processor.leadership.validity import LeaderLog, Validity

class PlanPhase(IntEnum):
    PHASE_REPLAY = 0
    PHASE_AWAIT_CLAIM = 1
    PHASE_LEAD = 2

class PlanAction(IntEnum):
    PLAN_SKIP = 0
    PLAN_APPLY = 1
    PLAN_CLAIM = 2
    PLAN_LEAD = 3
    PLAN_CLAIM_AGAIN = 4
    PLAN_HOLE = 5
    PLAN_NO_BEGINNING = 6
    PLAN_MISFIT = 7
    PLAN_UNREADABLE = 8
    PLAN_OVER = 9

PHASE_REPLAY: int
PHASE_AWAIT_CLAIM: int
PHASE_LEAD: int
PLAN_SKIP: int
PLAN_APPLY: int
PLAN_CLAIM: int
PLAN_LEAD: int
PLAN_CLAIM_AGAIN: int
PLAN_HOLE: int
PLAN_NO_BEGINNING: int
PLAN_MISFIT: int
PLAN_UNREADABLE: int
PLAN_OVER: int

def snapshot_position(offset: int, next_offset: int, first_sequence: int, count: int, next_sequence: int) -> int:
    """Where replay begins for a state whose next sequence this is: the last applied block's offset if that block also
    holds next_sequence, else its next_offset. The epoch of a snapshot is that block's."""

class RecoveryPlan:
    """Gets each record of the log from `position` on, in order, and says what to do with it.

    From the first event: RecoveryPlan(first offset). From a snapshot: its position, journal id, epoch, next sequence
    and last block's offset. slot_bytes 0: sizes are not compared with the application's.
    """

    def __init__(
        self,
        position: int,
        *,
        journal_id: int = 0,
        epoch_offset: int = -1,
        epoch_writer: int = 0,
        next_sequence: int = 1,
        last_block_offset: int = -1,
        slot_bytes: int = 0,
    ) -> None: ...
    @property
    def validity(self) -> Validity: ...
    @property
    def phase(self) -> int:
        """A PlanPhase."""
    @property
    def position(self) -> int:
        """Of the record that must come next."""
    @property
    def skip(self) -> int:
        """After PLAN_APPLY: leading slots to drop, since the snapshot holds them."""
    @property
    def own_writer(self) -> int: ...
    def record(self, offset: int, next_offset: int, header: bytes) -> int:
        """A PlanAction; raises ValueError for a header that has not 64 bytes."""
    def near_end(self, end: int, slack: int = 0) -> bool:
        """Whether it is time to claim, when the log ended at `end` a moment ago."""
    def claimed(self, writer: int) -> int:
        """Call it before the claim is appended; returns the journal id that the claim has to name."""
    def leader_log(self) -> LeaderLog:
        """The leader's view, from its claim on; raises ValueError before PLAN_LEAD."""
    @property
    def last_block(self) -> tuple[int, int, int, int, int, int]:
        """Of the last applied block: offset (-1 none), next offset, epoch's offset and writer, first sequence, count.

        Straight after a snapshot it stands for that snapshot's block, as far as snapshot_position needs it.
        """
    def problem(self, action: int) -> str:
        """What to tell people about a refusal; "" for the other actions."""
