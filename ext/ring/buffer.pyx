"""The ring buffer: see buffer.pxd for the contract."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from processor.layout cimport SLOT_BYTES_MIN, Slot
from processor.ring.sequence cimport (
    WAIT_BLOCK, Sequence, Waiter, load_acquire, sequence_get, sequence_set, store_release, waiter_close, waiter_init, waiter_wake,
)

from processor.errors import WrongUse

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void*, size_t, int, int, int, long)
    int munmap(void*, size_t)
    int madvise(void*, size_t, int)
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE, MADV_DONTFORK
    void* MAP_FAILED

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t, size_t)

STRATEGIES = {"block": 0, "yield": 1, "spin": 2}


cdef class Ring:
    """Slots shared by a producer and the stages behind it.

    `capacity` is a power of two, `reserved` slots of it only control events may use, `stages` counts the sequences (the producer's
    included). One thread moves each sequence (the producer's: one at a time, see lock_producer). Raises WrongUse for numbers that cannot be, MemoryError when there is no room.

    Thread safety: stage k's sequence is moved by one thread; a slot is written by the producer until it is published, then by
    the stages in their order, and never by two of them at once.
    """

    def __cinit__(self, uint32_t slot_bytes, uint64_t capacity, *, uint64_t reserved=16, int stages=3, str wait="block"):
        cdef int k
        if capacity < 2 or capacity & (capacity - 1):
            raise WrongUse(f"a ring has a power of two of slots, not {capacity}")
        if slot_bytes < SLOT_BYTES_MIN or slot_bytes % 8:
            raise WrongUse(f"a slot has at least {SLOT_BYTES_MIN} bytes, a multiple of 8, not {slot_bytes}")
        if reserved >= capacity or not 2 <= stages <= STAGES_MAX:
            raise WrongUse(f"{reserved} reserved slots of {capacity}, {stages} stages: that cannot be")
        if wait not in STRATEGIES:
            raise WrongUse(f"a wait strategy is block, yield or spin, not {wait!r}")
        self.slot_bytes = slot_bytes
        self.capacity = capacity
        self.mask = capacity - 1
        self.reserved = reserved
        self.stages = stages
        self.memory_bytes = capacity * slot_bytes
        self.sequences = <Sequence*>aligned_alloc(128, sizeof(Sequence) * STAGES_MAX)
        self.waiters = <Waiter*>aligned_alloc(128, sizeof(Waiter) * (STAGES_MAX + 1))
        if self.sequences == NULL or self.waiters == NULL:
            raise MemoryError("ring sequences")
        memset(self.sequences, 0, sizeof(Sequence) * STAGES_MAX)
        pthread_mutex_init(&self.producing, NULL)
        for k in range(STAGES_MAX + 1):
            self.waiters[k].event_fd = -1
        for k in (*range(stages), ROOM):
            # Whoever waits for room sleeps, whatever the strategy: a full ring is no matter of microseconds.
            if waiter_init(&self.waiters[k], WAIT_BLOCK if k == ROOM else STRATEGIES[wait]) < 0:
                raise OSError("no descriptor left for a ring's waiter (raise the limit: ulimit -n)")
        # Populated at once, so that no event pays for a page fault; not inherited by the child that writes a snapshot.
        self.memory = <char*>mmap(NULL, self.memory_bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
        if self.memory == <char*>MAP_FAILED:
            self.memory = NULL
            raise MemoryError(f"no {self.memory_bytes} bytes for the ring: make it smaller")
        madvise(self.memory, self.memory_bytes, MADV_DONTFORK)

    def __dealloc__(self):
        cdef int k
        if self.memory != NULL:
            munmap(self.memory, self.memory_bytes)
        if self.waiters != NULL:
            for k in range(STAGES_MAX + 1):
                waiter_close(&self.waiters[k])
            pthread_mutex_destroy(&self.producing)
            free(self.waiters)
        free(self.sequences)

    cdef uint64_t free_slots(self, bint control) noexcept nogil:
        cdef uint64_t used = sequence_get(&self.sequences[0]) - sequence_get(&self.sequences[self.stages - 1])
        cdef uint64_t limit = self.capacity if control else self.capacity - self.reserved
        return limit - used if used < limit else 0

    cdef uint64_t free_run(self, bint control) noexcept nogil:
        cdef uint64_t to_end = self.capacity - (sequence_get(&self.sequences[0]) & self.mask)
        cdef uint64_t room = self.free_slots(control)
        return room if room < to_end else to_end

    cdef uint64_t available_run(self, int stage, uint64_t position, uint64_t most) noexcept nogil:
        cdef uint64_t count = sequence_get(&self.sequences[stage - 1]) - position
        cdef uint64_t to_end = self.capacity - (position & self.mask)
        if count > to_end:
            count = to_end
        return count if count < most else most

    cdef void advance(self, int stage, uint64_t position) noexcept nogil:
        sequence_set(&self.sequences[stage], position)
        # The thread behind the last stage is the producer, which may wait for room.
        if stage + 1 < self.stages:
            waiter_wake(&self.waiters[stage + 1])
            return
        waiter_wake(&self.waiters[0])
        if load_acquire(&self.shared):
            waiter_wake(&self.waiters[ROOM])

    cdef void share(self) noexcept nogil:
        store_release(&self.shared, 1)

    def position(self, int stage):
        """Slots that this stage (0 is the producer) has passed since the ring was made."""
        return sequence_get(&self.sequences[stage])
