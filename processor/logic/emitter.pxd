"""Where the outputs of the event in hand gather, as reply frames, until the event is finished."""

from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy, memset

from processor.layout cimport REPLY_HEADER_BYTES, REPLY_LAST, REPLY_REJECTED, Reply, Slot, padded8
from processor.logic.native cimport Context

cdef enum:
    EVENT_OUTPUTS_BYTES_MAX = 1 << 30     # of one event; far below where the numbers here would wrap around

cdef struct Emitter:
    char* frames
    uint32_t used
    uint32_t capacity
    uint32_t last                 # where the last frame starts
    uint16_t index                # of the next frame
    uint16_t rejected


cdef inline void emitter_clear(Emitter* emitter) noexcept nogil:
    emitter.used = 0
    emitter.last = 0
    emitter.index = 0
    emitter.rejected = 0


cdef inline char* emitter_frame(Emitter* emitter, const Slot* event, uint16_t type, uint16_t length) noexcept nogil:
    """Room for one more frame's payload, zeroed up to its padding; NULL when memory is short, there are 65,535 outputs, or 1 GiB."""
    cdef uint32_t size = REPLY_HEADER_BYTES + padded8(length)
    cdef uint32_t capacity = emitter.capacity
    cdef char* grown
    cdef Reply* reply
    if emitter.index == 65535 or emitter.used + size > EVENT_OUTPUTS_BYTES_MAX:
        return NULL
    if emitter.used + size > capacity:
        while emitter.used + size > capacity:
            capacity = capacity * 2 if capacity else 4096
        grown = <char*>realloc(emitter.frames, capacity)
        if grown == NULL:
            return NULL
        emitter.frames = grown
        emitter.capacity = capacity
    reply = <Reply*>(emitter.frames + emitter.used)
    reply.sequence = event.sequence
    reply.timestamp = event.timestamp
    reply.index = emitter.index
    reply.flags = 0
    reply.type = type
    reply.length = length
    reply.request = event.request
    if length & 7:
        memset(<char*>reply + size - 8, 0, 8)
    emitter.last = emitter.used
    emitter.used += size
    emitter.index += 1
    return <char*>reply + REPLY_HEADER_BYTES


cdef inline int emitter_emit(Context* context, uint16_t type, const void* payload, uint16_t length) noexcept nogil:
    cdef Emitter* emitter = <Emitter*>context.core
    cdef char* room
    if emitter.rejected:
        return -1
    room = emitter_frame(emitter, context.event, type, length)
    if room == NULL:
        return -1
    memcpy(room, payload, length)
    return 0


cdef inline int emitter_reject(Context* context, const char* reason, uint16_t length) noexcept nogil:
    cdef Emitter* emitter = <Emitter*>context.core
    if emitter.index:
        return -1
    if emitter_emit(context, REPLY_REJECTED, reason, length) < 0:
        return -1
    emitter.rejected = 1
    return 0


cdef inline void emitter_close(Emitter* emitter) noexcept nogil:
    """Marks the last frame as the request's last one."""
    (<Reply*>(emitter.frames + emitter.last)).flags = REPLY_LAST
