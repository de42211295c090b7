"""The output queue (see queue.pxd): a byte ring with one producer and one consumer."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from processor.ring.buffer cimport STAGE_APPLIED, STAGE_PUBLISHED, Ring
from processor.ring.sequence cimport Sequence, sequence_get, sequence_set, waiter_wake

from processor.errors import WrongUse

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void*, size_t, int, int, int, long)
    int munmap(void*, size_t)
    int madvise(void*, size_t, int)
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE, MADV_DONTFORK
    void* MAP_FAILED

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t, size_t)

globals().update({"TO_SESSION": TO_SESSION, "TO_CONNECTION": TO_CONNECTION, "BIND": BIND})


cdef class OutputQueue:
    """Bytes between the business logic and the sockets. Thread safety: one thread puts, one takes.

    `capacity` is a power of two, at least 4096 bytes. With a ring, the logic's thread (stage APPLIED) is woken when room appears and
    the gateway's on a flush. Raises WrongUse for another capacity, MemoryError when there is no room.
    """

    def __cinit__(self, uint64_t capacity, Ring ring=None):
        if capacity < 4096 or capacity & (capacity - 1):
            raise WrongUse(f"an output queue has a power of two of bytes, at least 4096, not {capacity}")
        self.capacity = capacity
        self.mask = capacity - 1
        self.head = <Sequence*>aligned_alloc(128, 2 * sizeof(Sequence))
        if self.head == NULL:
            raise MemoryError("output queue sequences")
        memset(self.head, 0, 2 * sizeof(Sequence))
        self.tail = self.head + 1
        # Populated at once, as the ring is, and not inherited by the child that writes a snapshot.
        self.memory = <char*>mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
        if self.memory == <char*>MAP_FAILED:
            self.memory = NULL
            raise MemoryError(f"no {capacity} bytes for the output queue: make it smaller")
        madvise(self.memory, capacity, MADV_DONTFORK)
        if ring is not None:
            self.owner = ring
            self.producer = &ring.waiters[STAGE_APPLIED]
            self.consumer = &ring.waiters[STAGE_PUBLISHED]

    def __dealloc__(self):
        if self.memory != NULL:
            munmap(self.memory, self.capacity)
        free(self.head)

    cdef bint has_room(self, uint64_t bytes) noexcept nogil:
        if self.capacity - (self.pending - self.tail_seen) >= bytes:
            return True
        self.tail_seen = sequence_get(self.tail)
        return self.capacity - (self.pending - self.tail_seen) >= bytes

    cdef char* reserve(self, uint32_t kind, uint64_t target, uint32_t bytes) noexcept nogil:
        cdef Parcel* parcel
        cdef uint64_t to_end = self.capacity - (self.pending & self.mask)
        cdef uint64_t needed = PARCEL_BYTES + ((<uint64_t>bytes + 15) & ~<uint64_t>15)
        cdef uint64_t start
        if self.growing and kind == TO_SESSION:
            parcel = <Parcel*>(self.memory + (self.open_parcel & self.mask))
            start = (self.open_parcel & self.mask) + PARCEL_BYTES + parcel.bytes
            # `needed` is more than it takes, which does not matter.
            if (parcel.target == target and parcel.bytes + bytes <= MERGED_BYTES_MAX and start + bytes <= self.capacity
                    and self.has_room(needed)):
                self.reserved_in_it = True
                return self.memory + start
        self.reserved_in_it = False
        if needed > to_end:
            if not self.has_room(to_end + needed):
                return NULL
            parcel = <Parcel*>(self.memory + (self.pending & self.mask))
            parcel.kind = SKIP
            parcel.target = 0
            parcel.bytes = <uint32_t>(to_end - PARCEL_BYTES)
            self.pending += to_end
            self.growing = False
        elif not self.has_room(needed):
            return NULL
        parcel = <Parcel*>(self.memory + (self.pending & self.mask))
        parcel.kind = kind
        parcel.target = target
        parcel.bytes = 0
        return <char*>parcel + PARCEL_BYTES

    cdef void commit(self, uint32_t bytes) noexcept nogil:
        cdef Parcel* parcel
        if not self.reserved_in_it:
            self.open_parcel = self.pending
        parcel = <Parcel*>(self.memory + (self.open_parcel & self.mask))
        parcel.bytes += bytes
        self.growing = parcel.kind == TO_SESSION
        self.reserved_in_it = False
        self.pending = behind_parcel(self.open_parcel, parcel)

    cdef void flush(self) noexcept nogil:
        if self.head.value == self.pending:
            return
        self.growing = False
        sequence_set(self.head, self.pending)
        if self.consumer != NULL:
            waiter_wake(self.consumer)

    cdef uint64_t position(self) noexcept nogil:
        return self.tail.value

    cdef const Parcel* peek_from(self, uint64_t* position) noexcept nogil:
        cdef const Parcel* parcel
        cdef uint64_t head = sequence_get(self.head)
        while position[0] != head:
            parcel = <const Parcel*>(self.memory + (position[0] & self.mask))
            if parcel.kind != SKIP:
                return parcel
            position[0] = behind_parcel(position[0], parcel)
        return NULL

    cdef void release_to(self, uint64_t position) noexcept nogil:
        sequence_set(self.tail, position)
        if self.producer != NULL:
            waiter_wake(self.producer)

    cdef const Parcel* peek(self) noexcept nogil:
        cdef uint64_t position = self.tail.value
        cdef const Parcel* parcel = self.peek_from(&position)
        if position != self.tail.value:
            self.release_to(position)
        return parcel

    cdef void release(self) noexcept nogil:
        cdef const Parcel* parcel = self.peek()
        if parcel != NULL:
            self.release_to(behind_parcel(self.tail.value, parcel))

    def put(self, uint32_t kind, uint64_t target, frames, *, bint flush=True):
        """Puts one run of frames (a multiple of 8 bytes); False when there is no room now. For tests and tools."""
        cdef bytes kept = bytes(frames)
        cdef uint32_t length = <uint32_t>len(kept)
        cdef char* room
        if len(kept) % 8 or not 0 < len(kept) <= self.capacity // 2 - PARCEL_BYTES:
            raise WrongUse(f"a parcel has a multiple of 8 bytes, at most {self.capacity // 2 - PARCEL_BYTES}, not {len(kept)}")
        room = self.reserve(kind, target, length)
        if room == NULL:
            return False
        memcpy(room, <const char*>kept, length)
        self.commit(length)
        if flush:
            self.flush()
        return True

    def publish(self):
        """Flushes what was put with flush=False."""
        self.flush()

    def take(self):
        """The next parcel as (kind, target, frames), or None. For tests and tools."""
        cdef const Parcel* parcel = self.peek()
        if parcel == NULL:
            return None
        kind, target, size = <uint32_t>parcel.kind, <uint64_t>parcel.target, <uint32_t>parcel.bytes
        taken = (kind, target, (<const char*>parcel + PARCEL_BYTES)[:size])
        self.release()
        return taken
