from enum import IntEnum

class RecordVerdict(IntEnum):
    RECORD_VOID = 0
    RECORD_APPLY = 1
    RECORD_CLAIM = 2
    RECORD_UNREADABLE = 3

class AckVerdict(IntEnum):
    ACK_ADVANCE = 0
    ACK_READ_BETWEEN = 1
    ACK_READ_BACK = 2
    ACK_LOG_LOST = 3
    ACK_DEPOSED = 4

class LookVerdict(IntEnum):
    LOOK_ON = 0
    LOOK_FOUND = 1
    LOOK_DEPOSED = 2
    LOOK_LOST = 3

RECORD_VOID: int
RECORD_APPLY: int
RECORD_CLAIM: int
RECORD_UNREADABLE: int
ACK_ADVANCE: int
ACK_READ_BETWEEN: int
ACK_READ_BACK: int
ACK_LOG_LOST: int
ACK_DEPOSED: int
LOOK_ON: int
LOOK_FOUND: int
LOOK_DEPOSED: int
LOOK_LOST: int

class Validity:
    """What a reader of the log knows at one position of it; records must be given in the log's order."""

    @property
    def journal_id(self) -> int:
        """The first claim's writer id; 0 before any claim."""
    @property
    def epoch_offset(self) -> int:
        """Where the last valid claim stands; -1 before any."""
    @property
    def epoch_writer(self) -> int: ...
    @property
    def next_sequence(self) -> int: ...
    @staticmethod
    def resume(journal_id: int, epoch_offset: int, epoch_writer: int, next_sequence: int) -> Validity:
        """As it stood at a snapshot's position."""
    def judge_claim(self, offset: int, writer: int, journal_id: int) -> int:
        """RECORD_CLAIM or RECORD_VOID."""
    def judge_block(self, epoch_offset: int, epoch_writer: int, first_sequence: int, count: int) -> int:
        """RECORD_APPLY or RECORD_VOID."""
    def judge_header(self, offset: int, header: bytes) -> int:
        """A RecordVerdict for the 64 bytes of a block's header; raises ValueError for another length."""

class LeaderLog:
    """A leader's view of its own appends, from its claim on: expected_offset is the offset behind the claim."""

    def __init__(
        self, journal_id: int, epoch_offset: int, epoch_writer: int, next_sequence: int, expected_offset: int
    ) -> None: ...
    @property
    def validity(self) -> Validity: ...
    @property
    def epoch_offset(self) -> int: ...
    @property
    def epoch_writer(self) -> int: ...
    @property
    def expected_offset(self) -> int: ...
    @property
    def deposed(self) -> bool: ...
    def ack(self, offset: int, next_offset: int, count: int) -> int:
        """An AckVerdict, for the acknowledgement of our next block (-1: offset unknown) of `count` slots."""
    def look_at(self, offset: int, next_offset: int, header: bytes) -> int:
        """A LookVerdict, for the record at expected_offset, after an ack said READ_BETWEEN or READ_BACK."""
