"""A session table as canonical bytes, and back.

Little-endian: the head, then the sessions by rising id, each a row, the lengths of the kept requests' frames (u32 each, the oldest
first, padded with zero to 8), and those frames. Requests of the window below the kept ones are gone. The order of idleness is that
of last_sequence; where things lie in memory is not part of it.

    head   magic u32 | version u32 | window u32 | sessions_max u32 | kept_bytes_max u64 | next_id u32 | count u32
    row    id u32 | kept u32 | token 16 bytes | last_request u64 | last_sequence u64 | frame bytes u64
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy

from processor.layout cimport REPLY_HEADER_BYTES, Reply, padded8
from processor.logic.sessions cimport Session, Sessions
from processor.logic.stored cimport Stored, stored_append, stored_begin, stored_end, stored_finish, stored_from

cdef enum:
    EXPORT_MAGIC = 0x53455350     # "PSES"
    EXPORT_VERSION = 1

cdef struct Head:
    uint32_t magic
    uint32_t version
    uint32_t window
    uint32_t sessions_max
    uint64_t kept_bytes_max
    uint32_t next_id
    uint32_t count

cdef struct Row:
    uint32_t id
    uint32_t kept
    uint8_t token[16]
    uint64_t last_request
    uint64_t last_sequence
    uint64_t frame_bytes


cdef int compare_id(const void* a, const void* b) noexcept nogil:
    cdef uint32_t x = (<Session**>a)[0].id, y = (<Session**>b)[0].id
    return (x > y) - (x < y)


cdef int compare_sequence(const void* a, const void* b) noexcept nogil:
    cdef uint64_t x = (<Session**>a)[0].last_sequence, y = (<Session**>b)[0].last_sequence
    return (x > y) - (x < y)


cdef uint64_t lengths_bytes(uint64_t kept) noexcept nogil:
    return (kept * sizeof(uint32_t) + 7) & ~<uint64_t>7


cdef uint64_t session_bytes(const Session* session) noexcept nogil:
    cdef const Stored* stored = &session.stored
    return sizeof(Row) + lengths_bytes(stored.last + 1 - stored.first) + stored.total - stored_from(stored)


cdef char* write_session(char* out, const Session* session) noexcept nogil:
    cdef const Stored* stored = &session.stored
    cdef Row row
    cdef uint32_t* lengths
    cdef uint64_t request, start = stored_from(stored), end
    row.id = session.id
    row.kept = <uint32_t>(stored.last + 1 - stored.first)
    memcpy(row.token, session.token, 16)
    row.last_request = stored.last
    row.last_sequence = session.last_sequence
    row.frame_bytes = stored.total - start
    memcpy(out, &row, sizeof(Row))
    lengths = <uint32_t*>(out + sizeof(Row))
    if row.kept & 1:
        lengths[row.kept] = 0
    out += sizeof(Row) + lengths_bytes(row.kept)
    if row.frame_bytes:
        memcpy(out, stored.memory + (start - stored.base), row.frame_bytes)
    for request in range(stored.first, stored.last + 1):
        end = stored_end(stored, request)
        lengths[request - stored.first] = <uint32_t>(end - start)
        start = end
    return out + row.frame_bytes


def export_sessions(Sessions sessions not None):
    """The table's export; raises ValueError between begin and finish."""
    cdef Session** order
    cdef Session* session = sessions.oldest
    cdef Head head
    cdef uint64_t size = sizeof(Head), i = 0
    cdef char* out
    if sessions.current != NULL:
        raise ValueError(f"request {sessions.current.stored.last} of session {sessions.current.id} is not finished")
    order = <Session**>malloc((<uint64_t>sessions.count + 1) * sizeof(Session*))
    if order == NULL:
        raise MemoryError
    while session != NULL:
        size += session_bytes(session)
        order[i] = session
        i += 1
        session = session.newer
    try:
        data = PyBytes_FromStringAndSize(NULL, size)
        out = PyBytes_AS_STRING(data)
        with nogil:
            head = Head(EXPORT_MAGIC, EXPORT_VERSION, sessions.window, sessions.sessions_max, sessions.kept_bytes_max,
                        sessions.next_id, sessions.count)
            memcpy(out, &head, sizeof(Head))
            out += sizeof(Head)
            qsort(order, sessions.count, sizeof(Session*), compare_id)
            for i in range(sessions.count):
                out = write_session(out, order[i])
    finally:
        free(order)
    return data


def fill_sessions(Sessions sessions not None, bytes data not None):
    """Fills a fresh table with an export; raises ValueError, having filled a part, when it is none of such a table.

    What is checked one by one is what must hold for memory and for the table's own rules; that nothing else is off (order, padding,
    flags, what stands behind the end) is the last check: the filled table exports the same bytes.
    """
    cdef Head head
    cdef const char* at = data
    cdef const char* end = at + len(data)
    cdef uint32_t i
    if len(data) < <Py_ssize_t>sizeof(Head):
        raise ValueError(f"a session table has at least {sizeof(Head)} bytes, this has {len(data)}")
    memcpy(&head, at, sizeof(Head))
    at += sizeof(Head)
    if head.magic != EXPORT_MAGIC or head.version != EXPORT_VERSION:
        raise ValueError(f"not a session table of version {EXPORT_VERSION}: it begins with {head.magic:#x}, {head.version}")
    found = (head.window, head.kept_bytes_max, head.sessions_max)
    expected = (sessions.window, sessions.kept_bytes_max, sessions.sessions_max)
    if found != expected:
        raise ValueError("the session table was made with other settings (window, kept_bytes_max, sessions_max): "
                         f"expected {expected}, found {found}; run with those")
    if head.next_id == 0 or head.count > sessions.sessions_max:
        raise ValueError(f"the session table's head is damaged: {head.count} sessions of at most {sessions.sessions_max}")
    sessions.next_id = head.next_id
    for i in range(head.count):
        at = read_session(sessions, at, end)
    link_all(sessions)
    if export_sessions(sessions) != data:
        raise ValueError("the session table is damaged: it is not in canonical form")


cdef const char* read_session(Sessions sessions, const char* at, const char* end) except NULL:
    cdef Row row
    cdef Session* session
    cdef const char* lengths
    cdef uint64_t sequence = 0, left
    cdef uint32_t i, length
    if <uint64_t>(end - at) < sizeof(Row):
        raise ValueError(f"the session table ends after {sessions.count} sessions, more were announced")
    memcpy(&row, at, sizeof(Row))
    at += sizeof(Row)
    where = f"the session table is damaged at session {row.id}"
    if row.id == 0 or row.id >= sessions.next_id or sessions.find(row.id) != NULL or sessions.find_token(row.token) != NULL:
        raise ValueError(f"{where}: number or token stand there twice, or the number was never given")
    # Below 2^63, so that counting up never wraps.
    if row.last_sequence == 0 or row.kept > sessions.window or row.kept > row.last_request or row.last_request >> 63:
        raise ValueError(f"{where}: {row.kept} requests kept of {row.last_request}, window {sessions.window}")
    left = end - at
    if row.frame_bytes > sessions.kept_bytes_max or lengths_bytes(row.kept) + row.frame_bytes > left:
        raise ValueError(f"{where}: {row.frame_bytes} bytes of frames, at most {sessions.kept_bytes_max}, {left} left")
    session = sessions.insert(row.id, row.token)
    if session == NULL:
        raise MemoryError
    session.last_sequence = row.last_sequence
    session.stored.last = row.last_request - row.kept
    session.stored.first = session.stored.last + 1
    lengths = at
    at += lengths_bytes(row.kept)
    end = at + row.frame_bytes
    for i in range(row.kept):
        memcpy(&length, lengths + i * sizeof(uint32_t), sizeof(uint32_t))
        if length > <uint64_t>(end - at):
            raise ValueError(f"{where}: the requests' lengths are more than its {row.frame_bytes} bytes of frames")
        if stored_begin(&session.stored, sessions.window) < 0:
            raise MemoryError
        if length:
            read_frames(sessions, session, at, length, &sequence)
        at += length
    if at != end or sequence > row.last_sequence:
        raise ValueError(f"{where}: {end - at} bytes of frames are nobody's, or an answer is younger than the last event")
    return end


cdef int read_frames(Sessions sessions, Session* session, const char* at, uint64_t left, uint64_t* sequence) except -1:
    """The frames of one request: all of one event, which is later than the request's before it (`sequence`)."""
    cdef Reply reply
    cdef uint64_t frame_bytes
    cdef uint64_t before = sequence[0]
    cdef int result
    while left:
        if left >= REPLY_HEADER_BYTES:
            memcpy(&reply, at, REPLY_HEADER_BYTES)
            frame_bytes = REPLY_HEADER_BYTES + padded8(reply.length)
        if left < REPLY_HEADER_BYTES or frame_bytes > left:
            raise ValueError(f"the session table is damaged at session {session.id}: a reply frame is cut off")
        if reply.sequence <= before or (sequence[0] != before and reply.sequence != sequence[0]):
            raise ValueError(f"the session table is damaged at session {session.id}: an answer to event {reply.sequence} "
                             f"stands behind one to event {sequence[0]}")
        result = stored_append(&session.stored, at, <uint32_t>frame_bytes, sessions.kept_bytes_max)
        if result == -1:
            raise MemoryError
        if result < 0:
            raise ValueError(f"the session table is damaged at session {session.id}: an answer to request {reply.request} "
                             f"stands among those to request {session.stored.last}")
        sequence[0] = reply.sequence
        at += frame_bytes
        left -= frame_bytes
    stored_finish(&session.stored)
    return 0


cdef int link_all(Sessions sessions) except -1:
    """The list of idleness, by the sessions' last events, which are all different."""
    cdef uint64_t at, found = 0
    cdef uint32_t i
    cdef Session** order = <Session**>malloc((<uint64_t>sessions.count + 1) * sizeof(Session*))
    if order == NULL:
        raise MemoryError
    try:
        for at in range(sessions.table_mask + 1):
            if sessions.tables[0][at] != NULL:
                order[found] = sessions.tables[0][at]
                found += 1
        qsort(order, sessions.count, sizeof(Session*), compare_sequence)
        for i in range(sessions.count):
            if sessions.newest != NULL and sessions.newest.last_sequence == order[i].last_sequence:
                raise ValueError(f"the session table is damaged: sessions {sessions.newest.id} and {order[i].id} have the same "
                                 f"last event {order[i].last_sequence}")
            sessions.link(order[i], order[i].last_sequence)
    finally:
        free(order)
    return 0


def exported_settings(bytes data not None):
    """(window, kept_bytes_max, sessions_max) of the table that this is an export of; raises ValueError when it is none."""
    cdef Head head
    if len(data) < <Py_ssize_t>sizeof(Head):
        raise ValueError(f"a session table has at least {sizeof(Head)} bytes, this has {len(data)}")
    memcpy(&head, <const char*>data, sizeof(Head))
    if head.magic != EXPORT_MAGIC or head.version != EXPORT_VERSION:
        raise ValueError(f"not a session table of version {EXPORT_VERSION}: it begins with {head.magic:#x}, {head.version}")
    return head.window, head.kept_bytes_max, head.sessions_max
