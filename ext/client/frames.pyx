"""What reply frames say, as arrays: for consumers of whole streams."""

import numpy as np

from libc.stdint cimport uint8_t, uint16_t, uint64_t

from processor.layout cimport REPLY_HEADER_BYTES, REPLY_LAST, Reply, padded8


def answered(const uint8_t[::1] frames not None):
    """(requests, sequences) of the answers that end in these frames: two uint64 arrays of equal length, in their order.

    Raises ValueError when the bytes do not end with a frame.
    """
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t size = frames.shape[0]
    cdef Py_ssize_t count = 0
    cdef const Reply* reply
    requests = np.empty(size // REPLY_HEADER_BYTES, np.uint64)
    sequences = np.empty(size // REPLY_HEADER_BYTES, np.uint64)
    cdef uint64_t[::1] request_of = requests
    cdef uint64_t[::1] sequence_of = sequences
    with nogil:
        while at + REPLY_HEADER_BYTES <= size:
            reply = <const Reply*>&frames[at]
            at += REPLY_HEADER_BYTES + padded8(reply.length)
            if reply.flags & REPLY_LAST:
                request_of[count] = reply.request
                sequence_of[count] = reply.sequence
                count += 1
    if at != size:
        raise ValueError(f"{size} bytes do not end with a whole frame")
    return requests[:count], sequences[:count]


def count_type(const uint8_t[::1] frames not None, uint16_t type):
    """How many of these whole reply frames are of this type: an output's number, or one of the processor's own."""
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t size = frames.shape[0]
    cdef uint64_t count = 0
    cdef const Reply* reply
    with nogil:
        while at + REPLY_HEADER_BYTES <= size:
            reply = <const Reply*>&frames[at]
            at += REPLY_HEADER_BYTES + padded8(reply.length)
            count += reply.type == type
    if at != size:
        raise ValueError(f"{size} bytes do not end with a whole frame")
    return count
