"""The journal interface: append a block, tell what is durable, read from a position, tell the ends.

Offsets: a record stands at `offset`, the one behind it at `next_offset`. For Kafka they are the partition's, for the embedded
journal bytes of the log, for the memory journal record numbers. Every method that is `nogil` may be called without the GIL; append and
poll are called by one thread only (the journaler's), a reader by one thread at a time.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport BlockHeader

cdef enum AppendResult:
    APPEND_OK = 0
    APPEND_FULL = 1               # too much in flight: poll first
    APPEND_FAILED = -1            # fatal: see Journal.failure

cdef struct Ack:
    int64_t offset                # -1: appended, but where is unknown: read back
    int64_t next_offset
    uint64_t tag                  # as given to append

cdef struct Record:
    int64_t offset
    int64_t next_offset
    const BlockHeader* header     # valid until the reader's next call
    const char* data              # header.data_bytes long; slots aligned to 8

cdef class Journal:
    cdef readonly str url
    cdef readonly uint64_t data_bytes_max # most bytes of data (slots, a claim) that one record takes
    cdef char failure_text[512]   # why the first call failed that did: from there on all do
    cdef int failed
    cdef int closed
    cdef list unsettled           # data of records that append_record gave up on: the journal may still read it

    # Hands a block over. `data` stays untouched by everybody until the ack with this tag. `header` is copied.
    cdef int append(self, const BlockHeader* header, const char* data, uint64_t tag) noexcept nogil
    # Acks in the order of appending, at most `most`; waits up to timeout_ms when there is none yet. -1: failed.
    cdef int poll(self, Ack* acks, int most, int timeout_ms) noexcept nogil
    # A descriptor that becomes readable when poll may have something; -1: none is needed (poll never has to wait).
    cdef int wake_fd(self) noexcept nogil
    # 1 while the journal cannot be reached (a broker away): the service says so and waits.
    cdef int is_away(self) noexcept nogil
    # The first failure stays: what comes after it is only its consequence.
    cdef void fail(self, const char* text) noexcept nogil

    cpdef JournalReader reader(self, int64_t position)
    cpdef tuple ends(self)

cdef class JournalReader:
    cdef readonly int64_t position        # of the record that the next call returns
    cdef char failure_text[512]
    cdef bint corrupt             # what failed is not the reading, but what was read

    # 1: a record; 0: none within timeout_ms (the end, for now); -1: failed, see `error`.
    cdef int next(self, Record* record, int timeout_ms) noexcept nogil
    # The exception for what failed: CorruptJournal, or JournalError when it could not be read.
    cdef object error(self)

cdef uint32_t crc32c(uint32_t seed, const char* data, size_t length) noexcept nogil
