"""Where a replay listens to what the business logic says: reply frames, one behind the other, until they are taken."""

from libc.stdint cimport uint32_t, uint64_t

cdef class OutputTap:
    cdef char* memory
    cdef uint64_t used, capacity

    # Adds whole frames. 0, or -1 when memory is short.
    cdef int add(self, const char* frames, uint32_t size) noexcept nogil
