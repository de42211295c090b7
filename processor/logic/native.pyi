class NativeState:
    """A state kept in C: made without arguments, exported canonically, loaded from an export."""

    def export(self) -> bytes:
        """The canonical logical export: equal states give equal bytes, whatever their history."""
    def load(self, data: bytes) -> None:
        """Fills a fresh state from an export; raises ValueError for bytes that are none."""

class NativeHandler:
    """A handler that runs without the GIL; made by Cython modules, or of a compiler's machine code."""

    name: str
    @staticmethod
    def at(name: str, address: int, owner: object) -> NativeHandler:
        """The handler whose machine code is at this address; `owner` keeps it there."""
