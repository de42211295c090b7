"""The exchange's outputs as the lines of the published report stream.

    0,seq,side,id,price,quantity  acknowledged       3,seq,side,id,price,quantity  modified
    1,seq,price,quantity,maker,taker  traded         4,seq,id  cancel rejected
    2,seq,side,id,price  cancelled                   5,seq,id  modify rejected

Lines stand by (seq, kind); those of the same kind in the order in which they happened.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from processor.apps.exchange.messages cimport (
    OUTPUT_ACKNOWLEDGED, OUTPUT_CANCELLED, OUTPUT_MODIFIED, OUTPUT_MODIFY_REJECTED, OUTPUT_TRADED,
    OrderReport, RejectReport, TradeReport,
)
from processor.layout cimport REPLY_HEADER_BYTES, Reply, padded8

cdef enum:
    LINE_BYTES_MAX = 100          # a trade with every number at its longest has 98


cdef char* write_number(char* out, uint64_t value) noexcept nogil:
    """A comma and the number."""
    cdef char digits[20]
    cdef int count = 0
    while True:
        digits[count] = <char>(48 + value % 10)
        count += 1
        value //= 10
        if value == 0:
            break
    out[0] = 44
    out += 1
    while count > 0:
        count -= 1
        out[0] = digits[count]
        out += 1
    return out


cdef char* write_price(char* out, int64_t price) noexcept nogil:
    cdef char* end
    if price >= 0:
        return write_number(out, <uint64_t>price)
    end = write_number(out + 1, -<uint64_t>price)
    out[0] = 44
    out[1] = 45
    return end


cdef char* write_line(char* out, const Reply* reply) noexcept nogil:
    """A newline, then the line of one output."""
    cdef const OrderReport* order = <const OrderReport*>(reply + 1)
    cdef const TradeReport* traded = <const TradeReport*>(reply + 1)
    cdef uint16_t type = reply.type
    out[0] = 10
    out[1] = <char>(47 + type)
    out = write_number(out + 2, order.seq)
    if type == OUTPUT_TRADED:
        out = write_price(out, traded.price)
        out = write_number(out, traded.quantity)
        out = write_number(out, traded.maker)
        return write_number(out, traded.taker)
    if type == OUTPUT_ACKNOWLEDGED or type == OUTPUT_CANCELLED or type == OUTPUT_MODIFIED:
        out = write_number(out, order.side)
        out = write_number(out, order.id)
        out = write_price(out, order.price)
        return out if type == OUTPUT_CANCELLED else write_number(out, order.quantity)
    return write_number(out, order.id)


cdef uint16_t length_of(uint16_t type) noexcept nogil:
    """Bytes of payload of a type that has a line, else 0."""
    if type < OUTPUT_ACKNOWLEDGED or type > OUTPUT_MODIFY_REJECTED:
        return 0
    if type == OUTPUT_TRADED:
        return sizeof(TradeReport)
    return sizeof(OrderReport) if type <= OUTPUT_MODIFIED else sizeof(RejectReport)


cdef char* write_group(char* out, const char* first, const char* end, bint in_order) noexcept nogil:
    """The lines of the outputs of one seq, by kind."""
    cdef const char* at
    cdef uint16_t type
    cdef uint16_t types = 1 if in_order else OUTPUT_MODIFY_REJECTED
    for type in range(1, types + 1):
        at = first
        while at < end:
            if in_order or (<const Reply*>at).type == type:
                out = write_line(out, <const Reply*>at)
            at += REPLY_HEADER_BYTES + padded8((<const Reply*>at).length)
    return out


cdef struct Progress:
    const char* at                # the first frame that is not in the text yet
    const char* wrong             # a frame that has no line, or NULL


cdef char* write_groups(char* out, const char* first, const char* end, bint finished, Progress* progress) noexcept nogil:
    cdef const char* at = first
    cdef const char* group = first
    cdef const Reply* reply
    cdef uint64_t seq = 0
    cdef uint16_t type = 0
    cdef bint in_order = True
    progress.wrong = NULL
    while end - at >= REPLY_HEADER_BYTES:
        reply = <const Reply*>at
        if reply.length == 0 or reply.length != length_of(reply.type):
            progress.wrong = at
            break
        if end - at < REPLY_HEADER_BYTES + padded8(reply.length):
            break
        if at > group and (<const OrderReport*>(reply + 1)).seq != seq:
            out = write_group(out, group, at, in_order)
            group = at
            in_order = True
            type = 0
        seq = (<const OrderReport*>(reply + 1)).seq
        in_order = in_order and reply.type >= type
        type = reply.type
        at += REPLY_HEADER_BYTES + padded8(reply.length)
    if finished and progress.wrong == NULL and at > group:
        out = write_group(out, group, at, in_order)
        group = at
    progress.at = group
    return out


def report_lines(const unsigned char[::1] frames, bint finished):
    """The lines of reply frames that came in the order of their requests, each with a newline BEFORE it.

    Returns (text, bytes taken): unless `finished`, the frames of the last seq stay, since more of them can follow. Raises ValueError
    for a frame that has no line (a rejected or repeated request, another application's output), MemoryError.
    """
    cdef uint64_t length = frames.shape[0]
    cdef const char* first = <const char*>&frames[0] if length else NULL
    cdef Progress progress
    # No line is longer than twice its frame: 56 bytes give at most 45, 64 at most 80, 72 at most 98.
    cdef char* text = <char*>malloc(2 * length + LINE_BYTES_MAX)
    cdef char* end
    if text == NULL:
        raise MemoryError(f"no memory for the lines of {length} bytes of frames")
    with nogil:
        end = write_groups(text, first, first + length, finished, &progress)
    try:
        if progress.wrong != NULL:
            reply = <const Reply*>progress.wrong
            payload = bytes(frames[progress.wrong - first + REPLY_HEADER_BYTES :][: reply.length])
            raise ValueError(f"request {reply.request} was answered with type {reply.type:#x}, {payload[:200]!r}: that is no report")
        return PyBytes_FromStringAndSize(text, end - text), progress.at - first
    finally:
        free(text)
