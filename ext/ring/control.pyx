"""The control queue (see control.pxd): small, bounded, any thread puts, the ring's producer drains."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from processor.layout cimport (
    CONTROL_FIRST, CONTROL_QUARANTINE, CONTROL_SNAPSHOT, CONTROL_STATE_HASH, SLOT_HEADER_BYTES, Slot, SnapshotTrigger, payload_of,
)
from processor.ring.buffer cimport (
    STAGE_PUBLISHED, Ring, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock,
)
from processor.ring.sequence cimport load_acquire, sequence_get, store_release, waiter_wake

from processor.errors import WrongUse


cdef class ControlQueue:
    """A small bounded queue of control events. Thread safety: any thread puts, the ring's producer alone drains.

    An event that is pending already stands for another of the same type and payload, and a snapshot trigger that nobody waits for
    (number 0) for any other such; state hashes are never merged. The last place, here and in the ring, is kept for quarantine.
    """

    def __cinit__(self, Ring ring not None, uint32_t capacity=64):
        if capacity < 2:
            raise WrongUse(f"a control queue has at least 2 places (one is kept for quarantine), not {capacity}")
        self.ring = ring
        self.capacity = capacity
        self.events = <ControlEvent*>calloc(capacity, sizeof(ControlEvent))
        if self.events == NULL:
            raise MemoryError("the control queue")
        pthread_mutex_init(&self.mutex, NULL)

    def __dealloc__(self):
        if self.events != NULL:
            pthread_mutex_destroy(&self.mutex)
            free(self.events)

    cdef int put_control(self, uint16_t type, const void* payload, uint32_t length) noexcept nogil:
        cdef ControlEvent event
        cdef int taken
        memset(&event, 0, sizeof(event))
        event.type = type
        memcpy(event.payload, payload, length if length < CONTROL_PAYLOAD_BYTES else CONTROL_PAYLOAD_BYTES)
        pthread_mutex_lock(&self.mutex)
        taken = self.pending_twin(&event)
        if not taken and self.count < self.capacity - (0 if type == CONTROL_QUARANTINE else 1):
            self.events[(self.first + self.count) % self.capacity] = event
            store_release(&self.count, self.count + 1)
            taken = 1
        pthread_mutex_unlock(&self.mutex)
        if taken:
            waiter_wake(&self.ring.waiters[STAGE_PUBLISHED])
        return taken

    cdef int pending_twin(self, const ControlEvent* event) noexcept nogil:
        cdef const ControlEvent* other
        cdef uint64_t k
        if event.type == CONTROL_STATE_HASH:
            return 0
        for k in range(self.count):
            other = &self.events[(self.first + k) % self.capacity]
            if other.type != event.type:
                continue
            if memcmp(other.payload, event.payload, CONTROL_PAYLOAD_BYTES) == 0:
                return 1
            if (event.type == CONTROL_SNAPSHOT and (<SnapshotTrigger*>event.payload).number == 0
                    and (<SnapshotTrigger*>other.payload).number == 0):
                return 1
        return 0

    cdef uint64_t drain(self) noexcept nogil:
        cdef ControlEvent event
        cdef uint64_t position
        cdef uint64_t moved = 0
        cdef Slot* slot
        while self.can_drain() and self.take(self.ring.free_slots(True), &event):
            position = sequence_get(&self.ring.sequences[STAGE_PUBLISHED])
            slot = self.ring.slot(position)
            memset(slot, 0, self.ring.slot_bytes)
            slot.type = event.type
            slot.length = CONTROL_PAYLOAD_BYTES
            memcpy(payload_of(slot), event.payload, CONTROL_PAYLOAD_BYTES)
            self.ring.advance(STAGE_PUBLISHED, position + 1)
            moved += 1
        return moved

    cdef bint can_drain(self) noexcept nogil:
        cdef uint64_t room, k
        cdef bint found = False
        if load_acquire(&self.count) == 0:
            return False
        room = self.ring.free_slots(True)
        if room > 1 or room == 0:
            return room > 1
        pthread_mutex_lock(&self.mutex)
        for k in range(self.count):
            if self.events[(self.first + k) % self.capacity].type == CONTROL_QUARANTINE:
                found = True
        pthread_mutex_unlock(&self.mutex)
        return found

    cdef int take(self, uint64_t room, ControlEvent* event) noexcept nogil:
        """The next event that `room` free slots allow: the first one, but into the last slot only a quarantine. 0: none."""
        cdef uint64_t k = 0
        cdef uint64_t j
        cdef int found = 0
        pthread_mutex_lock(&self.mutex)
        if room == 1:
            while k < self.count and self.events[(self.first + k) % self.capacity].type != CONTROL_QUARANTINE:
                k += 1
        if room and k < self.count:
            event[0] = self.events[(self.first + k) % self.capacity]
            for j in range(k, 0, -1):             # those it overtakes move up, in their order
                self.events[(self.first + j) % self.capacity] = self.events[(self.first + j - 1) % self.capacity]
            self.first = (self.first + 1) % self.capacity
            store_release(&self.count, self.count - 1)
            found = 1
        pthread_mutex_unlock(&self.mutex)
        return found

    def put(self, int type, payload=b""):
        """Makes a control event pending and wakes the gateway; False when the queue is full (try later).

        `payload` has at most 32 bytes. Raises WrongUse for a longer one, or for a type that is no control event's.
        """
        cdef bytes kept = bytes(payload)
        cdef const char* first = kept
        cdef uint32_t length = <uint32_t>len(kept)
        cdef int taken
        if not CONTROL_FIRST <= type <= 0xFFFF or len(kept) > CONTROL_PAYLOAD_BYTES:
            raise WrongUse(f"a control event has a type from {CONTROL_FIRST:#x} on and at most {CONTROL_PAYLOAD_BYTES} bytes of "
                           f"payload; got type {type:#x}, {len(kept)} bytes")
        with nogil:
            taken = self.put_control(<uint16_t>type, first, length)
        return bool(taken)

    @property
    def pending(self):
        """Events that are not in the ring yet."""
        return load_acquire(&self.count)

    def drain_now(self):
        """Moves what is pending into the ring and publishes it; how many. Only where no gateway runs (tests, tools)."""
        return self.drain()
