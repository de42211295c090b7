"""A client's end of a connection: slots on their way out, replies on their way in, all without the GIL.

    slots:  [ answered | sent, unanswered | submitted, not sent ]      kept until answered, so that they can be sent again
    inbox:  [ first .. complete: whole answers | .. accepted: a part of one | .. | read_at .. end: not looked at ]
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from processor.layout cimport Reply

cdef class Wire:
    cdef int fd
    cdef readonly uint32_t session
    cdef readonly uint32_t slot_bytes
    cdef readonly uint32_t window         # slots that are kept: most requests in flight
    cdef public uint32_t limit            # of them in use now
    cdef readonly uint64_t answered       # the last request whose answer is complete
    cdef readonly uint64_t submitted      # the last request put
    cdef uint64_t sent                    # bytes of the stream of all requests that the socket has taken
    cdef readonly uint64_t dropped        # frames that came a second time, or too early after a reconnect
    cdef readonly uint64_t connections
    cdef char* slots                      # [window]
    cdef char* inbox
    cdef uint64_t inbox_bytes
    cdef uint64_t first
    cdef uint64_t complete
    cdef uint64_t accepted
    cdef uint64_t read_at
    cdef uint64_t end
    cdef uint16_t index                   # of the next frame of the answer in hand
    cdef bint send_failed
    cdef uint64_t special_at              # where in the inbox a frame stands that is no answer (Wire.special)
    cdef bint is_special

    cdef int pump_until(self, uint64_t until, int64_t timeout_us) noexcept nogil
    cdef int trips_until(
        self, const uint8_t* slots, uint64_t count, uint64_t first, double rate, int64_t start_ns, int64_t* took_ns, int64_t timeout_ns
    ) noexcept nogil
    cdef void send_some(self) noexcept nogil
    cdef int receive_some(self) noexcept nogil
    cdef int parse(self) noexcept nogil
    cdef int make_room(self) noexcept nogil
    cdef char* next_slot(self) noexcept nogil
