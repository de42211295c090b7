"""The outputs of a replay (see tap.pxd): nobody waits for them on a socket, so they gather here until they are looked at."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy


cdef class OutputTap:
    def __dealloc__(self):
        free(self.memory)

    cdef int add(self, const char* frames, uint32_t size) noexcept nogil:
        cdef uint64_t capacity = self.capacity
        cdef char* grown
        if self.used + size > capacity:
            while self.used + size > capacity:
                capacity = capacity * 2 if capacity else 65536
            grown = <char*>realloc(self.memory, capacity)
            if grown == NULL:
                return -1
            self.memory = grown
            self.capacity = capacity
        memcpy(self.memory + self.used, frames, size)
        self.used += size
        return 0

    def __len__(self):
        return self.used

    def take(self):
        taken = self.memory[:self.used] if self.used else b""
        self.used = 0
        return taken
