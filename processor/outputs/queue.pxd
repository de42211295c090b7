"""Outputs on their way from the business logic to the thread that owns the sockets: one producer, one consumer, bounded."""

from libc.stdint cimport uint32_t, uint64_t

from processor.ring.sequence cimport Sequence, Waiter

cdef enum:
    TO_SESSION = 0
    TO_CONNECTION = 1             # a welcome, or another answer to a connection that has no session yet
    BIND = 2                      # `target` is a session, the frame 8 bytes: the connection that owns it from now on

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

    # Producer. NULL: no room now (flush and wait). Else where to write `bytes` of frames; commit makes them part of the queue.
    cdef char* reserve(self, uint32_t kind, uint64_t target, uint32_t bytes) noexcept nogil
    cdef void commit(self, uint32_t bytes) noexcept nogil
    cdef void flush(self) noexcept nogil              # publishes all that was committed, wakes the consumer
    # Consumer. NULL: empty. Else the next parcel (frames behind it); release frees it.
    cdef const Parcel* peek(self) noexcept nogil
    cdef void release(self) noexcept nogil
