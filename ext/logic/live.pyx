"""The business logic's thread while it leads: takes durable blocks from the ring, applies them, lets outputs go."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.counters cimport COUNT_APPLIED
from processor.journal.base cimport crc32c
from processor.journal.journaler cimport Block, Journaler
from processor.layout cimport SLOT_HEADER_BYTES, Slot, StateHash, payload_of
from processor.logic.core cimport (
    STOP_ABORTED, STOP_HASH, STOP_NONE, STOP_READ, STOP_SNAPSHOT, Core,
)
from processor.recovery.plan cimport BlockFacts, position_after
from processor.ring.buffer cimport STAGE_APPLIED, STAGE_DURABLE, Ring
from processor.ring.sequence cimport (
    load_acquire, sequence_get, store_release, waiter_busy, waiter_cancel, waiter_idle, waiter_prepare, waiter_sleep, waiter_wake,
)


cdef class LiveLogic:
    """Applies what is durable until `finish` was called and all of it is applied, or until the core stops.

    `keeper` is asked between batches, with the GIL: `keeper.on_snapshot(trigger, position, offset and checksum of the last block)` at a
    snapshot trigger, `keeper.on_hash(hash)` at a recorded state hash, and `keeper.ask_snapshot()` when `trigger_every` events were applied
    since the last trigger; triggers and recorded hashes do not count. `queries.on_read(marker)` is told of each read marker: all that was
    asked before it was put may be answered from the state as it is then.
    """
    cdef Ring ring
    cdef Core core
    cdef Journaler journaler
    cdef object keeper
    cdef object queries
    cdef uint64_t applied         # position in the ring
    cdef uint64_t block_number
    cdef uint64_t block_done      # slots of the current block that are applied
    cdef uint64_t finishing
    cdef uint64_t trigger_every
    cdef uint64_t triggered       # sequence of the last trigger, plus the hashes recorded since: those are nothing new
    cdef readonly object error

    def __init__(self, Ring ring not None, Core core not None, Journaler journaler not None, keeper, *,
                 uint64_t trigger_every=0, queries=None):
        self.ring = ring
        self.core = core
        self.journaler = journaler
        self.keeper = keeper
        self.queries = queries
        self.trigger_every = trigger_every
        self.triggered = core.sequence
        core.waiter = &ring.waiters[STAGE_APPLIED]

    def finish(self):
        """Makes run return when all that is durable is applied. Call it when the journaler has returned."""
        store_release(&self.finishing, 1)
        waiter_wake(&self.ring.waiters[STAGE_APPLIED])

    def run(self):
        """The loop of the logic's thread. Returns when finished, or when the core stopped (see Core.stop)."""
        cdef bint more = True
        while more:
            with nogil:
                more = self.turn()
            if self.error is not None:
                raise self.error

    cdef bint turn(self) noexcept nogil:
        """Applies until there is something for Python to do (returns True) or the end has come (False)."""
        cdef uint64_t durable
        cdef Block* block
        cdef uint64_t passed
        while True:
            durable = sequence_get(&self.ring.sequences[STAGE_DURABLE])
            if durable == self.applied:
                self.core.flush()
                if load_acquire(&self.finishing) and sequence_get(&self.ring.sequences[STAGE_DURABLE]) == self.applied:
                    return False
                if not waiter_idle(&self.ring.waiters[STAGE_APPLIED]):
                    continue
                waiter_prepare(&self.ring.waiters[STAGE_APPLIED])
                if sequence_get(&self.ring.sequences[STAGE_DURABLE]) != self.applied or load_acquire(&self.finishing):
                    waiter_cancel(&self.ring.waiters[STAGE_APPLIED])
                    continue
                waiter_sleep(&self.ring.waiters[STAGE_APPLIED], -1, -1)
                continue
            waiter_busy(&self.ring.waiters[STAGE_APPLIED])
            block = self.journaler.block(self.block_number)
            passed = self.core.apply(<const char*>self.ring.slot(block.first + self.block_done), block.count - self.block_done)
            self.block_done += passed
            if self.core.stop == STOP_NONE:
                self.core.flush()
                self.next_block(block)
            elif self.core.stop == STOP_SNAPSHOT or self.core.stop == STOP_HASH or self.core.stop == STOP_READ:
                self.core.flush()
                self.notice(block)
                if self.error is not None:
                    return True
                if self.block_done == block.count:
                    self.next_block(block)
            else:
                self.core.flush()
                return False
            if self.trigger_every and self.core.sequence - self.triggered >= self.trigger_every:
                self.triggered = self.core.sequence
                self.trigger()

    cdef void next_block(self, Block* block) noexcept nogil:
        self.applied = block.first + block.count
        self.block_number += 1
        self.block_done = 0
        self.ring.advance(STAGE_APPLIED, self.applied)

    cdef void trigger(self) noexcept with gil:
        try:
            self.keeper.ask_snapshot()
        except BaseException as error:
            self.error = error

    cdef void notice(self, Block* block) noexcept with gil:
        """Tells the keeper of the control event just passed; the block is still whole in the ring."""
        cdef const Slot* slot = self.ring.slot(block.first + self.block_done - 1)
        cdef const char* payload = payload_of(slot)
        cdef size_t size = <size_t>block.count * self.core.slot_bytes
        cdef BlockFacts last
        try:
            if self.core.stop == STOP_SNAPSHOT:
                self.triggered = self.core.sequence
                last.offset, last.next_offset, last.count = block.offset, block.next_offset, block.count
                last.first_sequence = self.core.sequence + 1 - self.block_done
                position = position_after(&last, self.core.sequence + 1)
                checksum = crc32c(0, <const char*>self.ring.slot(block.first), size)
                self.keeper.on_snapshot(payload[:32], position, block.offset, checksum)
            elif self.core.stop == STOP_HASH:
                # Else `trigger_every=1` made an idle service take snapshots for ever, each for the hash of the one before.
                self.triggered += 1
                self.keeper.on_hash(payload[:32])
            elif self.queries is not None:
                self.queries.on_read(payload[:32])
        except BaseException as error:
            self.error = error
