"""Events as Python handlers see them, and outputs on their way back into frames: no object an event, no copy of its slot."""

from libc.stdint cimport int64_t, uint8_t, uint16_t

from processor.layout cimport Slot
from processor.logic.native cimport Context

cdef class EventView:
    cdef const Slot* slot         # NULL outside of the handler
    cdef int check(self) except -1

cdef struct Place:                # of a field in a payload
    int code
    int offset
    int size

cdef class Packer:
    cdef readonly uint16_t number
    cdef readonly str name
    cdef uint16_t length
    cdef tuple names
    cdef Place* places            # [len(names)]
    cdef char* payload
    cdef int pack(self, object output) except -1
    cdef int write(self, char* at, int code, int size, str name, object value) except -1

cdef class HandlerContext:
    cdef Context* context
    cdef dict packers             # output class -> Packer
    cdef int check(self) except -1
