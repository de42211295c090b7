"""The writing half of the gateway: outputs from the queue to the sockets, without ever waiting for one of them."""

from libc.stdint cimport uint32_t, uint64_t

from processor.gateway.connection cimport Connection, Connections
from processor.gateway.system cimport iovec
from processor.outputs.queue cimport OutputQueue, Parcel
from processor.ring.buffer cimport Ring
from processor.ring.sequence cimport store_relaxed

cdef enum:
    PARTS_AT_ONCE = 64            # parcels gathered into one write
    DRAINED_BYTES_MAX = 1048576   # of the queue in one round, so that reading gets its turn

cdef struct GatewayCounts:        # written by the gateway's thread, read by anybody
    uint64_t connections_total
    uint64_t connections_open
    uint64_t frames               # events published
    uint64_t bytes_in
    uint64_t bytes_out
    uint64_t errors               # connections closed for a bad frame, a bad hello or a takeover
    uint64_t refused              # connections there was no place for
    uint64_t dropped_parcels      # outputs for nobody who is connected
    uint64_t pauses               # times a connection was not read any more because it did not read
    uint64_t overflows            # connections closed because too much was unsent

cdef class Sender:
    cdef Connections connections
    cdef OutputQueue outputs
    cdef Ring ring                # whose last stage tells what is answered
    cdef GatewayCounts* counts
    cdef int epoll_fd
    cdef uint64_t pause_bytes     # unsent bytes above which a connection is not read
    cdef uint64_t close_bytes     # and above which it is closed
    cdef uint32_t closing_ms
    cdef Connection* receiver     # of the parts gathered so far
    cdef iovec parts[PARTS_AT_ONCE]
    cdef int part_count
    cdef Connection* last         # of the last parcel to a session: most follow each other
    cdef uint64_t last_session

    cdef bint drain(self) noexcept nogil                                     # whether there was anything in the queue
    cdef bint queue_empty(self) noexcept nogil
    # Reads no more; closes when all that the connection asked is answered and `text` (if length > 0) is said. See settle.
    cdef void finish(self, Connection* connection, const char* text, int length, uint64_t request) noexcept nogil
    cdef bint settle(self) noexcept nogil                                    # lets those go that are answered; whether it did
    cdef bint is_answered(self, Connection* connection) noexcept nogil
    cdef void let_go(self, Connection* connection) noexcept nogil
    # Says what is wrong at once and closes behind it; the connection may be freed on return, as after each of those below.
    cdef void fail(self, Connection* connection, const char* text, int length, uint64_t request) noexcept nogil
    cdef void close_behind(self, Connection* connection) noexcept nogil      # when what is unsent has left
    cdef void close_now(self, Connection* connection) noexcept nogil
    cdef void on_writable(self, Connection* connection) noexcept nogil
    cdef void forget(self, Connection* connection) noexcept nogil            # removes it, leaves the descriptor open

    cdef void say_last(self, Connection* connection, const char* frame, uint32_t size) noexcept nogil
    cdef void deliver(self, const Parcel* parcel) noexcept nogil
    cdef void gather(self, Connection* connection, const char* frames, uint32_t size) noexcept nogil
    cdef void write_gathered(self) noexcept nogil
    cdef void keep_rest(self, Connection* connection, uint64_t sent) noexcept nogil
    cdef void bind(self, uint64_t session, uint64_t number) noexcept nogil
    cdef void answer_waiting(self, Connection* connection, const char* frames, uint32_t size) noexcept nogil


cdef inline void count(uint64_t* counter, uint64_t more) noexcept nogil:
    """One writer: a plain read and a store that readers see whole."""
    store_relaxed(counter, counter[0] + more)
