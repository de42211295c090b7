"""Submission within the process (see port.pxd).

Several threads are producers of one ring here, one at a time: whoever holds the ring's producer lock is the producer, the gateway's
thread included. So there is one way into the ring, an event is copied once, and a full ring holds everybody back.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from processor.layout cimport CONTROL_FIRST, CONTROL_SESSION_OPEN, SLOT_HEADER_BYTES, SessionOpen, Slot, payload_of
from processor.logic.core cimport Core
from processor.logic.views cimport Packer
from processor.outputs.inbox cimport INBOXES_MAX, INBOX_CLOSED, INBOX_EVICTED, INBOX_OVERFLOWN, INBOX_OPEN, INBOX_REFUSED, INBOX_WAITS
from processor.ring.buffer cimport (
    ROOM, STAGE_PUBLISHED, Ring, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock,
)
from processor.ring.sequence cimport (
    WAIT_BLOCK, Sequence, Waiter, load_acquire, sequence_get, sequence_set, store_release, waiter_cancel, waiter_close, waiter_idle, waiter_init,
    waiter_prepare, waiter_sleep, waiter_wake,
)

import numpy as np

from processor.errors import WrongUse

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void*, size_t, int, int, int, long)
    int munmap(void*, size_t)
    int madvise(void*, size_t, int)
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MADV_DONTFORK, MADV_DONTNEED
    void* MAP_FAILED

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t, size_t)

cdef enum:
    SLOTS_A_TURN = 512            # published at once: the journaler starts early, and others get their turn
    WHOLE_SLOTS = -1
    INTAKE_CLOSED = 1             # takes nothing more; answers still come
    INTAKE_OVER = 2               # nor do answers

OPEN, REFUSED, EVICTED, OVERFLOWN = INBOX_OPEN, INBOX_REFUSED, INBOX_EVICTED, INBOX_OVERFLOWN


cdef class Intake:
    """What the sessions within the process of one service share. `lengths` is as for the gateway.

    Thread safety: anything may be called from any thread.
    """

    def __cinit__(self, Ring ring not None, Core core not None, lengths):
        cdef int32_t[::1] given = np.ascontiguousarray(lengths, np.int32)
        cdef int k
        self.ring = ring
        self.core = core
        self.ports = []
        self.lengths = <int32_t*>calloc(65536, sizeof(int32_t))
        if self.lengths == NULL:
            raise MemoryError("the table of lengths")
        for k in range(65536):
            self.lengths[k] = given[k] if 0 < k < CONTROL_FIRST else -1
        pthread_mutex_init(&self.room, NULL)
        ring.share()

    def __dealloc__(self):
        cdef uint32_t k
        for k in range(self.waiter_count):
            waiter_close(self.waiters[k])
            free(self.waiters[k])
        pthread_mutex_destroy(&self.room)
        free(self.lengths)

    cdef Waiter* take_waiter(self) except NULL:
        """One that nobody sleeps on. Their descriptors are never given back while the logic may still wake them."""
        cdef Waiter* waiter
        if self.spare_count:
            self.spare_count -= 1
            return self.spare[self.spare_count]
        if self.waiter_count == INBOXES_MAX:
            raise WrongUse(f"{INBOXES_MAX} sessions are open within this process: threads can share one")
        waiter = <Waiter*>aligned_alloc(128, sizeof(Waiter))
        if waiter == NULL or waiter_init(waiter, WAIT_BLOCK) < 0:
            free(waiter)
            raise OSError("no memory or no descriptor is left for one more session: close some, or raise the limit (ulimit -n)")
        self.waiters[self.waiter_count] = waiter
        self.waiter_count += 1
        return waiter

    def close(self):
        """Takes nothing more into the ring, from when this returns; what is in it is still answered."""
        with nogil:
            self.ring.lock_producer()
            if self.closed < INTAKE_CLOSED:
                store_release(&self.closed, INTAKE_CLOSED)
            self.ring.unlock_producer()
            waiter_wake(&self.ring.waiters[ROOM])

    def finish(self):
        """Says that no answer comes any more: whoever waits for one is told so."""
        self.close()
        store_release(&self.closed, INTAKE_OVER)
        for port in list(self.ports):
            waiter_wake((<Port>port).inbox.waiter)

    @property
    def is_closed(self):
        return load_acquire(&self.closed) != 0

    @property
    def is_over(self):
        return load_acquire(&self.closed) == INTAKE_OVER

    cdef int64_t claim(self, uint64_t most) noexcept nogil:
        cdef uint64_t run
        if load_acquire(&self.closed):
            return -1
        self.ring.lock_producer()
        run = self.ring.free_run(False)
        if load_acquire(&self.closed) or run == 0:
            self.ring.unlock_producer()
            return -1 if load_acquire(&self.closed) else 0
        return run if run < most else most

    cdef void publish(self, uint64_t count) noexcept nogil:
        self.ring.advance(STAGE_PUBLISHED, sequence_get(&self.ring.sequences[STAGE_PUBLISHED]) + count)
        self.ring.unlock_producer()

    cdef void wait_for_room(self, int timeout_ms) noexcept nogil:
        pthread_mutex_lock(&self.room)
        if waiter_idle(&self.ring.waiters[ROOM]):
            waiter_prepare(&self.ring.waiters[ROOM])
            if self.ring.free_slots(False) or load_acquire(&self.closed):
                waiter_cancel(&self.ring.waiters[ROOM])
            else:
                waiter_sleep(&self.ring.waiters[ROOM], -1, timeout_ms)
        pthread_mutex_unlock(&self.room)


cdef class Port:
    """One session: numbers requests from 1 and counts or keeps their answers.

    `inbox_bytes`: a power of two, the memory for answers that nobody has taken yet; 0: they are only counted. With memory, at most
    `window` requests may be unanswered or have answers that were not released. Thread safety: put_* and open by one thread at a time, take by one
    at a time, the rest by any.
    """

    def __cinit__(self, Intake intake not None, uint64_t inbox_bytes, uint64_t window):
        if inbox_bytes & (inbox_bytes - 1) or (inbox_bytes and inbox_bytes < 4096):
            raise WrongUse(f"inbox_bytes is 0 or a power of two, at least 4096, not {inbox_bytes}")
        if window < 1:
            raise WrongUse("window is at least 1")
        self.intake = intake
        self.window = window
        pthread_mutex_init(&self.waiting, NULL)
        memset(&self.inbox, 0, sizeof(self.inbox))
        self.sequences = <Sequence*>aligned_alloc(128, 2 * sizeof(Sequence))
        if self.sequences == NULL:
            raise MemoryError("the sequences of a session")
        memset(self.sequences, 0, 2 * sizeof(Sequence))
        self.inbox.head = self.sequences
        self.inbox.tail = self.sequences + 1
        if inbox_bytes:
            self.inbox.memory = <char*>mmap(NULL, inbox_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            if self.inbox.memory == <char*>MAP_FAILED:
                self.inbox.memory = NULL
                raise MemoryError(f"no {inbox_bytes} bytes for the answers of a session")
            madvise(self.inbox.memory, inbox_bytes, MADV_DONTFORK)
            self.inbox.capacity = inbox_bytes
        self.inbox.waiter = intake.take_waiter()
        # The core keeps this object as long as it may put answers here.
        self.connection = intake.core.add_inbox(&self.inbox, self)
        intake.ports.append(self)

    def __dealloc__(self):
        if self.inbox.memory != NULL:
            munmap(self.inbox.memory, self.inbox.capacity)
        free(self.sequences)
        pthread_mutex_destroy(&self.waiting)

    def open(self, bytes token not None, int timeout_ms):
        """Asks for a session with this token (16 bytes), again if it was refused, and waits for the answer; `state` tells it."""
        cdef const char* first = token
        cdef int64_t run = 0
        cdef Slot* slot
        cdef SessionOpen* asked
        if len(token) != 16:
            raise WrongUse(f"a token has 16 bytes, not {len(token)}")
        with nogil:
            if load_acquire(&self.inbox.state) == INBOX_REFUSED:
                store_release(&self.inbox.state, INBOX_WAITS)     # the logic has answered: it does not look at it any more
                self.asked = False
            if not self.asked:
                run = self.intake.claim(1)
                if run == 0:
                    self.intake.wait_for_room(timeout_ms)
                    run = self.intake.claim(1)
            if run > 0:
                slot = self.intake.ring.slot(sequence_get(&self.intake.ring.sequences[STAGE_PUBLISHED]))
                memset(slot, 0, self.intake.ring.slot_bytes)
                slot.type = CONTROL_SESSION_OPEN
                slot.length = sizeof(SessionOpen)
                asked = <SessionOpen*>payload_of(slot)
                memcpy(asked.token, first, 16)
                asked.connection = self.connection
                self.asked = True
                self.intake.publish(1)
            self.wait_for(0, timeout_ms)

    def put_slots(self, const uint8_t[:, ::1] slots not None, int timeout_ms):
        """Takes as many of these whole slots (n, slot_bytes) as it can without waiting longer than timeout_ms for room; how many.

        Type, length and payload are the caller's; what stands behind the payload is zeroed. Raises WrongUse for a type or a length that
        the application has not; the slots before it are taken.
        """
        cdef uint64_t count = slots.shape[0]
        cdef uint64_t done = 0
        cdef bint wrong = False
        cdef const uint8_t* first = &slots[0, 0] if count else NULL
        if <uint32_t>slots.shape[1] != self.intake.ring.slot_bytes:
            raise WrongUse(f"slots have {self.intake.ring.slot_bytes} bytes here, not {slots.shape[1]}")
        with nogil:
            done = self.put(first, self.intake.ring.slot_bytes, count, WHOLE_SLOTS, timeout_ms, &wrong)
        if wrong:
            raise WrongUse(f"slot {done}: the application has no event of type {slots[done, 20] + 256 * slots[done, 21]} with "
                           f"{slots[done, 22] + 256 * slots[done, 23]} bytes of payload; the {done} slots before it were taken")
        return done

    def put_payloads(self, uint16_t type, const uint8_t[:, ::1] payloads not None, int timeout_ms):
        """As put_slots, of events of one type, given as payloads (n, length)."""
        cdef uint64_t count = payloads.shape[0]
        cdef uint32_t length = <uint32_t>payloads.shape[1]
        cdef uint64_t done
        cdef bint wrong = False
        cdef const uint8_t* first = &payloads[0, 0] if count and length else NULL
        if self.intake.lengths[type] != <int32_t>length:
            raise WrongUse(f"the application has no event of type {type} with {length} bytes of payload")
        with nogil:
            done = self.put(first, length, count, type, timeout_ms, &wrong)
        return done

    cdef uint64_t put(self, const uint8_t* first, uint32_t size, uint64_t count, int type, int timeout_ms, bint* wrong) noexcept nogil:
        """Whole slots, or payloads of `type`, of `size` bytes each; how many were taken before there was no room, or a wrong one."""
        cdef uint64_t done = 0
        cdef uint64_t most, position
        cdef int64_t run, k
        cdef Slot* slot
        while done < count and not wrong[0]:
            most = self.may_submit()
            if most == 0:
                break
            run = self.intake.claim(min(min(most, count - done), <uint64_t>SLOTS_A_TURN))
            if run < 0:
                break
            if run == 0:
                if timeout_ms == 0:
                    break
                self.intake.wait_for_room(timeout_ms)
                timeout_ms = 0 if self.intake.ring.free_slots(False) == 0 else timeout_ms
                continue
            position = sequence_get(&self.intake.ring.sequences[STAGE_PUBLISHED])
            for k in range(run):
                slot = self.intake.ring.slot(position + k)
                if type == WHOLE_SLOTS:
                    memcpy(slot, first + done * size, size)
                    if self.intake.lengths[slot.type] != slot.length:
                        wrong[0] = True
                        run = k
                        break
                else:
                    slot.type = <uint16_t>type
                    slot.length = <uint16_t>size
                    if size:
                        memcpy(payload_of(slot), first + done * size, size)
                self.complete(slot)
                done += 1
            self.intake.publish(run)
        return done

    def put_event(self, Packer packer not None, event, int timeout_ms):
        """As put_payloads, of one event given as an object; 1, or 0 when there was no room."""
        packer.pack(event)
        return self.put_payloads(packer.number, <uint8_t[:1, :packer.length]><uint8_t*>packer.payload if packer.length
                                 else np.zeros((1, 0), np.uint8), timeout_ms)

    cdef uint64_t may_submit(self) noexcept nogil:
        """Requests that may be put before answers must have been taken; 0 for ever when the session is not open."""
        cdef uint64_t unread
        if load_acquire(&self.inbox.state) != INBOX_OPEN:
            return 0
        if self.inbox.memory == NULL:
            return <uint64_t>-1
        unread = self.submitted_ - load_acquire(&self.released)
        return self.window - unread if unread < self.window else 0

    cdef void complete(self, Slot* slot) noexcept nogil:
        """What is the session's part in a slot whose type, length and payload are there."""
        cdef uint32_t used = SLOT_HEADER_BYTES + slot.length
        store_release(&self.submitted_, self.submitted_ + 1)
        slot.sequence = 0
        slot.timestamp = 0
        slot.session = self.inbox.session
        slot.request = self.submitted_
        if used < self.intake.ring.slot_bytes:
            memset(<char*>slot + used, 0, self.intake.ring.slot_bytes - used)

    def wait(self, uint64_t until, int timeout_ms):
        """Waits until request `until` is answered, the session or the service ends, or timeout_ms are over. True: it is answered."""
        cdef int answered
        with nogil:
            answered = self.wait_for(until, timeout_ms)
        return bool(answered)

    cdef int wait_for(self, uint64_t until, int timeout_ms) noexcept nogil:
        """With until = 0: until there is an answer to the session open."""
        cdef bint done = False
        pthread_mutex_lock(&self.waiting)
        while True:
            waiter_prepare(self.inbox.waiter)
            if until:
                done = load_acquire(&self.inbox.answered) >= until
            else:
                done = load_acquire(&self.inbox.state) != INBOX_WAITS
            if done or timeout_ms == 0 or load_acquire(&self.intake.closed) == INTAKE_OVER:
                waiter_cancel(self.inbox.waiter)
                break
            if until and load_acquire(&self.inbox.state) != INBOX_OPEN:
                waiter_cancel(self.inbox.waiter)
                break
            # One sleep: who is woken too early is asked again, and may look for signals before.
            waiter_sleep(self.inbox.waiter, -1, timeout_ms)
            timeout_ms = 0
        pthread_mutex_unlock(&self.waiting)
        return done

    def take(self):
        """The frames of all answers that have come and were not taken, whole and in order, as bytes."""
        cdef uint64_t answered = load_acquire(&self.inbox.answered)
        cdef uint64_t end = sequence_get(self.inbox.head)
        cdef uint64_t first = sequence_get(self.inbox.tail)
        cdef uint64_t at, run
        if end == first:
            store_release(&self.taken, answered)
            return b""
        at = first & (self.inbox.capacity - 1)
        run = min(end - first, self.inbox.capacity - at)
        taken = self.inbox.memory[at:at + run]
        if run < end - first:
            taken += self.inbox.memory[:end - first - run]
        sequence_set(self.inbox.tail, end)
        store_release(&self.taken, answered)
        return taken

    def release(self, uint64_t count):
        """Says that the answers of `count` requests were handed out: as many more may be submitted."""
        store_release(&self.released, self.released + count)

    def close(self):
        """Gives its memory back; answers that come later are dropped."""
        store_release(&self.inbox.state, INBOX_CLOSED)
        if self.inbox.memory != NULL:
            madvise(self.inbox.memory, self.inbox.capacity, MADV_DONTNEED)
        waiter_wake(self.inbox.waiter)
        if self in self.intake.ports:
            self.intake.ports.remove(self)
            with nogil:           # nobody sleeps on it any more, nor will: the session is closed
                pthread_mutex_lock(&self.waiting)
                pthread_mutex_unlock(&self.waiting)
            self.intake.spare[self.intake.spare_count] = self.inbox.waiter
            self.intake.spare_count += 1

    @property
    def session(self):
        """The session's number; 0 before it is open."""
        return self.inbox.session

    @property
    def state(self):
        """0 waits, 1 open, 2 refused, 3 evicted, 4 overflown, 5 closed."""
        return load_acquire(&self.inbox.state)

    @property
    def submitted(self):
        """The number of the last request that was put."""
        return load_acquire(&self.submitted_)

    @property
    def answered(self):
        """The number of the last request that is answered."""
        return load_acquire(&self.inbox.answered)

    @property
    def taken(self):
        """The number of the last request whose frames left the inbox."""
        return load_acquire(&self.taken)

    @property
    def unreleased(self):
        """Requests that were put and whose answers were not handed out."""
        return load_acquire(&self.submitted_) - load_acquire(&self.released)

    @property
    def outputs(self):
        """Reply frames that came."""
        return load_acquire(&self.inbox.outputs)

    @property
    def rejected(self):
        """Requests that were rejected."""
        return load_acquire(&self.inbox.rejected)
