from types import TracebackType
from typing import Self

def checksum(data: bytes, seed: int = 0, *, portable: bool = False) -> int:
    """CRC-32C of the bytes, continuing from `seed`; `portable` uses the table, whatever the machine can."""

class Journal:
    """What a journal can do; made by `processor.journal.open_journal`. Close it, or use it as a context manager."""

    url: str
    data_bytes_max: int    # most bytes of data that one record takes
    @property
    def failure(self) -> str:
        """Why the first call failed that did; "" when none has."""
    @property
    def away(self) -> bool:
        """Whether the journal cannot be reached at the moment."""
    def reader(self, position: int) -> JournalReader:
        """A reader whose first record is the one at `position` (an offset of a record, or the end)."""
    def ends(self) -> tuple[int, int]:
        """(offset of the first record that is still there, offset that the next record will get)."""
    def append_record(self, header: bytes, data: bytes, *, timeout_s: float = 60.0) -> tuple[int, int]:
        """Appends one record and waits for its (offset or -1, next offset); raises JournalError."""
    def room(self) -> str:
        """How large a record may be, and how to change that, as text."""
    def check_slot_bytes(self, slot_bytes: int) -> None:
        """Raises JournalError when a record cannot hold one slot of this size."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

class JournalReader:
    """Reads records in order from a position on."""

    position: int
    def read(self, *, timeout_s: float = 0.0) -> tuple[int, int, bytes, bytes] | None:
        """(offset, next_offset, header bytes, data bytes), or None at the end for now.

        Raises CorruptJournal when it does not read back as it was written, JournalError when it cannot be read.
        """
    def close(self) -> None: ...
