"""The ring: preallocated slots and one sequence a stage, each stage following the one before it."""

from libc.stdint cimport uint32_t, uint64_t

from processor.layout cimport Slot
from processor.ring.sequence cimport Sequence, Waiter, sequence_get

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t*, void*)
    int pthread_mutex_lock(pthread_mutex_t*)
    int pthread_mutex_unlock(pthread_mutex_t*)
    int pthread_mutex_destroy(pthread_mutex_t*)

cdef enum:
    STAGE_PUBLISHED = 0           # moved by the producer (gateway)
    STAGE_DURABLE = 1             # moved by the journaler, when the journal has acknowledged
    STAGE_APPLIED = 2             # moved by the business logic; behind it a slot is free again
    STAGES_MAX = 4
    ROOM = STAGES_MAX             # the waiter of a producer beside the gateway that waits for free slots

cdef class Ring:
    cdef char* memory
    cdef readonly uint32_t slot_bytes
    cdef readonly uint64_t capacity
    cdef readonly uint64_t reserved       # slots kept back for control events
    cdef readonly int stages
    cdef uint64_t mask
    cdef Sequence* sequences              # [stages]: positions, counted from 0 since this ring was made
    cdef Waiter* waiters                  # [stages] and ROOM: of the thread that moves this stage; advance wakes the one behind
    cdef size_t memory_bytes
    cdef pthread_mutex_t producing        # held by whoever is the producer just now, where there is more than one
    cdef uint64_t shared                  # there is: `advance` wakes the waiter ROOM, too
    cdef uint64_t passed                  # the producer's: where it last saw the last stage

    cdef inline Slot* slot(self, uint64_t position) noexcept nogil:
        return <Slot*>(self.memory + (position & self.mask) * self.slot_bytes)

    # One producer at a time: it holds this from its look at the free slots until it has published.
    cdef inline void lock_producer(self) noexcept nogil:
        pthread_mutex_lock(&self.producing)
    cdef inline void unlock_producer(self) noexcept nogil:
        pthread_mutex_unlock(&self.producing)
    # Says that producers beside the gateway are about to come; they wait for room with waiters[ROOM], one at a time.
    cdef void share(self) noexcept nogil

    # Slots that the producer may fill from its position on; without the reserved ones unless `control`.
    cdef uint64_t free_slots(self, bint control) noexcept nogil
    # The same, but not past the end of the memory, so that the run is contiguous.
    cdef uint64_t free_run(self, bint control) noexcept nogil
    # The same, at most `most`, without the reserved ones. It remembers how far the last stage was, and looks again (at a cache line
    # that another core writes) only when that is not enough: 0 still means that the ring is full.
    cdef inline uint64_t claim_run(self, uint64_t most) noexcept nogil:
        cdef uint64_t position = self.sequences[0].value       # the producer's own: nobody else writes it
        cdef uint64_t limit = self.capacity - self.reserved
        cdef uint64_t to_end = self.capacity - (position & self.mask)
        if most > to_end:
            most = to_end
        if position + most > self.passed + limit:
            self.passed = sequence_get(&self.sequences[self.stages - 1])
            if position + most > self.passed + limit:
                # Control events may have gone beyond the limit.
                most = self.passed + limit - position if self.passed + limit > position else 0
        return most

    # Slots that `stage` may take from `position` on, contiguous in memory, at most `most`.
    cdef uint64_t available_run(self, int stage, uint64_t position, uint64_t most) noexcept nogil
    # Moves a stage's sequence to `position` and wakes the thread behind it.
    cdef void advance(self, int stage, uint64_t position) noexcept nogil
