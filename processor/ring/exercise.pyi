from processor.ring.buffer import Ring

def produce(ring: Ring, count: int, claim: int = 1) -> int:
    """Publishes `count` slots, at most `claim` at once; returns how often it found the ring full."""

def consume(ring: Ring, stage: int, count: int, most: int = 1024) -> tuple[int, int]:
    """Passes `count` slots as `stage`, checking every field; returns (slots that were not whole, largest run taken)."""

def claimable(ring: Ring, control: bool = False) -> tuple[int, int]:
    """(slots free for the producer, how many of them follow each other in memory)."""

def damage(ring: Ring, position: int, byte: int) -> None:
    """Flips one bit in a byte of a published slot, to prove that the checks see it."""

def publish_unwritten(ring: Ring, count: int) -> None:
    """Publishes slots with what an earlier round left in them, to prove that the checks see a lost slot."""
