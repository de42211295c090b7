from processor.journal.base import Journal
from processor.journal.directory import JournalDirectory

class EmbeddedJournal(Journal):
    """The journal in `directory` (which this closes), for writing when the directory is locked; `url` is for messages.

    Raises CorruptJournal when the log is damaged (nothing is changed then), JournalError when the disk refuses.
    """

    def __init__(self, directory: JournalDirectory, url: str) -> None: ...
    @property
    def syncs(self) -> int:
        """Syncs since it was opened."""
