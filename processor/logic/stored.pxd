"""The stored outputs of one session: whole reply frames, contiguous for each request, the oldest dropped first.

Frames are appended to a byte stream that only ever grows in its numbering: `starts` holds where each request's frames begin in the
stream, `base` says which byte of the stream stands at memory[0]. Room is made by moving what is still kept to the front, and the
memory is at least twice what is kept, so that a byte is moved once or twice in its life, and a request's frames are never torn
apart (a wrapping ring would have to move them, too). Nothing is allocated once the memory has reached its size.

    stream   ... dropped ... | request first | ... | request last |
             base            starts[first]          starts[last]    total
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from processor.layout cimport REPLY_HEADER_BYTES, REPLY_LAST, REPLY_REPEATED, Reply, padded8

cdef enum:
    STORED_BYTES_FIRST = 1024     # memory of a session that stores for the first time
    STORED_STARTS_FIRST = 16
    STORED_NO_MEMORY = -1
    STORED_NO_FRAME = -2          # what was appended is not one whole reply frame of the request in hand

cdef struct Stored:
    char* memory
    uint64_t capacity
    uint64_t base
    uint64_t total
    uint64_t* starts              # by request & (starts_capacity - 1)
    uint64_t starts_capacity      # a power of two, or 0
    uint64_t first                # oldest request whose outputs are kept; last + 1 when none are
    uint64_t last                 # highest request applied
    uint64_t last_frame           # of the request in hand, in the stream; `total` when it has none


cdef inline void stored_init(Stored* stored) noexcept nogil:
    memset(stored, 0, sizeof(Stored))
    stored.first = 1


cdef inline void stored_free(Stored* stored) noexcept nogil:
    free(stored.memory)
    free(stored.starts)


cdef inline uint64_t stored_from(const Stored* stored) noexcept nogil:
    return stored.starts[stored.first & (stored.starts_capacity - 1)] if stored.first <= stored.last else stored.total


cdef inline uint64_t stored_end(const Stored* stored, uint64_t request) noexcept nogil:
    """Where the frames of a kept request end in the stream."""
    return stored.total if request == stored.last else stored.starts[(request + 1) & (stored.starts_capacity - 1)]


cdef inline int stored_grow_starts(Stored* stored) noexcept nogil:
    cdef uint64_t capacity = stored.starts_capacity * 2 if stored.starts_capacity else STORED_STARTS_FIRST
    cdef uint64_t* starts = <uint64_t*>malloc(capacity * sizeof(uint64_t))
    cdef uint64_t request = stored.first
    if starts == NULL:
        return STORED_NO_MEMORY
    while request <= stored.last:
        starts[request & (capacity - 1)] = stored.starts[request & (stored.starts_capacity - 1)]
        request += 1
    free(stored.starts)
    stored.starts = starts
    stored.starts_capacity = capacity
    return 0


cdef inline int stored_begin(Stored* stored, uint32_t window) noexcept nogil:
    """The next request: last + 1. What falls out of the window is dropped. 0, or STORED_NO_MEMORY and nothing has changed."""
    cdef uint64_t request = stored.last + 1
    cdef uint64_t first = stored.first
    if request >= window and first < request - window + 1:
        first = request - window + 1
    # One more than are kept, until the window is full: the array stops growing at the power of two that holds the window.
    if request - first + 1 > stored.starts_capacity and stored_grow_starts(stored) < 0:
        return STORED_NO_MEMORY
    stored.first = first
    stored.last = request
    stored.starts[request & (stored.starts_capacity - 1)] = stored.total
    stored.last_frame = stored.total
    return 0


cdef inline int stored_make_room(Stored* stored, uint64_t more, uint64_t bytes_max) noexcept nogil:
    cdef uint64_t kept_from = stored_from(stored)
    cdef uint64_t kept = stored.total - kept_from
    cdef uint64_t capacity = stored.capacity if stored.capacity else STORED_BYTES_FIRST
    cdef char* memory
    if kept_from - stored.base + kept + more <= stored.capacity:
        return 0
    while capacity < 2 * (kept + more):
        capacity *= 2
    if capacity > 2 * bytes_max:
        capacity = 2 * bytes_max
    if capacity <= stored.capacity:
        memmove(stored.memory, stored.memory + (kept_from - stored.base), kept)
    else:
        memory = <char*>malloc(capacity)
        if memory == NULL:
            return STORED_NO_MEMORY
        if kept:
            memcpy(memory, stored.memory + (kept_from - stored.base), kept)
        free(stored.memory)
        stored.memory = memory
        stored.capacity = capacity
    stored.base = kept_from
    return 0


cdef inline int stored_append(Stored* stored, const char* frame, uint32_t frame_bytes, uint64_t bytes_max) noexcept nogil:
    """Copies one frame of the request in hand, dropping the oldest requests' frames when there would be more than bytes_max.

    Drops depend on nothing but the frames' lengths. A request that is longer than bytes_max by itself drops all others, then itself.
    So what is gone always lies below what is kept. The copy's padding and its last and repeated flags are cleared: what is stored is
    a function of what the handlers said.
    """
    cdef const Reply* reply = <const Reply*>frame
    cdef Reply* copy
    if frame_bytes < REPLY_HEADER_BYTES or frame_bytes != REPLY_HEADER_BYTES + padded8(reply.length):
        return STORED_NO_FRAME
    if reply.request != stored.last:
        return STORED_NO_FRAME
    while stored.first <= stored.last and stored.total - stored_from(stored) + frame_bytes > bytes_max:
        stored.first += 1
    if stored.first > stored.last:
        stored.last_frame = stored.total
        return 0
    if stored_make_room(stored, frame_bytes, bytes_max) < 0:
        return STORED_NO_MEMORY
    copy = <Reply*>(stored.memory + (stored.total - stored.base))
    memcpy(copy, frame, REPLY_HEADER_BYTES + reply.length)
    memset(<char*>copy + REPLY_HEADER_BYTES + reply.length, 0, frame_bytes - REPLY_HEADER_BYTES - reply.length)
    copy.flags &= <uint16_t>~(REPLY_LAST | REPLY_REPEATED)
    stored.last_frame = stored.total
    stored.total += frame_bytes
    return 0


cdef inline void stored_finish(Stored* stored) noexcept nogil:
    """Marks the last frame of the request in hand as its last."""
    if stored.last_frame < stored.total:
        (<Reply*>(stored.memory + (stored.last_frame - stored.base))).flags |= REPLY_LAST


cdef inline void stored_frames(const Stored* stored, uint64_t request, const char** frames, uint64_t* bytes) noexcept nogil:
    """The frames of a request from `first` to `last`."""
    cdef uint64_t start = stored.starts[request & (stored.starts_capacity - 1)]
    frames[0] = stored.memory + (start - stored.base)
    bytes[0] = stored_end(stored, request) - start
