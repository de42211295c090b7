from typing import Any

import numpy as np

from processor.logic.core import Core
from processor.logic.views import Packer
from processor.ring.buffer import Ring

OPEN: int
REFUSED: int
EVICTED: int
OVERFLOWN: int

class Intake:
    """What the sessions within the process of one service share. `lengths` is as for the gateway."""

    def __init__(self, ring: Ring, core: Core, lengths: np.ndarray[Any, np.dtype[np.int32]]) -> None: ...
    def close(self) -> None:
        """Takes nothing more into the ring, from when this returns; what is in it is still answered."""
    def finish(self) -> None:
        """Says that no answer comes any more: whoever waits for one is told so."""
    @property
    def is_closed(self) -> bool: ...
    @property
    def is_over(self) -> bool: ...

class Port:
    """One session: numbers requests from 1 and counts or keeps their answers.

    `inbox_bytes`: a power of two, the memory for answers that nobody has taken yet; 0: they are only counted. With
    memory, at most `window` requests may be unanswered or have answers that were not released.
    """

    window: int
    def __init__(self, intake: Intake, inbox_bytes: int, window: int) -> None: ...
    def open(self, token: bytes, timeout_ms: int) -> None:
        """Asks for a session with this token (16 bytes), again if it was refused, and waits for the answer, which
        `state` tells."""
    def put_slots(self, slots: np.ndarray[Any, np.dtype[np.uint8]], timeout_ms: int) -> int:
        """Takes as many of these whole slots (n, slot_bytes) as it can without waiting longer for room; how many."""
    def put_payloads(self, type: int, payloads: np.ndarray[Any, np.dtype[np.uint8]], timeout_ms: int) -> int:
        """As put_slots, of events of one type, given as payloads (n, length)."""
    def put_event(self, packer: Packer, event: Any, timeout_ms: int) -> int:
        """As put_payloads, of one event given as an object; 1, or 0 when there was no room."""
    def wait(self, until: int, timeout_ms: int) -> bool:
        """Waits until request `until` is answered, the session or the service ends, or timeout_ms are over."""
    def take(self) -> bytes:
        """The frames of all answers that have come and were not taken, whole and in order."""
    def release(self, count: int) -> None:
        """Says that the answers of `count` requests were handed out: as many more may be submitted."""
    def close(self) -> None:
        """Gives its memory back; answers that come later are dropped."""
    @property
    def session(self) -> int: ...
    @property
    def state(self) -> int:
        """0 waits, 1 open, 2 refused, 3 evicted, 4 overflown, 5 closed."""
    @property
    def submitted(self) -> int: ...
    @property
    def answered(self) -> int: ...
    @property
    def taken(self) -> int:
        """The number of the last request whose frames left the inbox."""
    @property
    def unreleased(self) -> int:
        """Requests that were put and whose answers were not handed out."""
    @property
    def outputs(self) -> int: ...
    @property
    def rejected(self) -> int: ...
