"""The session table: who has asked what, and what was answered (exactly once, DESIGN of sessions in ARCHITECTURE.md).

Part of the state. Plain control logic: no I/O, no clock; driven by the business logic and, from Python, by the simulator.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum Verdict:
    VERDICT_APPLY = 0             # last + 1: apply it (begin, append..., finish)
    VERDICT_REPEAT = 1            # within the window: send the stored outputs again
    VERDICT_TOO_OLD = 2
    VERDICT_GAP = 3
    VERDICT_UNKNOWN = 4           # no such session (never opened, or evicted)
    VERDICT_GONE = 5              # applied, outputs no longer kept

cdef struct Session              # opaque outside of sessions.pyx

cdef class Sessions:
    cdef readonly uint32_t window
    cdef readonly uint64_t kept_bytes_max     # of stored outputs, each session
    cdef readonly uint32_t sessions_max
    cdef Session** table                       # open addressing by id
    cdef uint64_t table_mask
    cdef uint32_t count
    cdef uint32_t next_id
    cdef Session* current                      # between begin and finish

    cdef int verdict(self, uint32_t session, uint64_t request) noexcept nogil
    cdef uint64_t last_request(self, uint32_t session) noexcept nogil
    # begin..finish around one applied event; append copies one whole reply frame (padded to 8). -1: out of memory.
    cdef int begin(self, uint32_t session, uint64_t request, uint64_t sequence) noexcept nogil
    cdef int append(self, const char* frame, uint32_t frame_bytes) noexcept nogil
    cdef void finish(self) noexcept nogil
    # The stored frames of a request (VERDICT_REPEAT), contiguous; valid until the next begin or open.
    cdef int stored(self, uint32_t session, uint64_t request, const char** frames, uint64_t* frames_bytes) noexcept nogil
    # Session of this token: > 0 id; 0 the table is full; -1 `claimed` was evicted; -2 out of memory. Opens a new one if claimed is 0
    # and the token is unknown. `last` gets the last request.
    cdef int64_t open(self, const uint8_t* token, uint32_t claimed, uint64_t sequence, uint64_t* last) noexcept nogil
    cdef int evict(self, uint32_t session, uint64_t last_sequence) noexcept nogil   # 1 evicted, 0 not (used since, or unknown)
    # The longest idle session, when more than sessions_max - spare are open; 0 otherwise. `last_sequence` gets its last event.
    cdef uint32_t to_evict(self, uint32_t spare, uint64_t* last_sequence) noexcept nogil
