"""A journal in this process's memory: for tests, and for measuring everything but the journal. Offsets are record numbers."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.journal.base cimport Ack, Journal, JournalReader
from processor.layout cimport BlockHeader

cdef enum:
    PAGE_RECORDS = 4096           # pointers to records in one page of the index
    PAGES = 65536
    IN_FLIGHT_RECORDS = 1024

cdef class MemoryLog:
    """The records; several journals of the same name share it. Records are never moved or changed once they are published."""
    cdef BlockHeader*** pages     # [PAGES][PAGE_RECORDS]: each points to header and data; NULL: counted, not kept
    cdef uint64_t published       # records that readers may look at
    cdef uint64_t lock            # of the appending journals
    cdef char* chunk              # where the next record goes
    cdef uint64_t chunk_left
    cdef char* chunks             # all of them, each pointing to the one before
    cdef readonly uint64_t bytes  # ever appended, headers included

    # The record's number, or -1: out of memory.
    cdef int64_t add(self, const BlockHeader* header, const char* data, bint keep) noexcept nogil
    cdef char* room(self, uint64_t bytes) noexcept nogil

cdef class MemoryJournal(Journal):
    cdef readonly MemoryLog log
    cdef readonly bint keep
    cdef Ack* pending             # [IN_FLIGHT_RECORDS]
    cdef uint32_t pending_first, pending_count

cdef class MemoryReader(JournalReader):
    cdef MemoryLog log
