from collections.abc import Callable

from processor.journal.base import Journal, JournalReader
from processor.journal.memory import MemoryJournal, MemoryLog

FULL: int
FAILED: int

def append(journal: Journal, header: bytes, data: bytes, tag: int) -> int:
    """Hands one block over: 0, FULL or FAILED. The caller keeps `data` until the Ack with this tag."""

def poll(journal: Journal, most: int = 64, timeout_ms: int = 0) -> list[tuple[int, int, int]]:
    """Acks as (tag, offset, next_offset), at most 64; raises JournalError when the journal has failed."""

def wake_fd(journal: Journal) -> int:
    """The descriptor that tells of Acks, or -1."""

def data_address(reader: JournalReader, timeout_ms: int) -> int:
    """Where in memory the next record's data stands (0: there is none)."""

class AnsweringJournal(MemoryJournal):
    """A memory journal whose acknowledgements pass through `answer(offset, next_offset)` on the journaler's thread.

    It returns what the journaler gets to see, or None: not yet (and it is asked again).
    """

    answer: Callable[[int, int], tuple[int, int] | None]
    in_flight_max: int
    error: BaseException | None
    def __init__(
        self, log: MemoryLog, url: str, answer: Callable[[int, int], tuple[int, int] | None], *, in_flight_max: int = 64
    ) -> None: ...
