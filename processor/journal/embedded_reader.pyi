from processor.journal.base import JournalReader
from processor.journal.directory import JournalDirectory

class EmbeddedReader(JournalReader):
    """Records of the journal in `directory` from `position` on: an offset of a record, or the end.

    Raises JournalError for any other position, CorruptJournal when what comes before it in its segment is damaged.
    """

    stands: int
    def __init__(self, directory: JournalDirectory, position: int) -> None: ...
