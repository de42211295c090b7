"""Which records of the log to apply, when to claim, and when to lead.

The caller reads records from `position` on, gives each to on_record and does what it says. When `near_end` says so it makes a
writer id, tells `claimed`, appends the claim, and goes on reading: an end that was asked for earlier, or a poll that finds
nothing, says nothing about records that are still on their way. Only our own claim, read from the log, does: what stands before
it is everything that counts, what others write behind it is void.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport BLOCK_CLAIM, BLOCK_MAGIC, BLOCK_SLOTS, BLOCK_VERSION, BlockHeader
from processor.leadership.validity cimport RECORD_CLAIM, RECORD_UNREADABLE, RECORD_VOID, LeaderLog, Validity, header_of

for verdicts in (PlanPhase, PlanAction):
    globals().update({verdict.name: int(verdict) for verdict in verdicts})


def snapshot_position(int64_t offset, int64_t next_offset, uint64_t first_sequence, uint32_t count, uint64_t next_sequence):
    """Where replay begins for a state whose next sequence is this, when the last applied block is that one (see position_after)."""
    cdef BlockFacts last
    last.offset, last.next_offset, last.first_sequence, last.count = offset, next_offset, first_sequence, count
    return position_after(&last, next_sequence)


cdef class RecoveryPlan:
    def __init__(self, int64_t position, *, uint64_t journal_id=0, int64_t epoch_offset=-1, uint64_t epoch_writer=0,
                 uint64_t next_sequence=1, int64_t last_block_offset=-1, uint32_t slot_bytes=0):
        self.validity = Validity.resume(journal_id, epoch_offset, epoch_writer, next_sequence)
        self.phase = PHASE_REPLAY
        self.position = position
        self.slot_bytes = slot_bytes
        self.own_writer = 0
        self.skip = 0
        # A snapshot from the middle of a block points at that block: it is read again, and its applied slots are dropped.
        self.resumed_at = next_sequence if last_block_offset >= 0 and last_block_offset == position else 0
        self.last.offset = last_block_offset
        self.last.next_offset = position
        self.last.epoch_offset = epoch_offset
        self.last.epoch_writer = epoch_writer
        self.last.first_sequence = next_sequence
        self.last.count = 0

    cdef int on_record(self, int64_t offset, int64_t next_offset, const BlockHeader* header) noexcept nogil:
        cdef int verdict
        if self.phase == PHASE_LEAD:
            return PLAN_OVER
        if offset != self.position:
            return PLAN_HOLE
        if header.magic == BLOCK_MAGIC and header.version == BLOCK_VERSION and header.kind == BLOCK_SLOTS:
            return self.on_block(offset, next_offset, header)
        if self.resumed_at:
            return PLAN_MISFIT
        verdict = self.validity.judge(offset, header)
        if verdict == RECORD_UNREADABLE:
            return PLAN_UNREADABLE
        if self.validity.journal_id == 0:
            return PLAN_NO_BEGINNING
        self.position = next_offset
        if header.magic == BLOCK_MAGIC and self.own_writer and header.epoch_writer == self.own_writer:
            self.own_writer = 0
            if verdict == RECORD_CLAIM:
                self.phase = PHASE_LEAD
                return PLAN_LEAD
            self.phase = PHASE_REPLAY
            return PLAN_CLAIM_AGAIN
        return PLAN_CLAIM if verdict == RECORD_CLAIM else PLAN_SKIP

    cdef int on_block(self, int64_t offset, int64_t next_offset, const BlockHeader* header) noexcept nogil:
        self.skip = 0
        if self.resumed_at:
            if (header.epoch_offset != self.validity.epoch_offset or header.epoch_writer != self.validity.epoch_writer
                    or header.first_sequence >= self.resumed_at or self.resumed_at - header.first_sequence >= header.count):
                return PLAN_MISFIT
            self.skip = self.resumed_at - header.first_sequence
            self.resumed_at = 0
            self.validity.next_sequence = header.first_sequence
        elif self.validity.journal_id == 0:
            return PLAN_NO_BEGINNING
        if self.validity.judge(offset, header) == RECORD_VOID:
            self.position = next_offset
            return PLAN_SKIP
        # Whoever applies it trusts these sizes with memory.
        if (<uint64_t>header.count * header.slot_bytes != header.data_bytes
                or (self.slot_bytes and header.slot_bytes != self.slot_bytes)):
            return PLAN_UNREADABLE
        self.position = next_offset
        self.last.offset = offset
        self.last.next_offset = next_offset
        self.last.epoch_offset = header.epoch_offset
        self.last.epoch_writer = header.epoch_writer
        self.last.first_sequence = header.first_sequence
        self.last.count = header.count
        return PLAN_APPLY

    def record(self, int64_t offset, int64_t next_offset, bytes header not None):
        return self.on_record(offset, next_offset, header_of(header))

    def near_end(self, int64_t end, int64_t slack=0):
        return self.phase == PHASE_REPLAY and self.position + slack >= end

    def claimed(self, uint64_t writer):
        if writer == 0 or self.phase != PHASE_REPLAY:
            raise ValueError("a claim needs a writer id, and none before it that is still awaited")
        self.own_writer = writer
        self.phase = PHASE_AWAIT_CLAIM
        return self.validity.journal_id or writer

    def leader_log(self):
        if self.phase != PHASE_LEAD:
            raise ValueError("only who has read its own claim may lead")
        return LeaderLog(self.validity.journal_id, self.validity.epoch_offset, self.validity.epoch_writer,
                         self.validity.next_sequence, self.position)

    @property
    def last_block(self):
        return (self.last.offset, self.last.next_offset, self.last.epoch_offset, self.last.epoch_writer,
                self.last.first_sequence, self.last.count)

    def problem(self, int action):
        text = {
            PLAN_HOLE: "the record at offset {} is gone, the log goes on behind it: recover from a snapshot behind the gap, or "
                       "restore the journal",
            PLAN_NO_BEGINNING: "the log begins, at offset {}, with something else than the claim that founds a journal: its beginning "
                               "is gone, or it is no processor's journal. Recover from a snapshot, or name another journal",
            PLAN_MISFIT: "at offset {} stands something else than the last block that the snapshot had applied: it is a snapshot of "
                         "another journal, or the journal was changed. Name the right one, or another directory of snapshots",
            PLAN_UNREADABLE: "the record at offset {} is of a format that this software does not know, or was written for another "
                             "schema: use the version that wrote it, or a newer one",
            PLAN_OVER: "the record at offset {} came after the end of recovery",
        }
        return text[action].format(self.position) if action in text else ""

    def __repr__(self):
        return f"RecoveryPlan({PlanPhase(self.phase).name}, position {self.position}, {self.validity!r})"
