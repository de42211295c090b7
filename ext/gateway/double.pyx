"""Test support: stands in for journaler and logic behind a gateway, so that gateway and client can be tested on their own.

Takes published slots, numbers them, and answers: events of type 1 with one output (type 1, the same payload), type 2 with nothing to say,
type 3 with a rejection, type 4 with as many outputs as its payload's first 8 bytes say. It keeps sessions and the last `window`
requests of each, and outlives the ring and the gateway that it is attached to, as a journal outlives a process.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from processor.layout cimport (
    CONTROL_FIRST, CONTROL_SESSION_OPEN, REPLY_BUSY, REPLY_DONE, REPLY_EVICTED, REPLY_GAP, REPLY_HEADER_BYTES, REPLY_LAST,
    REPLY_REJECTED, REPLY_REPEATED, REPLY_TOO_OLD, REPLY_WELCOME, Reply, SessionOpen, Slot, Welcome, padded8, payload_of, slot_at,
)
from processor.outputs.queue cimport BIND, TO_CONNECTION, TO_SESSION, OutputQueue
from processor.ring.buffer cimport STAGE_APPLIED, STAGE_DURABLE, Ring
from processor.ring.sequence cimport (
    Waiter, load_acquire, load_relaxed, store_relaxed, store_release, waiter_busy, waiter_cancel, waiter_idle, waiter_prepare,
    waiter_sleep, waiter_wake,
)

cdef struct Kept:
    char token[16]
    uint64_t last_request
    uint64_t evicted              # set by any thread
    char* slots                   # [window] the last requests' slots, from which their outputs are made again


cdef inline void count_one(uint64_t* counter) noexcept nogil:
    store_relaxed(counter, counter[0] + 1)


cdef class Double:
    """Journaler and logic in one thread (`run`), for tests. Attach it to a ring and an output queue first."""

    cdef Ring ring
    cdef OutputQueue outputs
    cdef bytes schema
    cdef const char* schema_first
    cdef uint64_t schema_bytes
    cdef uint64_t fingerprint
    cdef uint32_t window
    cdef uint32_t slot_bytes
    cdef uint32_t sessions_max
    cdef Kept* kept               # [sessions_max + 1], by session
    # Written by the thread that runs, read by anybody.
    cdef uint64_t sessions_
    cdef uint64_t sequence_
    cdef uint64_t applied_
    cdef uint64_t repeated_
    cdef uint64_t control_events_
    cdef uint64_t taken
    cdef uint64_t stopping
    cdef uint64_t holding
    cdef uint64_t answering       # 0: applies, and says nothing (as if it were killed before its answers left)
    cdef uint32_t most

    def __cinit__(self, schema, uint32_t window, uint32_t sessions_max=1024):
        self.schema = schema.text.encode()
        self.schema_first = self.schema
        self.schema_bytes = len(self.schema)
        self.fingerprint = schema.fingerprint
        self.slot_bytes = schema.slot_bytes
        self.window = window
        self.sessions_max = sessions_max
        self.answering = 1
        self.most = 4096
        self.kept = <Kept*>calloc(sessions_max + 1, sizeof(Kept))
        if self.kept == NULL:
            raise MemoryError("sessions of the test double")

    def __dealloc__(self):
        cdef uint32_t k
        if self.kept != NULL:
            for k in range(self.sessions_max + 1):
                free(self.kept[k].slots)
        free(self.kept)

    @property
    def sessions(self):
        """Sessions opened so far; the last one's number."""
        return load_relaxed(&self.sessions_)

    @property
    def sequence(self):
        """Of the last event that was taken."""
        return load_relaxed(&self.sequence_)

    @property
    def applied(self):
        """Requests applied, each once."""
        return load_relaxed(&self.applied_)

    @property
    def repeated(self):
        """Requests answered a second time."""
        return load_relaxed(&self.repeated_)

    @property
    def control_events(self):
        """Control events passed, session opens aside."""
        return load_relaxed(&self.control_events_)

    def attach(self, Ring ring, OutputQueue outputs):
        self.ring = ring
        self.outputs = outputs
        self.taken = 0
        self.stopping = 0

    def stop(self):
        """Makes run return when all that is published is answered (or at once, when it holds)."""
        store_release(&self.stopping, 1)
        waiter_wake(&self.ring.waiters[STAGE_DURABLE])
        waiter_wake(&self.ring.waiters[STAGE_APPLIED])

    def hold(self, bint on=True):
        """Takes nothing from the ring while this is on."""
        store_release(&self.holding, on)
        waiter_wake(&self.ring.waiters[STAGE_DURABLE])

    def silence(self, bint on=True):
        """Applies without answering while this is on."""
        store_release(&self.answering, not on)

    def evict(self, uint32_t session):
        """Forgets a session; whoever asks in it is told so."""
        store_release(&self.kept[session].evicted, 1)

    def run(self):
        with nogil:
            self.loop()

    cdef void loop(self) noexcept nogil:
        cdef Waiter* waiter = &self.ring.waiters[STAGE_DURABLE]
        cdef uint64_t count, k
        cdef Slot* first
        while True:
            count = 0 if load_acquire(&self.holding) else self.ring.available_run(STAGE_DURABLE, self.taken, self.most)
            if count:
                first = self.ring.slot(self.taken)
                for k in range(count):
                    self.apply(slot_at(<const char*>first, k, self.slot_bytes))
                self.taken += count
                self.ring.advance(STAGE_DURABLE, self.taken)
                self.outputs.flush()
                self.ring.advance(STAGE_APPLIED, self.taken)
                waiter_busy(waiter)
                continue
            if load_acquire(&self.stopping):
                return
            if not waiter_idle(waiter):
                continue
            waiter_prepare(waiter)
            if (load_acquire(&self.stopping)
                    or (self.ring.available_run(STAGE_DURABLE, self.taken, 1) and not load_acquire(&self.holding))):
                waiter_cancel(waiter)
                continue
            waiter_sleep(waiter, -1, -1)

    cdef void apply(self, Slot* slot) noexcept nogil:
        cdef Kept* kept
        cdef uint64_t last
        count_one(&self.sequence_)
        slot.sequence = self.sequence_
        slot.timestamp = <int64_t>self.sequence_ * 1000
        if slot.type == CONTROL_SESSION_OPEN:
            self.open_session(slot)
            return
        if slot.type >= CONTROL_FIRST:
            count_one(&self.control_events_)
            return
        kept = &self.kept[slot.session]
        if load_acquire(&kept.evicted):
            self.say(slot, TO_SESSION, slot.session, REPLY_EVICTED, REPLY_LAST, 0, NULL, 0)
        elif slot.request == kept.last_request + 1:
            kept.last_request = slot.request
            memcpy(kept.slots + (slot.request % self.window) * self.slot_bytes, slot, self.slot_bytes)
            count_one(&self.applied_)
            self.answer(slot, 0)
        elif slot.request > kept.last_request:
            last = kept.last_request
            self.say(slot, TO_SESSION, slot.session, REPLY_GAP, REPLY_LAST, 0, &last, 8)
        elif slot.request + self.window > kept.last_request:
            count_one(&self.repeated_)
            self.answer(<Slot*>(kept.slots + (slot.request % self.window) * self.slot_bytes), REPLY_REPEATED)
        else:
            self.say(slot, TO_SESSION, slot.session, REPLY_TOO_OLD, REPLY_LAST, 0, NULL, 0)

    cdef void answer(self, const Slot* slot, uint16_t flags) noexcept nogil:
        cdef const char* payload = payload_of(slot)
        cdef uint64_t outputs, k
        if slot.type == 1:
            self.say(slot, TO_SESSION, slot.session, 1, flags | REPLY_LAST, 0, payload, slot.length)
        elif slot.type == 3:
            self.say(slot, TO_SESSION, slot.session, REPLY_REJECTED, flags | REPLY_LAST, 0, "not today", 9)
        elif slot.type == 4 and (<const uint64_t*>payload)[0]:
            outputs = (<const uint64_t*>payload)[0]
            for k in range(outputs):
                self.say(slot, TO_SESSION, slot.session, 1, flags | (REPLY_LAST if k + 1 == outputs else 0), <uint16_t>k,
                         payload, slot.length)
        else:
            self.say(slot, TO_SESSION, slot.session, REPLY_DONE, flags | REPLY_LAST, 0, NULL, 0)

    cdef void open_session(self, Slot* slot) noexcept nogil:
        cdef SessionOpen* asked = <SessionOpen*>payload_of(slot)
        cdef uint32_t session = asked.session
        cdef char* room
        cdef Welcome* welcome
        cdef uint16_t length = <uint16_t>(sizeof(Welcome) + self.schema_bytes)
        if session == 0:
            for session in range(1, <uint32_t>self.sessions_ + 1):
                if memcmp(self.kept[session].token, asked.token, 16) == 0:
                    break
            else:
                session = <uint32_t>self.sessions_ + 1
        if session > self.sessions_max:
            self.say(slot, TO_CONNECTION, asked.connection, REPLY_BUSY, REPLY_LAST, 0, NULL, 0)
            return
        if (load_acquire(&self.kept[session].evicted)
                or (session <= self.sessions_ and memcmp(self.kept[session].token, asked.token, 16))):
            self.say(slot, TO_CONNECTION, asked.connection, REPLY_EVICTED, REPLY_LAST, 0, NULL, 0)
            return
        if session > self.sessions_:
            store_relaxed(&self.sessions_, session)
            memcpy(self.kept[session].token, asked.token, 16)
            self.kept[session].slots = <char*>calloc(self.window, self.slot_bytes)
        room = self.room(BIND, session, 8)
        if room != NULL:
            memcpy(room, &asked.connection, 8)
            self.outputs.commit(8)
        room = self.frame(slot, TO_CONNECTION, asked.connection, REPLY_WELCOME, REPLY_LAST, 0, length)
        if room == NULL:
            return
        welcome = <Welcome*>room
        welcome.fingerprint = self.fingerprint
        welcome.journal_id = 77
        welcome.last_request = self.kept[session].last_request
        welcome.session = session
        welcome.window = self.window
        welcome.slot_bytes = self.slot_bytes
        welcome.schema_bytes = <uint32_t>self.schema_bytes
        memcpy(room + sizeof(Welcome), self.schema_first, self.schema_bytes)
        self.outputs.commit(REPLY_HEADER_BYTES + padded8(length))

    cdef void say(self, const Slot* slot, uint32_t kind, uint64_t target, uint16_t type, uint16_t flags, uint16_t index,
                  const void* payload, uint16_t length) noexcept nogil:
        cdef char* room = self.frame(slot, kind, target, type, flags, index, length)
        if room == NULL:
            return
        if length:
            memcpy(room, payload, length)
        self.outputs.commit(REPLY_HEADER_BYTES + padded8(length))

    cdef char* frame(self, const Slot* slot, uint32_t kind, uint64_t target, uint16_t type, uint16_t flags, uint16_t index,
                     uint16_t length) noexcept nogil:
        cdef uint32_t size = REPLY_HEADER_BYTES + padded8(length)
        cdef char* room
        cdef Reply* reply
        if not load_acquire(&self.answering):
            return NULL
        room = self.room(kind, target, size)
        if room == NULL:
            return NULL
        reply = <Reply*>room
        reply.sequence = slot.sequence
        reply.timestamp = slot.timestamp
        reply.index = index
        reply.flags = flags
        reply.type = type
        reply.length = length
        reply.request = slot.request
        if length & 7:
            memset(room + size - 8, 0, 8)
        return room + REPLY_HEADER_BYTES

    cdef char* room(self, uint32_t kind, uint64_t target, uint32_t size) noexcept nogil:
        """Room in the output queue, waited for; NULL when it was stopped meanwhile."""
        cdef Waiter* waiter = &self.ring.waiters[STAGE_APPLIED]
        cdef char* room = self.outputs.reserve(kind, target, size)
        while room == NULL and not load_acquire(&self.stopping):
            self.outputs.flush()
            if not waiter_idle(waiter):
                room = self.outputs.reserve(kind, target, size)
                continue
            waiter_prepare(waiter)
            room = self.outputs.reserve(kind, target, size)
            if room == NULL and not load_acquire(&self.stopping):
                waiter_sleep(waiter, -1, -1)
            else:
                waiter_cancel(waiter)
        return room
