from processor.ring.buffer import Ring

class ControlQueue:
    """A small bounded queue of control events, put by any thread, drained by the ring's producer into slots.

    `capacity` is at least 2; the last place is kept for quarantine. Raises WrongUse for other numbers.
    """

    capacity: int
    def __init__(self, ring: Ring, capacity: int = 64) -> None: ...
    def put(self, type: int, payload: bytes = b"") -> bool:
        """Makes a control event pending and wakes the gateway; False when the queue is full (try later).

        `payload` has at most 32 bytes. Raises WrongUse for a longer one, or for a type that is no control event's.
        """
    @property
    def pending(self) -> int:
        """Events that are not in the ring yet."""
    def drain_now(self) -> int:
        """Moves what is pending into the ring and publishes it; how many. Only where no gateway runs (tests, tools)."""
