"""Runs of equal events as NumPy handlers see them, and what such a handler says, until it becomes frames event by event."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from processor.layout cimport Slot
from processor.logic.emitter cimport Emitter

cdef struct Said:                 # one call of emit or reject
    const char* payloads          # one behind the other; of a rejection the one reason
    const int64_t* events         # which event of the run each answers, never falling; NULL: the first, the second, ...
    uint64_t count
    uint64_t next                 # the one that becomes a frame next
    uint32_t step                 # bytes from one payload to the next; 0 of a rejection
    uint16_t type
    uint16_t length

cdef class RunContext:
    cdef dict messages            # output class -> Message
    cdef bint live                # inside of a handler
    cdef uint64_t count           # events of the run
    cdef uint8_t[::1] answers     # [count]: NOTHING, EMITTED or REJECTED
    cdef Said* said
    cdef uint32_t said_count
    cdef uint32_t said_capacity
    cdef list kept                # the arrays behind `said`

    cdef int begin(self, uint64_t count) except -1
    cdef void end(self)
    cdef object put(self, payloads, events, uint16_t type, uint16_t length, uint32_t step)
    cdef object which(self, given)
    # The frames of event k, whose turn comes in order. 1: it was rejected, 0: it was not, -1: memory is short.
    cdef int frame(self, uint64_t k, const Slot* event, Emitter* emitter) noexcept nogil

# A handler called with a run of `count` slots, as a read-only array over them (strict: over a copy that is overwritten afterwards).
cdef int call_with_run(handler, state, RunContext context, dtype, const char* first, uint64_t count, uint32_t slot_bytes,
                       bint strict) except -1
