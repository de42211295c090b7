"""The gateway: sockets on one side, the ring and the output queue on the other, one thread, no GIL.

It knows connections, not state: it checks frames and to whom a session belongs, and leaves what they mean to the logic.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from processor.gateway.connection cimport Connection, Connections
from processor.gateway.frames cimport FrameRules
from processor.gateway.sender cimport GatewayCounts, Sender
from processor.layout cimport Hello
from processor.ring.buffer cimport Ring
from processor.ring.control cimport ControlQueue
from processor.ring.sequence cimport Waiter

cdef enum:
    ADMINS_WAITING_MAX = 64

cdef enum ReadResult:
    READ_DRAINED = 0              # nothing more now: epoll tells when there is
    READ_MORE = 1
    READ_RING_FULL = 2
    READ_CLOSED = 3               # the connection is gone (or closing)

cdef class Gateway:
    cdef Ring ring
    cdef ControlQueue control
    cdef Sender sender
    cdef Connections connections
    cdef object listener
    cdef readonly str address
    cdef Waiter* waiter
    cdef int32_t* lengths
    cdef FrameRules rules
    cdef GatewayCounts counts_
    cdef int epoll_fd
    cdef int listener_fd
    cdef uint64_t read_slots_max  # of one connection in one round
    cdef uint64_t resume_slots    # free slots that end a wait for the ring: not one readv a slot
    cdef uint32_t hello_ms
    cdef bint accept_ready
    cdef bint accept_later        # no descriptor was left: try again at the next sweep
    cdef bint ring_was_full
    cdef bint intake_stopped
    cdef int64_t swept_ms
    # Asked for by other threads.
    cdef uint64_t stop_asked      # 1: no more intake, 2: send what is there and close
    cdef uint64_t stop_by_ms
    cdef bint flushed
    # Administrators' descriptors, for a Python thread: a circle with one producer and one consumer.
    cdef int admins[ADMINS_WAITING_MAX]
    cdef uint64_t admins_put
    cdef uint64_t admins_taken
    cdef readonly int admin_fd
    cdef bint started
    cdef object intake_done       # threading.Event objects, and what went wrong in a call with the GIL
    cdef object finished
    cdef object error

    cdef void loop(self) noexcept nogil
    cdef bint drain_control(self) noexcept nogil
    cdef bint stopping_is_done(self) noexcept nogil
    cdef int sleep_ms(self) noexcept nogil
    cdef bint has_work(self) noexcept nogil
    cdef bint can_read(self) noexcept nogil
    cdef void wait(self, int timeout_ms) noexcept nogil
    cdef void on_event(self, uint64_t number, uint32_t events) noexcept nogil
    cdef void accept_waiting(self) noexcept nogil
    cdef void refuse(self, int fd) noexcept nogil
    cdef void sweep(self, int64_t now) noexcept nogil
    cdef bint read_ready(self) noexcept nogil
    cdef int read_connection(self, Connection* connection) noexcept nogil
    cdef int read_hello(self, Connection* connection) noexcept nogil
    cdef void fail_hello(self, Connection* connection, const char* what) noexcept nogil
    cdef void fail_at_once(self, Connection* connection, const char* text) noexcept nogil
    cdef int on_hello(self, Connection* connection) noexcept nogil
    cdef int hand_over(self, Connection* connection) noexcept nogil
    cdef int read_too_early(self, Connection* connection) noexcept nogil
    cdef int read_frames(self, Connection* connection) noexcept nogil
    cdef void on_last_frame(self, Connection* connection) noexcept nogil
    cdef int take_frames(self, Connection* connection, uint64_t got) noexcept nogil
    cdef void stop_listening(self) noexcept with gil
