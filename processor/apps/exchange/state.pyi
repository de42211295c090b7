from processor.logic.native import NativeState

class Exchange(NativeState):
    """All order books, in C memory. Made empty; not safe for use by two threads at a time."""

    def __init__(self) -> None: ...
    def __len__(self) -> int:
        """How many orders rest in all books."""
    def export(self) -> bytes:
        """16 bytes of head, then 24 an order (`processor.apps.exchange.exported.ORDER`), in price-time order."""
    def load(self, data: bytes) -> None:
        """Replaces all books by those of an export; raises ValueError for any other bytes, then nothing changes."""
