"""The journaler: turns published slots into blocks, appends them, and moves the durable sequence when they are acknowledged."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.counters cimport Counters
from processor.journal.base cimport Ack, Journal
from processor.layout cimport BlockHeader
from processor.leadership.validity cimport LeaderLog
from processor.ring.buffer cimport Ring

cdef struct Block:                # one block between journaler and logic
    uint64_t first                # its first slot's position in the ring
    uint32_t count
    uint32_t reserved
    int64_t offset                # known once it is durable
    int64_t next_offset

cdef enum Outcome:
    OUTCOME_RUNNING = 0
    OUTCOME_DRAINED = 1           # stopped after all that was published is durable
    OUTCOME_FAILED = 2
    OUTCOME_DEPOSED = 3
    OUTCOME_LOG_LOST = 4

cdef class Journaler:
    cdef Ring ring
    cdef Journal journal
    cdef LeaderLog log
    cdef Counters counters
    cdef BlockHeader header       # the part that is the same for all blocks of this epoch
    cdef Block* blocks            # [ring.capacity]: by block number; a block leaves when logic has passed its slots
    cdef uint64_t blocks_mask
    cdef uint64_t appended        # blocks handed to the journal
    cdef uint64_t acknowledged    # blocks durable
    cdef uint64_t taken           # slots handed to the journal
    cdef uint64_t base            # sequence of the slot at position 0, less 1
    cdef int64_t timestamp        # of the last block
    cdef readonly uint32_t block_slots_max # most slots of a block: by events, by bytes, and by what the journal takes
    cdef int wake_fd              # of the journal; -1: it never has anything to say by itself
    cdef uint64_t stopping        # 1: drain what is published, then return
    cdef uint64_t aborting        # 1: return now
    cdef int outcome_code
    cdef object outcome_text

    cdef bint full                # the journal takes no more blocks before it has acknowledged some
    cdef uint64_t stop_seen

    cdef inline Block* block(self, uint64_t number) noexcept nogil:
        return &self.blocks[number & self.blocks_mask]
    cdef void loop(self) noexcept nogil
    cdef void wait(self) noexcept nogil
    cdef int append_available(self) noexcept nogil
    cdef int take_acks(self) noexcept nogil
    cdef void settle(self, const Ack* ack) noexcept nogil
    cdef int examine(self, int verdict, Ack* ack) noexcept with gil
    cdef void fail_journal(self) noexcept with gil
    cdef void end(self, int code, const char* text) noexcept with gil
    cdef void end_text(self, int code, text)
