"""The hot half of the client (see wire.pxd)."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove, memset

from processor.layout cimport (
    REPLY_BUSY, REPLY_ERROR, REPLY_EVICTED, REPLY_HEADER_BYTES, REPLY_LAST, REPLY_WELCOME, SLOT_HEADER_BYTES, Reply, Slot, padded8,
)

from processor.errors import WrongUse

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <poll.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <time.h>

    static inline int64_t wire_monotonic_us(void) {
        struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    }
    static inline int64_t wire_monotonic_ns(void) {
        struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    static inline int64_t wire_send(int fd, struct iovec *parts, int count) {
        struct msghdr message; int64_t sent;
        memset(&message, 0, sizeof message); message.msg_iov = parts; message.msg_iovlen = count;
        do sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); while (sent < 0 && errno == EINTR);
        return sent;
    }
    static inline int64_t wire_receive(int fd, void *room, uint64_t size) {
        int64_t got;
        do got = recv(fd, room, size, MSG_DONTWAIT); while (got < 0 && errno == EINTR);
        return got;
    }
    /* -1: a signal came (Python has to see it). */
    static inline int wire_poll(int fd, int writing, int64_t timeout_us) {
        struct pollfd one = { fd, POLLIN | (writing ? POLLOUT : 0), 0 };
        struct timespec most = { timeout_us / 1000000, timeout_us % 1000000 * 1000 };
        return ppoll(&one, 1, &most, NULL);
    }
    static inline int wire_poll_ns(int fd, int writing, int64_t timeout_ns) {
        struct pollfd one = { fd, POLLIN | (writing ? POLLOUT : 0), 0 };
        struct timespec most = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
        return ppoll(&one, 1, &most, NULL);
    }
    """
    struct iovec:
        void* iov_base
        size_t iov_len
    int errno
    int EAGAIN
    int64_t wire_monotonic_us() noexcept
    int64_t wire_monotonic_ns() noexcept
    int64_t wire_send(int, iovec*, int) noexcept
    int64_t wire_receive(int, void*, uint64_t) noexcept
    int wire_poll(int, int, int64_t) noexcept
    int wire_poll_ns(int, int, int64_t) noexcept

cdef enum:
    RECEIVED_AT_ONCE = 262144
    PAUSE_NS = 20000              # the shortest sleep until an event is due: one shorter than its wake-up would be late
    DONE_ = 1
    WAITING_ = 0
    CLOSED_ = -1
    SPECIAL_ = -2
    NO_MEMORY_ = -3

DONE = DONE_                      # what was waited for is answered
WAITING = WAITING_                # the time is over, or a signal came
CLOSED = CLOSED_                  # the connection is gone: connect again
SPECIAL = SPECIAL_                # see Wire.special


cdef class Wire:
    """Numbers requests from 1, keeps at most `window` slots until they are answered, and takes whole answers, in order, once.

    Thread safety: one thread at a time.
    """

    def __cinit__(self, uint32_t slot_bytes, uint32_t window):
        if slot_bytes < SLOT_HEADER_BYTES or window < 1:
            raise WrongUse(f"{window} slots of {slot_bytes} bytes: that cannot be")
        self.fd = -1
        self.slot_bytes = slot_bytes
        self.window = window
        self.limit = window
        self.slots = <char*>calloc(window, slot_bytes)
        if self.slots == NULL:
            raise MemoryError("the slots of a client")

    def __dealloc__(self):
        free(self.slots)
        free(self.inbox)

    def connect(self, int fd, uint32_t session):
        """Goes on over a new connection: everything unanswered will be sent again, a part of an answer is forgotten."""
        cdef uint64_t k
        self.fd = fd
        self.session = session
        self.sent = self.answered * self.slot_bytes
        self.accepted = self.complete
        self.read_at = self.complete
        self.end = self.complete
        self.index = 0
        self.send_failed = False
        self.is_special = False
        self.connections += 1
        for k in range(self.answered, self.submitted):
            (<Slot*>(self.slots + (k % self.window) * self.slot_bytes)).session = session

    def disconnect(self):
        """Forgets the connection: pump says CLOSED until there is another."""
        self.fd = -1

    @property
    def room(self):
        """Requests that may be put before more answers must have come."""
        cdef uint64_t flying = self.submitted - self.answered
        return self.limit - flying if flying < self.limit else 0

    cdef char* next_slot(self) noexcept nogil:
        """The slot of the next request, its number in it; the caller has looked whether there is room."""
        cdef char* slot = self.slots + (self.submitted % self.window) * self.slot_bytes
        self.submitted += 1
        (<Slot*>slot).request = self.submitted
        return slot

    def put_slots(self, const uint8_t[:, ::1] slots not None):
        """Takes as many of these whole slots (n, slot_bytes) as there is room for; session and request are filled in."""
        cdef uint64_t count = self.room
        cdef uint64_t k
        cdef Slot* slot
        if <uint32_t>slots.shape[1] != self.slot_bytes:
            raise WrongUse(f"slots have {self.slot_bytes} bytes here, not {slots.shape[1]}")
        if count > <uint64_t>slots.shape[0]:
            count = slots.shape[0]
        with nogil:
            for k in range(count):
                slot = <Slot*>(self.slots + (self.submitted % self.window) * self.slot_bytes)
                memcpy(slot, &slots[k, 0], self.slot_bytes)
                slot.session = self.session
                self.next_slot()
        return count

    def put_payloads(self, uint16_t type, const uint8_t[:, ::1] payloads not None):
        """Takes as many events of this type, given as payloads (n, length), as there is room for."""
        cdef uint64_t count = self.room
        cdef uint64_t k
        cdef uint32_t length = <uint32_t>payloads.shape[1]
        cdef Slot* slot
        if length > self.slot_bytes - SLOT_HEADER_BYTES:
            raise WrongUse(f"a slot holds {self.slot_bytes - SLOT_HEADER_BYTES} bytes of payload, not {length}")
        if count > <uint64_t>payloads.shape[0]:
            count = payloads.shape[0]
        with nogil:
            for k in range(count):
                slot = <Slot*>self.next_slot()
                slot.sequence = 0
                slot.timestamp = 0
                slot.session = self.session
                slot.type = type
                slot.length = <uint16_t>length
                if length:
                    memcpy(<char*>slot + SLOT_HEADER_BYTES, &payloads[k, 0], length)
                memset(<char*>slot + SLOT_HEADER_BYTES + length, 0, self.slot_bytes - SLOT_HEADER_BYTES - length)
        return count

    def pump(self, uint64_t until, double timeout_ms):
        """Sends and receives until request `until` is answered, for at most timeout_ms (parts of one count): DONE, WAITING, CLOSED or
        SPECIAL."""
        cdef int code
        cdef int64_t timeout_us = <int64_t>(timeout_ms * 1000)
        with nogil:
            code = self.pump_until(until, timeout_us)
        if code == NO_MEMORY_:
            raise MemoryError("no room for more replies: read them as they come")
        return code

    def trips(self, const uint8_t[:, ::1] slots not None, uint64_t first, double rate, int64_t start_ns, int64_t[::1] took_ns not None,
              double timeout_ms):
        """Sends these slots at times that are given, and writes down when each was answered. Goes on where it was when it is called again
        with the same arguments: slot k is request first + k.

        `rate`: slot k is due at start_ns + k / rate (CLOCK_MONOTONIC, ns), and took_ns[k] counts from then; 0: a slot is put as soon as
        `limit` allows, and counts from then. Returns as pump does; DONE when all are answered.
        """
        cdef uint64_t count = slots.shape[0]
        cdef int code
        cdef int64_t timeout_ns = <int64_t>(timeout_ms * 1000000)
        if <uint32_t>slots.shape[1] != self.slot_bytes or <uint64_t>took_ns.shape[0] != count or count == 0:
            raise WrongUse(f"{slots.shape[0]} slots of {slots.shape[1]} bytes and {took_ns.shape[0]} times: expected at least one slot, of "
                           f"{self.slot_bytes} bytes, and a time for each")
        if not first - 1 <= self.submitted <= first - 1 + count or rate < 0:
            raise WrongUse(f"request {self.submitted} was the last one: these slots are {first} to {first + count - 1}, at a rate of {rate}")
        with nogil:
            code = self.trips_until(&slots[0, 0], count, first, rate, start_ns, &took_ns[0], timeout_ns)
        if code == NO_MEMORY_:
            raise MemoryError("no room for more replies: read them as they come")
        return code

    def take(self):
        """The frames of all whole answers that have come since the last call, in order, as bytes."""
        cdef uint64_t size = self.complete - self.first
        taken = self.inbox[self.first:self.complete] if size else b""
        self.first = self.complete
        return taken

    @property
    def special(self):
        """(type, request, payload) of the frame that made pump return SPECIAL."""
        cdef const Reply* reply
        if not self.is_special:
            return None
        reply = <const Reply*>(self.inbox + self.special_at)
        return reply.type, reply.request, (<const char*>reply + REPLY_HEADER_BYTES)[:reply.length]

    cdef int pump_until(self, uint64_t until, int64_t timeout_us) noexcept nogil:
        cdef int64_t deadline = wire_monotonic_us() + timeout_us
        cdef int64_t left
        cdef int result
        if self.fd < 0:
            return CLOSED_
        while True:
            if not self.send_failed:
                self.send_some()
            result = self.receive_some()
            if result < 0:
                return result
            if self.answered >= until:
                return DONE_
            if result > 0:
                continue
            left = deadline - wire_monotonic_us()
            if left <= 0:
                return WAITING_
            if wire_poll(self.fd, not self.send_failed and self.sent < self.submitted * self.slot_bytes, left) < 0:
                return WAITING_

    cdef int trips_until(
        self, const uint8_t* slots, uint64_t count, uint64_t first, double rate, int64_t start_ns, int64_t* took_ns, int64_t timeout_ns
    ) noexcept nogil:
        cdef uint64_t before = first - 1
        cdef uint64_t due, answered
        cdef int64_t now = wire_monotonic_ns()
        cdef int64_t deadline = now + timeout_ns
        cdef int64_t left
        cdef double gap_ns = 1e9 / rate if rate > 0 else 0
        cdef Slot* slot
        cdef int result
        if self.fd < 0:
            return CLOSED_
        while True:
            due = count
            if rate > 0:
                due = 0 if now < start_ns else <uint64_t>((now - start_ns) / gap_ns) + 1
                if due > count:
                    due = count
            while self.submitted < before + due and self.submitted - self.answered < self.limit:
                if rate == 0:
                    took_ns[self.submitted - before] = now
                slot = <Slot*>(self.slots + (self.submitted % self.window) * self.slot_bytes)
                memcpy(slot, slots + (self.submitted - before) * self.slot_bytes, self.slot_bytes)
                slot.session = self.session
                self.next_slot()
            if not self.send_failed:
                self.send_some()
            answered = self.answered
            result = self.receive_some()
            if result < 0:
                return result
            now = wire_monotonic_ns()
            while answered < self.answered:
                if answered >= before:
                    took_ns[answered - before] = now - (start_ns + <int64_t>((answered - before) * gap_ns) if rate > 0
                                                        else took_ns[answered - before])
                answered += 1
            if self.answered >= before + count:
                return DONE_
            if now >= deadline:
                return WAITING_
            if result > 0:
                continue
            left = deadline - now
            if rate > 0 and self.submitted < before + count and self.submitted - self.answered < self.limit:
                left = start_ns + <int64_t>((self.submitted - before) * gap_ns) - now
                if left < PAUSE_NS:
                    left = PAUSE_NS
            if wire_poll_ns(self.fd, not self.send_failed and self.sent < self.submitted * self.slot_bytes, left) < 0:
                return WAITING_
            now = wire_monotonic_ns()

    cdef void send_some(self) noexcept nogil:
        """Sends until the socket takes no more. After a failure it is only read: there may be a word why."""
        cdef uint64_t circle = <uint64_t>self.window * self.slot_bytes
        cdef uint64_t left, run
        cdef iovec parts[2]
        cdef int64_t got
        if self.sent < self.answered * self.slot_bytes:
            self.sent = self.answered * self.slot_bytes       # answered before it was sent: its slot may be another's by now
        while True:
            left = self.submitted * self.slot_bytes - self.sent
            if left == 0:
                return
            run = circle - self.sent % circle
            if run > left:
                run = left
            parts[0].iov_base = self.slots + self.sent % circle
            parts[0].iov_len = run
            parts[1].iov_base = self.slots
            parts[1].iov_len = left - run
            got = wire_send(self.fd, parts, 2 if left > run else 1)
            if got <= 0:
                self.send_failed = errno != EAGAIN
                return
            self.sent += got

    cdef int receive_some(self) noexcept nogil:
        """1: something came; 0: nothing now; else as pump."""
        cdef int64_t got
        if self.make_room() < 0:
            return NO_MEMORY_
        got = wire_receive(self.fd, self.inbox + self.end, self.inbox_bytes - self.end)
        if got < 0 and errno == EAGAIN:
            return 0
        if got <= 0:
            return CLOSED_
        self.end += got
        return self.parse()

    cdef int make_room(self) noexcept nogil:
        cdef uint64_t capacity = self.inbox_bytes
        cdef char* grown
        if self.end + RECEIVED_AT_ONCE <= capacity:
            return 0
        if self.first and 2 * (self.end - self.first) <= capacity:
            memmove(self.inbox, self.inbox + self.first, self.end - self.first)
            self.complete -= self.first
            self.accepted -= self.first
            self.read_at -= self.first
            self.end -= self.first
            self.first = 0
            if self.end + RECEIVED_AT_ONCE <= capacity:
                return 0
        capacity = 2 * (self.end + RECEIVED_AT_ONCE)
        grown = <char*>realloc(self.inbox, capacity)
        if grown == NULL:
            return -1
        self.inbox = grown
        self.inbox_bytes = capacity
        return 0

    cdef int parse(self) noexcept nogil:
        """Takes the frames of the answer that is due, in order; what came before, or too early, is dropped: it comes (again)."""
        cdef Reply* reply
        cdef uint64_t size
        while self.end - self.read_at >= REPLY_HEADER_BYTES:
            reply = <Reply*>(self.inbox + self.read_at)
            size = REPLY_HEADER_BYTES + padded8(reply.length)
            if self.end - self.read_at < size:
                break
            if reply.type >= REPLY_EVICTED and reply.type <= REPLY_BUSY:
                self.special_at = self.read_at
                self.is_special = True
                self.read_at += size
                return SPECIAL_
            if reply.request != self.answered + 1 or reply.index != self.index:
                self.dropped += 1
                self.read_at += size
                continue
            if self.accepted != self.read_at:
                memmove(self.inbox + self.accepted, reply, size)
                reply = <Reply*>(self.inbox + self.accepted)
            self.accepted += size
            self.read_at += size
            self.index += 1
            if reply.flags & REPLY_LAST:
                self.answered += 1
                self.index = 0
                self.complete = self.accepted
        if self.accepted != self.read_at:
            memmove(self.inbox + self.accepted, self.inbox + self.read_at, self.end - self.read_at)
            self.end -= self.read_at - self.accepted
            self.read_at = self.accepted
        return 1


def split(const uint8_t[::1] frames not None):
    """Whole reply frames as tuples (sequence, timestamp, index, flags, type, request, payload bytes)."""
    cdef uint64_t at = 0
    cdef uint64_t size
    cdef const Reply* reply
    cdef list found = []
    while at + REPLY_HEADER_BYTES <= <uint64_t>frames.shape[0]:
        reply = <const Reply*>&frames[at]
        size = REPLY_HEADER_BYTES + padded8(reply.length)
        if at + size > <uint64_t>frames.shape[0]:
            break
        found.append((reply.sequence, reply.timestamp, reply.index, reply.flags, reply.type, reply.request,
                      (<const char*>reply + REPLY_HEADER_BYTES)[:reply.length]))
        at += size
    if at != <uint64_t>frames.shape[0]:
        raise WrongUse(f"{frames.shape[0]} bytes are no whole reply frames: the last one starts at {at}")
    return found
