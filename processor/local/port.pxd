"""The hot half of submission within the process: events into the ring, answers out of an inbox, without the GIL."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from processor.layout cimport Slot
from processor.logic.core cimport Core
from processor.outputs.inbox cimport INBOXES_MAX, Inbox
from processor.ring.buffer cimport Ring, pthread_mutex_t
from processor.ring.sequence cimport Sequence, Waiter

cdef class Intake:
    cdef Ring ring
    cdef Core core
    cdef int32_t* lengths         # [65536]: payload bytes of each event type, -1 for those that do not exist
    cdef pthread_mutex_t room     # held by the one thread that waits for free slots
    cdef uint64_t closed
    cdef list ports
    cdef Waiter* waiters[INBOXES_MAX]     # all that were ever made
    cdef uint32_t waiter_count
    cdef Waiter* spare[INBOXES_MAX]       # of ports that were closed: a late wake of one disturbs nobody
    cdef uint32_t spare_count

    cdef Waiter* take_waiter(self) except NULL
    # Free slots, contiguous, with the producer's lock held when there are some. 0: none, no lock; -1: closed, no lock.
    cdef int64_t claim(self, uint64_t most) noexcept nogil
    cdef void publish(self, uint64_t count) noexcept nogil
    cdef void wait_for_room(self, int timeout_ms) noexcept nogil

cdef class Port:
    cdef Intake intake
    cdef Inbox inbox
    cdef Sequence* sequences
    cdef uint64_t connection
    cdef bint asked               # for a session, with no refusal since
    cdef uint64_t submitted_
    cdef uint64_t taken           # requests whose frames left the inbox
    cdef uint64_t released        # of these, whose answers were handed out
    cdef readonly uint64_t window
    cdef pthread_mutex_t waiting  # held by the one thread that waits for answers

    cdef uint64_t put(self, const uint8_t* first, uint32_t size, uint64_t count, int type, int timeout_ms, bint* wrong) noexcept nogil
    cdef uint64_t may_submit(self) noexcept nogil
    cdef void complete(self, Slot* slot) noexcept nogil
    cdef int wait_for(self, uint64_t until, int timeout_ms) noexcept nogil
