class Ring:
    """Slots shared by a producer and the stages behind it.

    `capacity` is a power of two, `reserved` slots of it only control events may use, `stages` counts the sequences (the producer's
    included). Raises WrongUse for numbers that cannot be, MemoryError when there is no room.
    """

    slot_bytes: int
    capacity: int
    reserved: int
    stages: int
    def __init__(
        self, slot_bytes: int, capacity: int, *, reserved: int = 16, stages: int = 3, wait: str = "block"
    ) -> None: ...
    def position(self, stage: int) -> int:
        """Slots that this stage (0 is the producer) has passed since the ring was made."""
