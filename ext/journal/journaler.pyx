"""The journaler (see journaler.pxd): the only one that sees all slots in order."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from processor.counters cimport (
    COUNT_BLOCKS, COUNT_DURABLE, COUNT_HANDED, COUNT_JOURNAL_AWAY, COUNT_PUBLISHED, Counters,
)
from processor.journal.base cimport APPEND_FAILED, APPEND_FULL, APPEND_OK, Ack, Journal
from processor.layout cimport BLOCK_MAGIC, BLOCK_SLOTS, BLOCK_VERSION, BlockHeader, Slot
from processor.leadership.validity cimport ACK_ADVANCE, ACK_LOG_LOST, LeaderLog
from processor.ring.buffer cimport STAGE_DURABLE, STAGE_PUBLISHED, Ring
from processor.ring.sequence cimport (
    load_acquire, sequence_get, store_release, waiter_busy, waiter_cancel, waiter_idle, waiter_prepare, waiter_sleep, waiter_wake,
)

from processor.errors import WrongUse
from processor.leadership.examine import examine

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec*)
    int CLOCK_REALTIME

cdef enum:
    ACKS_AT_ONCE = 64


cdef class Journaler:
    """Appends what the gateway publishes, in blocks of at most `max_block_events` and `max_block_bytes`, from ring memory.

    A block holds one slot at least, and never more bytes than the journal takes; JournalError when it does not take one slot.

    `next_sequence` is the first sequence it will give, `timestamp` (ns) the last event's: time never goes back, not even from one leader
    to the next. `run` is the loop of its thread; it returns when drained (after `drain`), aborted, failed or deposed.
    """

    def __cinit__(self, Ring ring not None, Journal journal not None, LeaderLog log not None, *, uint64_t next_sequence,
                  int64_t timestamp, uint64_t fingerprint, uint32_t max_block_events, Counters counters not None,
                  uint64_t max_block_bytes=<uint64_t>-1):
        if max_block_events < 1 or max_block_bytes < 1:
            raise WrongUse("max_block_events and max_block_bytes are at least 1")
        journal.check_slot_bytes(ring.slot_bytes)
        self.ring = ring
        self.journal = journal
        self.log = log
        self.counters = counters
        self.base = next_sequence - 1
        self.timestamp = timestamp
        self.block_slots_max = max(1, min(max_block_events, min(max_block_bytes, journal.data_bytes_max) // ring.slot_bytes))
        self.wake_fd = journal.wake_fd()
        self.blocks_mask = ring.capacity - 1
        self.blocks = <Block*>calloc(ring.capacity, sizeof(Block))
        if self.blocks == NULL:
            raise MemoryError("the list of blocks")
        memset(&self.header, 0, sizeof(BlockHeader))
        self.header.magic = BLOCK_MAGIC
        self.header.version = BLOCK_VERSION
        self.header.kind = BLOCK_SLOTS
        self.header.epoch_offset = log.epoch_offset
        self.header.epoch_writer = log.epoch_writer
        self.header.slot_bytes = ring.slot_bytes
        self.header.fingerprint = fingerprint
        self.outcome_code = OUTCOME_RUNNING
        self.outcome_text = ""

    def __dealloc__(self):
        free(self.blocks)

    def drain(self):
        """Makes run return when all that is published so far is durable. Call it when nothing is published any more."""
        store_release(&self.stopping, 1)
        waiter_wake(&self.ring.waiters[STAGE_DURABLE])

    def abort(self):
        """Makes run return now; what is in flight may or may not become durable."""
        store_release(&self.aborting, 1)
        waiter_wake(&self.ring.waiters[STAGE_DURABLE])

    def is_aborting(self):
        """Whether `abort` was called."""
        return load_acquire(&self.aborting) != 0

    @property
    def outcome(self):
        """("running"|"drained"|"failed"|"deposed"|"log-lost", what to tell people)."""
        return ("running", "drained", "failed", "deposed", "log-lost")[self.outcome_code], self.outcome_text

    def run(self):
        """The loop of the journaler's thread."""
        with nogil:
            self.loop()

    cdef void loop(self) noexcept nogil:
        cdef int moved
        while self.outcome_code == OUTCOME_RUNNING:
            if load_acquire(&self.aborting):
                self.end(OUTCOME_FAILED, "aborted")
                break
            moved = self.append_available()
            if moved >= 0:
                moved |= self.take_acks()
            if moved < 0 or self.outcome_code != OUTCOME_RUNNING:
                break
            if moved:
                waiter_busy(&self.ring.waiters[STAGE_DURABLE])
                continue
            if (load_acquire(&self.stopping) and self.appended == self.acknowledged
                    and sequence_get(&self.ring.sequences[STAGE_PUBLISHED]) == self.taken):
                self.end(OUTCOME_DRAINED, "")
                break
            self.wait()
        # Whoever follows must not sleep for a sequence that never comes.
        waiter_wake(&self.ring.waiters[STAGE_DURABLE + 1])

    cdef void wait(self) noexcept nogil:
        cdef uint64_t in_flight = self.appended - self.acknowledged
        store_release(&self.counters.values[COUNT_JOURNAL_AWAY], self.journal.is_away())
        if not waiter_idle(&self.ring.waiters[STAGE_DURABLE]):
            return
        waiter_prepare(&self.ring.waiters[STAGE_DURABLE])
        if ((sequence_get(&self.ring.sequences[STAGE_PUBLISHED]) != self.taken and not self.full)
                or load_acquire(&self.stopping) > self.stop_seen or load_acquire(&self.aborting)):
            self.stop_seen = load_acquire(&self.stopping)
            waiter_cancel(&self.ring.waiters[STAGE_DURABLE])
            return
        waiter_sleep(&self.ring.waiters[STAGE_DURABLE], self.wake_fd, 100 if in_flight else 1000)

    cdef int append_available(self) noexcept nogil:
        """Hands over all that is published, block by block. 1 something, 0 nothing (or no more may be in flight), -1 failed."""
        cdef uint64_t count, k, sequence
        cdef Slot* slot
        cdef Block* block
        cdef timespec now
        cdef int64_t stamp
        cdef int result
        cdef int moved = 0
        self.full = False
        while True:
            count = self.ring.available_run(STAGE_DURABLE, self.taken, self.block_slots_max)
            if count == 0:
                return moved
            clock_gettime(CLOCK_REALTIME, &now)
            stamp = <int64_t>now.tv_sec * 1000000000 + now.tv_nsec
            if stamp < self.timestamp:
                stamp = self.timestamp
            sequence = self.base + self.taken + 1
            for k in range(count):
                slot = self.ring.slot(self.taken + k)
                slot.sequence = sequence + k
                slot.timestamp = stamp
            self.header.first_sequence = sequence
            self.header.count = <uint32_t>count
            self.header.data_bytes = <uint32_t>(count * self.ring.slot_bytes)
            block = self.block(self.appended)
            block.first = self.taken
            block.count = <uint32_t>count
            result = self.journal.append(&self.header, <const char*>self.ring.slot(self.taken), self.appended)
            if result == APPEND_FULL:
                self.full = True
                return moved
            if result != APPEND_OK:
                self.fail_journal()
                return -1
            self.timestamp = stamp
            self.taken += count
            self.appended += 1
            moved = 1
            store_release(&self.counters.values[COUNT_PUBLISHED], self.taken)
            store_release(&self.counters.values[COUNT_HANDED], sequence + count - 1)

    cdef int take_acks(self) noexcept nogil:
        """Moves the durable sequence over what was acknowledged, in order. 1 something, 0 nothing, -1 failed or deposed."""
        cdef Ack acks[ACKS_AT_ONCE]
        cdef int got, k, verdict
        if self.appended == self.acknowledged and self.wake_fd < 0:
            return 0                          # else it is asked all the same: what it has to say would keep its descriptor readable
        got = self.journal.poll(acks, ACKS_AT_ONCE, 0)
        if got < 0:
            self.fail_journal()
            return -1
        for k in range(got):
            verdict = self.log.on_ack(acks[k].offset, acks[k].next_offset, self.block(self.acknowledged).count)
            if verdict != ACK_ADVANCE and self.examine(verdict, &acks[k]) < 0:
                return -1
            self.settle(&acks[k])
        return 1 if got else 0

    cdef void settle(self, const Ack* ack) noexcept nogil:
        cdef Block* block = self.block(self.acknowledged)
        cdef uint64_t end = block.first + block.count
        block.offset = ack.offset
        block.next_offset = ack.next_offset
        self.acknowledged += 1
        store_release(&self.counters.values[COUNT_BLOCKS], self.acknowledged)
        store_release(&self.counters.values[COUNT_DURABLE], self.base + end)
        self.ring.advance(STAGE_DURABLE, end)

    cdef int examine(self, int verdict, Ack* ack) noexcept with gil:
        """Something else than our block stands where it should: find out what. 0 go on (ack corrected), -1 stop."""
        try:
            found = examine(self.log, verdict, self.journal, ack.offset,
                            should_stop=self.is_aborting)
        except BaseException as error:
            self.end_text(OUTCOME_FAILED, f"{type(error).__name__}: {error}")
            return -1
        if found.outcome == "deposed":
            self.end_text(OUTCOME_DEPOSED, found.text)
            return -1
        if found.outcome == "log-lost":
            self.end_text(OUTCOME_LOG_LOST, found.text)
            return -1
        ack.offset = found.offset
        ack.next_offset = found.next_offset
        return 0

    cdef void fail_journal(self) noexcept with gil:
        self.end_text(OUTCOME_FAILED, f"{self.journal.url}: {self.journal.failure}")

    cdef void end(self, int code, const char* text) noexcept with gil:
        self.end_text(code, text.decode())

    cdef void end_text(self, int code, text):
        self.outcome_code = code
        self.outcome_text = text
