"""The embedded journal: appends to segment files, one sync a group. The layout is in segments.pxd."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.journal.base cimport Ack, Journal
from processor.journal.embedded_reader cimport EmbeddedReader
from processor.journal.segments cimport Log

cdef class EmbeddedJournal(Journal):
    cdef object directory         # processor.journal.directory.JournalDirectory
    cdef bytes path               # of the directory, for messages
    cdef const char* path_text
    cdef Log log
    cdef bint writable
    cdef uint64_t end             # the next record's offset
    cdef uint64_t stands          # where it will stand, when it fits into this segment
    cdef uint64_t base            # of the segment that is written
    cdef int fd                   # -1: the segment at `base` is to be opened or made
    cdef uint64_t durable         # bytes of the log that are on disk
    cdef uint64_t zeroed          # bytes of the log that are written, with zeros at least
    cdef Ack* pending             # [IN_FLIGHT_RECORDS]: appended, not acknowledged
    cdef uint32_t pending_first, pending_count
    cdef readonly uint64_t syncs  # since it was opened

    cdef EmbeddedReader reader_at_end(self)
    cdef take_over(self)
    cdef void let_go(self) noexcept
    cdef forget_cached(self)
    cdef int zero_tail(self) noexcept nogil
    cdef int roll(self) noexcept nogil
    cdef int open_segment(self) noexcept nogil
    cdef int sync(self) noexcept nogil
    cdef void zero_ahead(self) noexcept nogil
    cdef int fail_with(self, const char* what, int error) noexcept nogil
