"""Who may write: claims, epochs, and which records of a log count (DESIGN: one writer, by the order of the log). No I/O."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport BlockHeader

cdef enum RecordVerdict:
    RECORD_VOID = 0
    RECORD_APPLY = 1
    RECORD_CLAIM = 2

cdef class Validity:
    """What a reader of the log knows at one position of it: the epoch in force and the next sequence."""
    cdef readonly uint64_t journal_id         # 0: no claim seen yet
    cdef readonly int64_t epoch_offset        # of the last valid claim; -1 none
    cdef readonly uint64_t epoch_writer
    cdef readonly uint64_t next_sequence

    cpdef int judge_claim(self, int64_t offset, uint64_t writer, uint64_t journal_id)
    cpdef int judge_block(self, int64_t epoch_offset, uint64_t epoch_writer, uint64_t first_sequence, uint32_t count)

cdef enum AckVerdict:
    ACK_ADVANCE = 0               # durable up to this block
    ACK_READ_BETWEEN = 1          # something else stands between: read [expected, offset) and say what was found
    ACK_READ_BACK = 2             # offset unknown: read from expected on until our block or a foreign claim is found
    ACK_LOG_LOST = 3              # below the expected offset: the log has lost acknowledged records

cdef class LeaderLog:
    """A leader's view of its own appends: is the block just acknowledged where it must be?"""
    cdef readonly int64_t epoch_offset
    cdef readonly uint64_t epoch_writer
    cdef readonly int64_t expected_offset

    cdef int on_ack(self, int64_t offset, int64_t next_offset) noexcept nogil
