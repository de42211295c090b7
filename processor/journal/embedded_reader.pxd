"""Reads the embedded journal's segments, while another process may be writing to them."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.journal.base cimport JournalReader, Record
from processor.journal.segments cimport Log

cdef class EmbeddedReader(JournalReader):
    cdef object path              # pathlib.Path of the directory
    cdef Log log
    cdef uint64_t known_synced    # bytes known to be on disk, from the file `journal`
    cdef readonly uint64_t stands # where the next record stands: `position`, or the base of the segment behind it
    cdef uint64_t base            # of the open segment
    cdef int fd                   # -1: none is open
    cdef char* buffer             # bytes of the segment from buffer_at on; 8-aligned
    cdef uint64_t buffer_bytes, buffer_at, buffer_filled
    cdef uint64_t ahead           # bytes to read at once
    cdef char* scratch
    cdef char* whole
    cdef uint64_t judged          # the byte last judged to be the end (not worth judging again while it reads as zeros)

    cdef bint stands_at(self, uint64_t position) except? False
    cdef place(self, uint64_t stands, uint64_t position)
    cdef uint64_t trailer_end(self, uint64_t base, uint64_t wanted) except? 0
    cdef walk_to(self, uint64_t position)
    cdef int step(self, Record* record) noexcept nogil
    cdef int load(self, uint64_t bytes) noexcept nogil
    cdef int valid_here(self, Record* record) noexcept nogil
    cdef int valid_in_buffer(self, Record* record, uint64_t* needed) noexcept nogil
    cdef int judge(self, Record* record) noexcept nogil
    cdef int say(self, const char* what, uint64_t at, int error) noexcept nogil
