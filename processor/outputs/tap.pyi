class OutputTap:
    """Gathers the reply frames of every event that is applied, until they are taken. One thread at a time."""

    def __len__(self) -> int:
        """Bytes gathered."""
    def take(self) -> bytes:
        """The frames gathered since the last time (see layout.REPLY), padded to 8 each."""
