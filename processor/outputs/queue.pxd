"""Outputs on their way from the business logic to the thread that owns the sockets: one producer, one consumer, bounded.

    | Parcel 16 | frames ...            | Parcel | frames ... pad to 16 | ... | SKIP to the end of the memory |

A parcel is contiguous: one that does not fit before the end of the memory starts at its beginning, behind a SKIP. Frames for one
session that are committed before a flush share a parcel, so that a batch leaves in few, long runs.
"""

from libc.stdint cimport uint32_t, uint64_t

from processor.ring.sequence cimport Sequence, Waiter

cdef enum:
    TO_SESSION = 0
    TO_CONNECTION = 1             # a welcome, or another answer to a connection that has no session yet
    BIND = 2                      # `target` is a session, the frame 8 bytes: the connection that owns it from now on
    SKIP = 3                      # nothing: the rest of the memory before a wrap (peek never shows one)

cdef enum:
    PARCEL_BYTES = 16
    MERGED_BYTES_MAX = 65536      # frames for one session share a parcel up to here

cdef struct Parcel:               # stands before each run of frames in the queue
    uint64_t target
    uint32_t kind
    uint32_t bytes                # of frames behind this, a multiple of 8

cdef class OutputQueue:
    cdef char* memory
    cdef readonly uint64_t capacity
    cdef uint64_t mask
    cdef Sequence* head           # bytes ever put (published)
    cdef Sequence* tail           # bytes ever taken
    cdef uint64_t pending         # head including what is not published yet (producer's own)
    cdef uint64_t tail_seen       # producer's own copy
    cdef Waiter* producer         # woken when room appears (may be NULL)
    cdef Waiter* consumer         # woken on flush (may be NULL)
    cdef object owner             # whose waiters these are: kept alive
    cdef uint64_t open_parcel     # the producer's last parcel, if it is unpublished and can grow
    cdef bint growing             # there is such a parcel
    cdef bint reserved_in_it      # the last reserve gave room at its end

    # Producer. NULL: no room now (flush and wait). Else where to write `bytes` of frames; commit makes them part of the queue.
    # `bytes` is a multiple of 8, at most capacity / 2 - 16: more never fits.
    cdef char* reserve(self, uint32_t kind, uint64_t target, uint32_t bytes) noexcept nogil
    cdef void commit(self, uint32_t bytes) noexcept nogil
    cdef void flush(self) noexcept nogil              # publishes all that was committed, wakes the consumer
    cdef bint has_room(self, uint64_t bytes) noexcept nogil
    # Consumer. NULL: empty. Else the next parcel (frames behind it); release frees it.
    cdef const Parcel* peek(self) noexcept nogil
    cdef void release(self) noexcept nogil
    # The same for several parcels at once: peek_from gives the one at or behind `position` (moved past a SKIP), or NULL at the end;
    # behind_parcel where the next one stands; release_to frees all before `position`.
    cdef uint64_t position(self) noexcept nogil
    cdef const Parcel* peek_from(self, uint64_t* position) noexcept nogil
    cdef void release_to(self, uint64_t position) noexcept nogil


cdef inline uint64_t behind_parcel(uint64_t position, const Parcel* parcel) noexcept nogil:
    return position + PARCEL_BYTES + ((<uint64_t>parcel.bytes + 15) & ~<uint64_t>15)
