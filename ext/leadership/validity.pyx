"""Which records of a log count, and what an acknowledgement means to its leader. Plain objects: no I/O, no clock, no GIL needed.

The rule (DESIGN: one writer, by the order of the log). The first claim founds the journal: its writer id is the journal's id.
A later claim counts if it names that id. A block counts if its epoch is that of the last claim that counts AND it begins at the
next sequence. Everything else is void, for every reader alike, because all see the same records in the same order.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport BLOCK_CLAIM, BLOCK_HEADER_BYTES, BLOCK_MAGIC, BLOCK_SLOTS, BLOCK_VERSION, BlockHeader

# The verdicts as plain integers of this module, for Python: comparing two enum members costs ten times as much.
for verdicts in (RecordVerdict, AckVerdict, LookVerdict):
    globals().update({verdict.name: int(verdict) for verdict in verdicts})


cdef const BlockHeader* header_of(bytes header) except NULL:
    if len(header) != BLOCK_HEADER_BYTES:
        raise ValueError(f"a block's header has {BLOCK_HEADER_BYTES} bytes, not {len(header)}")
    return <const BlockHeader*><const char*>header


cdef class Validity:
    def __init__(self):
        self.journal_id = 0
        self.epoch_offset = -1
        self.epoch_writer = 0
        self.next_sequence = 1

    @staticmethod
    def resume(uint64_t journal_id, int64_t epoch_offset, uint64_t epoch_writer, uint64_t next_sequence):
        cdef Validity validity = Validity()
        validity.journal_id = journal_id
        validity.epoch_offset = epoch_offset
        validity.epoch_writer = epoch_writer
        validity.next_sequence = next_sequence
        return validity

    cdef int claim(self, int64_t offset, uint64_t writer, uint64_t journal_id) noexcept nogil:
        if writer == 0 or offset < 0:
            return RECORD_VOID
        if self.journal_id == 0:
            if journal_id != writer:
                return RECORD_VOID
            self.journal_id = journal_id
        elif journal_id != self.journal_id:
            return RECORD_VOID
        self.epoch_offset = offset
        self.epoch_writer = writer
        return RECORD_CLAIM

    cdef int block(self, int64_t epoch_offset, uint64_t epoch_writer, uint64_t first_sequence, uint32_t count) noexcept nogil:
        if (self.epoch_offset < 0 or epoch_offset != self.epoch_offset or epoch_writer != self.epoch_writer
                or first_sequence != self.next_sequence or count == 0):
            return RECORD_VOID
        self.next_sequence += count
        return RECORD_APPLY

    cdef int judge(self, int64_t offset, const BlockHeader* header) noexcept nogil:
        if header.magic != BLOCK_MAGIC:
            return RECORD_VOID                # no version of this software wrote it
        if header.version != BLOCK_VERSION:
            return RECORD_UNREADABLE          # it may be a claim: whoever passed over it would follow a deposed leader
        if header.kind == BLOCK_SLOTS:
            return self.block(header.epoch_offset, header.epoch_writer, header.first_sequence, header.count)
        if header.kind == BLOCK_CLAIM:
            return self.claim(offset, header.epoch_writer, header.first_sequence)
        return RECORD_UNREADABLE

    def judge_claim(self, int64_t offset, uint64_t writer, uint64_t journal_id):
        return self.claim(offset, writer, journal_id)

    def judge_block(self, int64_t epoch_offset, uint64_t epoch_writer, uint64_t first_sequence, uint32_t count):
        return self.block(epoch_offset, epoch_writer, first_sequence, count)

    def judge_header(self, int64_t offset, bytes header not None):
        return self.judge(offset, header_of(header))

    def __repr__(self):
        return (f"Validity(journal {self.journal_id:016x}, epoch ({self.epoch_offset}, {self.epoch_writer:016x}), "
                f"next sequence {self.next_sequence})")


cdef enum:
    UNKNOWN = -1
    NONE_SOUGHT = -2


cdef class LeaderLog:
    def __init__(self, uint64_t journal_id, int64_t epoch_offset, uint64_t epoch_writer, uint64_t next_sequence,
                 int64_t expected_offset):
        self.validity = Validity.resume(journal_id, epoch_offset, epoch_writer, next_sequence)
        self.epoch_offset = epoch_offset
        self.epoch_writer = epoch_writer
        self.expected_offset = expected_offset
        self.deposed = False
        self.sought_offset = NONE_SOUGHT

    cdef int on_ack(self, int64_t offset, int64_t next_offset, uint32_t count) noexcept nogil:
        if self.deposed:
            return ACK_DEPOSED
        if offset < 0:
            self.sought_offset = UNKNOWN
            return ACK_READ_BACK
        if offset < self.expected_offset:
            return ACK_LOG_LOST
        if offset > self.expected_offset:
            self.sought_offset = offset
            return ACK_READ_BETWEEN
        # It stands right behind our last one, so nobody's claim stands between, and a reader judges as we do.
        self.expected_offset = next_offset
        self.validity.next_sequence += count
        return ACK_ADVANCE

    cdef int look(self, int64_t offset, int64_t next_offset, const BlockHeader* header) noexcept nogil:
        cdef int verdict
        if self.deposed:
            return LOOK_DEPOSED
        if offset != self.expected_offset or self.sought_offset == NONE_SOUGHT:
            return LOOK_LOST
        verdict = self.validity.judge(offset, header)
        if verdict == RECORD_CLAIM or verdict == RECORD_UNREADABLE:
            self.deposed = True
            return LOOK_DEPOSED
        self.expected_offset = next_offset
        if verdict == RECORD_APPLY:
            self.sought_offset = NONE_SOUGHT
            return LOOK_FOUND
        if self.sought_offset >= 0 and offset >= self.sought_offset:
            return LOOK_LOST                  # what stands where our block was acknowledged is not our block
        return LOOK_ON

    def ack(self, int64_t offset, int64_t next_offset, uint32_t count):
        return self.on_ack(offset, next_offset, count)

    def look_at(self, int64_t offset, int64_t next_offset, bytes header not None):
        return self.look(offset, next_offset, header_of(header))

    def __repr__(self):
        return (f"LeaderLog(epoch ({self.epoch_offset}, {self.epoch_writer:016x}), expected offset {self.expected_offset}, "
                f"next sequence {self.validity.next_sequence}{', deposed' if self.deposed else ''})")
