from processor.logic.verdict import Verdict

class Sessions:
    """The session table. Sequences given to begin_request and open_session must rise; one thread only.

    `window`: requests in flight, 1 to 2^20. `kept_bytes_max`: bytes of stored frames, each session, 0 to 2^31 - 1; a
    session's memory is at most twice that, and grows with what it uses. `sessions_max`: sessions open at once, 1 to
    2^24. Raises WrongUse for any other value.
    """

    window: int
    kept_bytes_max: int
    sessions_max: int
    count: int
    next_id: int
    def __init__(self, window: int = 4096, kept_bytes_max: int = 1048576, sessions_max: int = 10000) -> None: ...
    def decide(self, session: int, request: int) -> Verdict:
        """What to do with this request of this session; changes nothing."""
    def begin_request(self, session: int, request: int, sequence: int) -> None:
        """Starts an applied event (APPLY); raises ValueError unless it is the session's next, and none is in hand."""
    def append_frame(self, frame: bytes) -> None:
        """Stores one reply frame: 32 bytes of header (processor.layout.REPLY) and the payload, padded to 8.

        Raises ValueError unless it is a whole one and of the request in hand.
        """
    def finish_request(self) -> None:
        """Ends it: the stored last frame gets the REPLY_LAST flag."""
    def stored_frames(self, session: int, request: int) -> bytes:
        """The frames of a request to be repeated; raises KeyError when decide does not say REPEAT."""
    def open_session(self, token: bytes, claimed: int, sequence: int) -> tuple[int, int]:
        """(session, last request) of this token of 16 bytes; (0, 0): the table is full; (-1, 0): `claimed` is evicted.

        A known token gets its session again, whatever else; an unknown one a new session, if `claimed` is 0.
        """
    def evict_session(self, session: int, last_sequence: int) -> bool:
        """Forgets a session if its last event is still this one; whether it did."""
    def eviction_candidate(self, spare: int) -> tuple[int, int]:
        """The longest idle session, its last event's sequence, if over sessions_max - spare are open; or (0, 0)."""
    def last(self, session: int) -> int:
        """The session's highest applied request; 0 for an unknown one."""
    def session_ids(self) -> list[int]:
        """The open sessions, the longest idle first."""
    def export(self) -> bytes:
        """The table as canonical bytes: the same for the same logical state, whatever its history."""
    def load(self, data: bytes) -> None:
        """Replaces the table by an exported one; raises ValueError, and changes nothing, when the bytes are no export
        of a table with these settings."""
    def hash64(self) -> int:
        """The first 64 bits (little-endian) of BLAKE2b over the export."""
