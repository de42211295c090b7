from typing import Any

import numpy as np

DONE: int
WAITING: int
CLOSED: int
SPECIAL: int

class Wire:
    """Numbers requests from 1, keeps at most `window` slots until answered, takes whole answers, in order, once."""

    session: int
    slot_bytes: int
    window: int
    limit: int
    answered: int
    submitted: int
    dropped: int
    connections: int
    def __init__(self, slot_bytes: int, window: int) -> None: ...
    def connect(self, fd: int, session: int) -> None:
        """Goes on over a new connection: everything unanswered will be sent again, a part of an answer is forgotten."""
    def disconnect(self) -> None:
        """Forgets the connection: pump says CLOSED until there is another."""
    @property
    def room(self) -> int:
        """Requests that may be put before more answers must have come."""
    def put_slots(self, slots: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
        """Takes as many of these whole slots (n, slot_bytes) as there is room for; fills in session and request."""
    def put_payloads(self, type: int, payloads: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
        """Takes as many events of this type, given as payloads (n, length), as there is room for."""
    def pump(self, until: int, timeout_ms: float) -> int:
        """Sends and receives until request `until` is answered, for at most timeout_ms (parts of one count).

        DONE, WAITING, CLOSED or SPECIAL.
        """
    def trips(
        self, slots: np.ndarray[Any, np.dtype[np.uint8]], first: int, rate: float, start_ns: int,
        took_ns: np.ndarray[Any, np.dtype[np.int64]], timeout_ms: float,
    ) -> int:
        """Sends slots at times that are given (slot k is request first + k), and writes down when each was answered.

        With a rate slot k is due at start_ns + k / rate (CLOCK_MONOTONIC) and took_ns[k] counts from then; with 0 it is
        put as soon as `limit` allows and counts from then. Called again with the same arguments it goes on. As pump.
        """
    def take(self) -> bytes:
        """The frames of all whole answers that have come since the last call, in order."""
    @property
    def special(self) -> tuple[int, int, bytes] | None:
        """(type, request, payload) of the frame that made pump return SPECIAL."""

def split(frames: bytes) -> list[tuple[int, int, int, int, int, int, bytes]]:
    """Whole reply frames as tuples (sequence, timestamp, index, flags, type, request, payload bytes)."""
