"""Connections: what the gateway knows of each, found by number or by session, and the list of those that can be read."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum ConnectionState:
    SAYS_HELLO = 0                # its first 64 bytes are not complete
    WAITS_FOR_WELCOME = 1         # its session open is on its way through journal and logic
    OPEN = 2
    DRAINING = 3                  # asks no more; closed when all that it asked is answered, and its last words are said
    CLOSING = 4                   # nothing is read any more; closed when what it is to get has left

cdef struct ConnectionList:
    Connection* first
    Connection* last

cdef struct Connection:
    uint64_t number               # never used twice; the low 16 bits are its place in the table
    int fd
    int state
    uint32_t session              # 0: none yet
    uint32_t partial              # bytes of the unfinished frame (or hello)
    char* frame                   # [frame_bytes] the unfinished frame
    uint64_t frames               # taken so far
    uint64_t published_to         # position in the ring behind the last of its events
    uint64_t queued_to            # DRAINING: position in the output queue behind its last reply, once that is known
    bint all_queued               # DRAINING: it is known
    bint answered                 # DRAINING: and all of that was taken from the queue
    char* last_words              # an error frame for the end, or NULL
    uint32_t last_words_bytes
    char* unsent                  # what the socket did not take
    uint64_t unsent_first
    uint64_t unsent_end
    uint64_t unsent_capacity
    int64_t deadline_ms           # monotonic: of its hello, or of its closing
    ConnectionList* list          # the list that it is in, or NULL
    bint paused                   # reads nothing because it does not read what it gets
    bint hung_up                  # the other side sends no more: read on until the end
    bint gone                     # and takes no more
    bint armed                    # epoll tells when it can be written
    Connection* next
    Connection* previous

cdef struct SessionPlace:
    uint32_t session              # 0: free
    Connection* connection

cdef class Connections:
    cdef Connection** table       # [most]
    cdef uint32_t* free_places
    cdef uint32_t free_count
    cdef uint64_t generation
    cdef readonly uint32_t most
    cdef readonly uint32_t count
    cdef uint32_t frame_bytes
    cdef SessionPlace* places     # open addressing by session
    cdef uint32_t places_mask
    cdef ConnectionList readable  # those that may have something to be read
    cdef ConnectionList draining  # those that wait for their last replies
    cdef uint32_t unfinished      # connections whose deadline counts (hello, closing)
    cdef uint32_t with_unsent
    cdef uint64_t unsent_total    # bytes of all connections; read by anybody

    cdef Connection* add(self, int fd, int64_t deadline_ms) noexcept nogil       # NULL: memory is short, or there are `most`
    cdef void remove(self, Connection* connection) noexcept nogil                # frees it; the descriptor is the caller's
    cdef Connection* by_number(self, uint64_t number) noexcept nogil
    cdef Connection* by_session(self, uint32_t session) noexcept nogil
    cdef void bind(self, uint32_t session, Connection* connection) noexcept nogil
    cdef void unbind(self, Connection* connection) noexcept nogil
    cdef void list_readable(self, Connection* connection) noexcept nogil         # at the end, unless it is in a list
    cdef void list_draining(self, Connection* connection) noexcept nogil
    cdef void append(self, ConnectionList* list, Connection* connection) noexcept nogil
    cdef void unlist(self, Connection* connection) noexcept nogil
    cdef int keep_unsent(self, Connection* connection, const char* data, uint64_t size) noexcept nogil    # -1: memory is short
    cdef void drop_unsent(self, Connection* connection, uint64_t size) noexcept nogil


cdef inline uint64_t unsent_bytes(const Connection* connection) noexcept nogil:
    return connection.unsent_end - connection.unsent_first
