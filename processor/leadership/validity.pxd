"""Who may write: claims, epochs, and which records of a log count (DESIGN: one writer, by the order of the log). No I/O."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport BlockHeader

cpdef enum RecordVerdict:
    RECORD_VOID = 0               # counts for nobody
    RECORD_APPLY = 1              # a valid block: its slots are the next ones
    RECORD_CLAIM = 2              # a valid claim: its epoch is in force from here on
    RECORD_UNREADABLE = 3         # ours, but of a version or kind that this code does not know: stop, guess nothing

cdef class Validity:
    """What a reader of the log knows at one position of it: the epoch in force and the next sequence."""
    cdef readonly uint64_t journal_id         # 0: no claim seen yet
    cdef readonly int64_t epoch_offset        # of the last valid claim; -1 none
    cdef readonly uint64_t epoch_writer
    cdef readonly uint64_t next_sequence

    cdef int claim(self, int64_t offset, uint64_t writer, uint64_t journal_id) noexcept nogil
    cdef int block(self, int64_t epoch_offset, uint64_t epoch_writer, uint64_t first_sequence, uint32_t count) noexcept nogil
    # Either of the two, by the header (in a claim first_sequence is the journal's id). Records must come in the log's order.
    cdef int judge(self, int64_t offset, const BlockHeader* header) noexcept nogil

cpdef enum AckVerdict:
    ACK_ADVANCE = 0               # durable up to and with this block
    ACK_READ_BETWEEN = 1          # something else stands between: read from expected_offset on, give each record to `look`
    ACK_READ_BACK = 2             # offset unknown: the same, as long as it takes
    ACK_LOG_LOST = 3              # below the expected offset: the log has lost acknowledged records; stop and say so
    ACK_DEPOSED = 4               # deposed before: answers nobody

cpdef enum LookVerdict:
    LOOK_ON = 0                   # not yet: give the next record
    LOOK_FOUND = 1                # our block, and it is valid: durable up to and with it
    LOOK_DEPOSED = 2              # another writer's claim came first: our blocks from here on are void
    LOOK_LOST = 3                 # the log does not hold what it acknowledged; stop and say so

cdef class LeaderLog:
    """A leader's view of its own appends: is the block just acknowledged where it must be?"""
    cdef readonly Validity validity           # as of expected_offset
    cdef readonly int64_t epoch_offset
    cdef readonly uint64_t epoch_writer
    cdef readonly int64_t expected_offset     # where the next of our blocks stands if nobody else appends
    cdef readonly bint deposed
    cdef int64_t sought_offset                # of the block being looked for; -1 unknown, -2 none

    # For each acknowledged block in the order of appending. After a READ verdict: look until it says something else than LOOK_ON,
    # before the next on_ack.
    cdef int on_ack(self, int64_t offset, int64_t next_offset, uint32_t count) noexcept nogil
    cdef int look(self, int64_t offset, int64_t next_offset, const BlockHeader* header) noexcept nogil

# The 64 bytes of a header that came from Python, valid as long as the object is; ValueError for another length.
cdef const BlockHeader* header_of(bytes header) except NULL
