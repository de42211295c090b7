from processor.journal.base import Journal

class MemoryLog:
    """The records of one or several memory journals. Thread safe."""

    bytes: int
    def __len__(self) -> int:
        """Records ever appended."""

class MemoryJournal(Journal):
    """A journal over `log`; without `keep`, blocks of events are counted and dropped (claims are kept)."""

    log: MemoryLog
    keep: bool
    def __init__(self, log: MemoryLog, url: str, *, keep: bool = True) -> None: ...
