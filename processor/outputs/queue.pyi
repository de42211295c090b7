from processor.ring.buffer import Ring

TO_SESSION: int
TO_CONNECTION: int
BIND: int

class OutputQueue:
    """Bytes between the business logic and the sockets; `capacity` is a power of two, at least 4096 bytes.

    With a ring, the logic's thread (stage APPLIED) is woken when room appears and the gateway's on a flush. Raises WrongUse for
    another capacity, MemoryError when there is no room.
    """

    capacity: int
    def __init__(self, capacity: int, ring: Ring | None = None) -> None: ...
    def put(self, kind: int, target: int, frames: bytes, *, flush: bool = True) -> bool:
        """Puts one run of frames (a multiple of 8 bytes); False when there is no room now. For tests and tools."""
    def publish(self) -> None:
        """Flushes what was put with flush=False."""
    def take(self) -> tuple[int, int, bytes] | None:
        """The next parcel as (kind, target, frames), or None. For tests and tools."""
