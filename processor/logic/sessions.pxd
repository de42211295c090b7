"""The session table: who has asked what, and what was answered (exactly once, DESIGN of sessions in ARCHITECTURE.md).

Part of the state. Plain control logic: no I/O, no clock; driven by the business logic and, from Python, by the simulator.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from processor.logic.stored cimport Stored

cdef enum Verdict:
    VERDICT_APPLY = 0             # last + 1: apply it (begin, append..., finish)
    VERDICT_REPEAT = 1            # within the window: send the stored outputs again
    VERDICT_TOO_OLD = 2           # request 0, too: the first is 1
    VERDICT_GAP = 3
    VERDICT_UNKNOWN = 4           # no such session (never opened, or evicted)
    VERDICT_GONE = 5              # applied, outputs no longer kept

cdef enum:
    OPEN_FULL = 0
    OPEN_EVICTED = -1
    OPEN_NO_MEMORY = -2
    BEGIN_NO_MEMORY = -1
    BEGIN_MISUSE = -2             # no such session, not last + 1, or another request is not finished

cdef struct Session:             # sessions.pyx's own
    uint32_t id
    uint8_t token[16]
    uint64_t last_sequence        # of the last event that was applied for it or opened it
    Session* older                # in the order of last_sequence
    Session* newer
    Stored stored
    uint64_t plan                 # the run of events that `planned` is about (its first sequence)
    uint64_t planned              # highest request of it in that run

cdef class Sessions:
    cdef readonly uint32_t window
    cdef readonly uint64_t kept_bytes_max     # of stored outputs, each session
    cdef readonly uint32_t sessions_max
    cdef readonly uint32_t count
    cdef readonly uint32_t next_id
    cdef Session** tables[2]                   # open addressing: [0] by id, [1] by token
    cdef uint64_t table_mask
    cdef uint64_t seed                         # of the tokens' hash: clients choose tokens
    cdef Session* oldest
    cdef Session* newest
    cdef Session* recent                       # found last (may be NULL)
    cdef Session* current                      # between begin and finish

    cdef int verdict(self, uint32_t session, uint64_t request) noexcept nogil
    # Whether this event would be applied behind those that were planned under the same number. A number is used for one run only.
    cdef bint plan(self, uint32_t session, uint64_t request, uint64_t number) noexcept nogil
    cdef uint64_t last_request(self, uint32_t session) noexcept nogil          # 0 for an unknown session
    # begin..finish around one applied event; append copies one whole reply frame (padded to 8; index set by the caller). Sequences
    # given to begin and open rise. -1: out of memory; -2: misuse, nothing was changed. finish sets REPLY_LAST on the stored copy of
    # the last frame; the caller sets it on its own.
    cdef int begin(self, uint32_t session, uint64_t request, uint64_t sequence) noexcept nogil
    cdef int append(self, const char* frame, uint32_t frame_bytes) noexcept nogil
    cdef void finish(self) noexcept nogil
    # The stored frames of a request (VERDICT_REPEAT), contiguous; valid until the next begin, open or evict. 0; -1: not stored.
    cdef int stored(self, uint32_t session, uint64_t request, const char** frames, uint64_t* frames_bytes) noexcept nogil
    # Session of this token: > 0 id; 0 the table is full; -1 `claimed` was evicted; -2 out of memory. Opens a new one if claimed is 0
    # and the token is unknown. `last` gets the last request.
    cdef int64_t open(self, const uint8_t* token, uint32_t claimed, uint64_t sequence, uint64_t* last) noexcept nogil
    cdef int evict(self, uint32_t session, uint64_t last_sequence) noexcept nogil   # 1 evicted, 0 not (used since, or unknown)
    # The longest idle session, when more than sessions_max - spare are open; 0 otherwise. `last_sequence` gets its last event.
    cdef uint32_t to_evict(self, uint32_t spare, uint64_t* last_sequence) noexcept nogil

    cdef Session* find(self, uint32_t id) noexcept nogil
    cdef Session* find_token(self, const uint8_t* token) noexcept nogil
    cdef uint64_t home(self, const Session* session, int table) noexcept nogil
    cdef void put(self, Session* session) noexcept nogil
    cdef void take(self, Session* session, int table) noexcept nogil
    cdef int make_room(self) noexcept nogil
    cdef Session* insert(self, uint32_t id, const uint8_t* token) noexcept nogil
    cdef void link(self, Session* session, uint64_t sequence) noexcept nogil
    cdef void unlink(self, Session* session) noexcept nogil
    cdef void forget(self) noexcept nogil
    cdef void swap(self, Sessions other) noexcept
    cdef int check_sequence(self, uint64_t sequence) except -1
