"""The control queue: events that come from inside (triggers, evictions, hashes, quarantine) on their way into the ring."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from processor.ring.buffer cimport Ring, pthread_mutex_t

cdef enum:
    CONTROL_PAYLOAD_BYTES = 32

cdef struct ControlEvent:
    uint16_t type
    char payload[CONTROL_PAYLOAD_BYTES]

cdef class ControlQueue:
    cdef Ring ring
    cdef pthread_mutex_t mutex
    cdef ControlEvent* events     # [capacity], a circle
    cdef readonly uint32_t capacity
    cdef uint32_t first
    cdef uint64_t count           # written under the mutex, read by anybody

    # Any thread. 1: it is pending, or one like it was; 0: the queue is full, try later. `length` is at most 32.
    cdef int put_control(self, uint16_t type, const void* payload, uint32_t length) noexcept nogil
    cdef int pending_twin(self, const ControlEvent* event) noexcept nogil
    # The ring's producer only: moves what is pending into slots and publishes them. How many it moved.
    cdef uint64_t drain(self) noexcept nogil
    # The ring's producer only: whether drain would move something.
    cdef bint can_drain(self) noexcept nogil
    cdef int take(self, uint64_t room, ControlEvent* event) noexcept nogil
