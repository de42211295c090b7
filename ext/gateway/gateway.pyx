"""The gateway's loop (see gateway.pxd): control events first, then outputs, then every socket that can be read."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strlen

from processor.gateway.connection cimport (
    CLOSING, DRAINING, SAYS_HELLO, WAITS_FOR_WELCOME, Connection, Connections,
)
from processor.gateway.frames cimport ERROR_TEXT_BYTES, check_hello, explain_frame, good_frames
from processor.gateway.sender cimport Sender, count
from processor.gateway.system cimport (
    EAGAIN, EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL,
    EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, accept_now, close, enlarge_send_buffer, epoll_create1, epoll_data,
    epoll_event, epoll_set, epoll_wait, errno, eventfd, iovec, monotonic_ms, read, read_now, send_now, set_blocking, write,
)
from processor.layout cimport (
    CONTROL_FIRST, CONTROL_SESSION_OPEN, HELLO_ADMIN, REPLY_ERROR, REPLY_HEADER_BYTES, REPLY_LAST, Hello, Reply, SessionOpen, Slot,
    padded8, payload_of,
)
from processor.outputs.queue cimport OutputQueue
from processor.ring.buffer cimport STAGE_PUBLISHED, Ring
from processor.ring.control cimport ControlQueue
from processor.ring.sequence cimport (
    load_acquire, load_relaxed, sequence_get, store_release, waiter_busy, waiter_cancel, waiter_drain, waiter_idle, waiter_prepare,
    waiter_wake,
)

import threading

import numpy as np

from processor.errors import GatewayError, WrongUse
from processor.gateway.listener import Listener

cdef enum:
    HELLO_BYTES = 64
    EVENTS_AT_ONCE = 256
    ACCEPTS_AT_ONCE = 64
    SEND_BUFFER_BYTES = 1048576   # asked for; the system gives what it allows
    SWEEP_MS = 100
    FROM_WAITER = 0               # epoll's data; connections have greater numbers
    FROM_LISTENER = 1

assert sizeof(Hello) == HELLO_BYTES


cdef class Gateway:
    """Listens at `address` (unix:/path) at once; serves it from `run`, which a thread calls and which returns when closed.

    `lengths`: int32, shape (65536,), the payload's bytes of each event type, -1 for those that do not exist. A connection is read
    `read_bytes_max` at a time, is not read while more than `unsent_pause_bytes` of its replies are unsent, and is closed above
    `unsent_close_bytes` (to its client a lost connection: what it then asks again is answered from what is stored). It has `hello_s`
    seconds to say hello; after an error it is closed when it takes nothing of its last words for `closing_s`. One that sends no more
    but reads is closed when all that it asked is answered. Raises GatewayError when the address cannot be had, WrongUse for
    settings that cannot be.

    Thread safety: run belongs to one thread, which is the ring's producer and the output queue's consumer; take_admin to
    one other; everything else may be called from any thread.
    """

    def __cinit__(self):
        self.epoll_fd = -1
        self.admin_fd = -1
        self.listener_fd = -1

    def __init__(self, str address not None, Ring ring not None, ControlQueue control not None, OutputQueue outputs not None, lengths,
                 uint32_t slot_bytes, uint64_t fingerprint, *, uint32_t connections_max=4096, uint32_t read_bytes_max=65536,
                 uint64_t unsent_pause_bytes=1 << 20, uint64_t unsent_close_bytes=256 << 20, hello_s=10.0, closing_s=5.0):
        cdef int32_t[::1] given
        cdef int k
        if slot_bytes != ring.slot_bytes:
            raise WrongUse(f"the application's slots have {slot_bytes} bytes, the ring's {ring.slot_bytes}")
        if self.listener is not None:
            raise WrongUse("a gateway is made once")
        given = np.ascontiguousarray(lengths, np.int32)
        if given.shape[0] != 65536:
            raise WrongUse(f"lengths has 65536 numbers, one for each type, not {given.shape[0]}")
        self.lengths = <int32_t*>calloc(65536, sizeof(int32_t))
        if self.lengths == NULL:
            raise MemoryError("the table of lengths")
        for k in range(65536):
            self.lengths[k] = given[k] if 0 < k < CONTROL_FIRST else -1
            self.rules.events += self.lengths[k] >= 0
            if self.lengths[k] > <int32_t>(slot_bytes - 32):
                raise WrongUse(f"event type {k} has {self.lengths[k]} bytes of payload, a slot holds {slot_bytes - 32}")
        self.rules.lengths = self.lengths
        self.rules.slot_bytes = slot_bytes
        self.rules.fingerprint = fingerprint
        self.ring = ring
        self.control = control
        self.waiter = &ring.waiters[STAGE_PUBLISHED]
        self.read_slots_max = max(1, read_bytes_max // slot_bytes)
        self.resume_slots = max(1, min(<uint64_t>256, (ring.capacity - ring.reserved) // 4))
        self.hello_ms = int(hello_s * 1000)
        self.connections = Connections(connections_max, max(slot_bytes, HELLO_BYTES))
        self.sender = Sender()
        self.sender.connections = self.connections
        self.sender.outputs = outputs
        self.sender.ring = ring
        self.sender.counts = &self.counts_
        self.sender.pause_bytes = unsent_pause_bytes
        self.sender.close_bytes = unsent_close_bytes
        self.sender.closing_ms = int(closing_s * 1000)
        self.intake_done = threading.Event()
        self.finished = threading.Event()
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.admin_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)
        if self.epoll_fd < 0 or self.admin_fd < 0:
            raise GatewayError("no descriptor is left for the gateway: raise the limit (ulimit -n)")
        self.sender.epoll_fd = self.epoll_fd
        self.address = address
        self.listener = Listener(address)
        self.listener_fd = self.listener.fd
        epoll_set(self.epoll_fd, EPOLL_CTL_ADD, self.waiter.event_fd, EPOLLIN, FROM_WAITER)
        epoll_set(self.epoll_fd, EPOLL_CTL_ADD, self.listener_fd, EPOLLIN | EPOLLET, FROM_LISTENER)

    def __dealloc__(self):
        if self.admin_fd >= 0:
            while self.admins_taken < self.admins_put:
                close(self.admins[self.admins_taken % ADMINS_WAITING_MAX])
                self.admins_taken += 1
            close(self.admin_fd)
        if self.epoll_fd >= 0:
            close(self.epoll_fd)
        free(self.lengths)

    # What other threads call.

    def run(self):
        """Serves until flush_and_close. Once only. Raises what went wrong while it closed the listening socket."""
        if self.started:
            if self.stop_asked == 2:
                return            # closed before it began
            raise WrongUse(f"the gateway at {self.address} has run already: make a new one")
        self.started = True
        try:
            with nogil:
                self.loop()
        finally:
            self.close_all()
        if self.error is not None:
            raise self.error

    def stop_intake(self, *, timeout_s=10.0):
        """Accepts and reads nothing any more; control events still get into the ring, outputs out. True when that is so."""
        if self.stop_asked < 1:
            store_release(&self.stop_asked, 1)
        waiter_wake(self.waiter)
        if not self.started:
            self.stop_listening()
        return self.intake_done.wait(timeout_s)

    def flush_and_close(self, *, timeout_s=10.0):
        """Sends what is in the output queue and what is unsent, for at most timeout_s, then closes all; run returns.

        Call it when the logic puts nothing more. True when everything was sent.
        """
        store_release(&self.stop_by_ms, monotonic_ms() + <int64_t>(timeout_s * 1000))
        store_release(&self.stop_asked, 2)
        waiter_wake(self.waiter)
        if not self.started:
            self.started = True
            with nogil:
                self.loop()
            self.close_all()
        # The loop looks at the time itself; what is added here is for a machine that is busy.
        return self.finished.wait(timeout_s + 10.0) and self.flushed

    def take_admin(self):
        """The descriptor (blocking; now the caller's) of an administrator's connection behind its hello, or None.

        `admin_fd` is readable while there is one.
        """
        cdef uint64_t one
        if load_acquire(&self.admins_put) == self.admins_taken:
            return None
        read(self.admin_fd, &one, sizeof(one))
        fd = self.admins[self.admins_taken % ADMINS_WAITING_MAX]
        store_release(&self.admins_taken, self.admins_taken + 1)
        return fd

    @property
    def counts(self):
        """What the gateway has done, by name (see GatewayCounts in sender.pxd), and `unsent_bytes` that it holds now; may be read while it runs."""
        return {
            "connections_total": load_relaxed(&self.counts_.connections_total),
            "connections_open": load_relaxed(&self.counts_.connections_open),
            "frames": load_relaxed(&self.counts_.frames),
            "bytes_in": load_relaxed(&self.counts_.bytes_in),
            "bytes_out": load_relaxed(&self.counts_.bytes_out),
            "errors": load_relaxed(&self.counts_.errors),
            "refused": load_relaxed(&self.counts_.refused),
            "dropped_parcels": load_relaxed(&self.counts_.dropped_parcels),
            "pauses": load_relaxed(&self.counts_.pauses),
            "overflows": load_relaxed(&self.counts_.overflows),
            "unsent_bytes": load_relaxed(&self.connections.unsent_total),
        }

    def close_all(self):
        cdef uint32_t k
        for k in range(self.connections.most):
            if self.connections.table[k] != NULL:
                self.sender.close_now(self.connections.table[k])
        self.stop_listening()
        self.finished.set()

    cdef void stop_listening(self) noexcept with gil:
        if self.listener_fd >= 0:
            epoll_set(self.epoll_fd, EPOLL_CTL_DEL, self.listener_fd, 0, 0)
            self.listener_fd = -1
            try:
                self.listener.close()
            except BaseException as error:
                self.error = error
        self.intake_stopped = True
        self.intake_done.set()

    # The loop; all below runs on the gateway's thread without the GIL.

    cdef void loop(self) noexcept nogil:
        cdef bint moved
        while not self.stopping_is_done():
            moved = self.control.can_drain() and self.drain_control()
            moved |= self.sender.drain()
            moved |= self.sender.settle()
            moved |= self.read_ready()
            if moved:
                waiter_busy(self.waiter)
            self.wait(0 if moved else self.sleep_ms())
            if self.accept_ready and not self.intake_stopped:
                self.accept_waiting()

    cdef bint drain_control(self) noexcept nogil:
        cdef bint moved
        self.ring.lock_producer()
        moved = self.control.drain() != 0
        self.ring.unlock_producer()
        return moved

    cdef bint stopping_is_done(self) noexcept nogil:
        cdef uint64_t asked = load_acquire(&self.stop_asked)
        if asked == 0:
            return False
        if not self.intake_stopped:
            self.stop_listening()
        if asked < 2:
            return False
        self.flushed = self.connections.with_unsent == 0 and self.sender.queue_empty()
        return self.flushed or monotonic_ms() >= <int64_t>load_acquire(&self.stop_by_ms)

    cdef bint can_read(self) noexcept nogil:
        cdef uint64_t room
        if self.connections.readable.first == NULL or self.intake_stopped:
            return False
        room = self.ring.free_slots(False)
        if self.ring_was_full:
            self.ring_was_full = room < self.resume_slots
        return room > 0 and not self.ring_was_full

    cdef bint has_work(self) noexcept nogil:
        cdef Connection* draining = self.connections.draining.first
        return (self.control.can_drain() or not self.sender.queue_empty() or self.can_read()
                or (draining != NULL and self.sender.is_answered(draining))
                or (load_acquire(&self.stop_asked) > 0 and not self.intake_stopped)
                or (self.accept_ready and not self.intake_stopped))

    cdef int sleep_ms(self) noexcept nogil:
        """How long to sleep: 0 when there is work, or a strategy that does not sleep; the waiter is prepared otherwise."""
        if not waiter_idle(self.waiter):
            return 0
        waiter_prepare(self.waiter)
        if self.has_work():
            waiter_cancel(self.waiter)
            return 0
        if load_acquire(&self.stop_asked) == 2:
            return 10
        if self.connections.unfinished or self.accept_later:
            return SWEEP_MS
        return -1

    cdef void wait(self, int timeout_ms) noexcept nogil:
        cdef epoll_event events[EVENTS_AT_ONCE]
        cdef int got, k
        cdef int64_t now
        got = epoll_wait(self.epoll_fd, events, EVENTS_AT_ONCE, timeout_ms)
        if timeout_ms != 0:
            waiter_cancel(self.waiter)
        for k in range(got):
            self.on_event(epoll_data(&events[k]), events[k].events)
        if self.connections.unfinished or self.accept_later:
            now = monotonic_ms()
            if now - self.swept_ms >= SWEEP_MS:
                self.swept_ms = now
                self.sweep(now)

    cdef void on_event(self, uint64_t number, uint32_t events) noexcept nogil:
        cdef Connection* connection
        if number == FROM_WAITER:
            waiter_drain(self.waiter)
            return
        if number == FROM_LISTENER:
            self.accept_ready = True
            return
        connection = self.connections.by_number(number)
        if connection == NULL:
            return
        if events & (EPOLLHUP | EPOLLERR):
            connection.gone = True
        if connection.gone and (connection.paused or connection.state >= DRAINING):
            self.sender.close_now(connection)        # it takes nothing any more, and nothing is to be read from it
            return
        if events & EPOLLOUT:
            self.sender.on_writable(connection)
            connection = self.connections.by_number(number)
            if connection == NULL:
                return
        if events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP):
            connection.hung_up = True
        if events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP) and not connection.paused and connection.state < DRAINING:
            # A hello is read whether or not the ring has room: administrators need none.
            if connection.state != SAYS_HELLO or self.intake_stopped or self.read_hello(connection) >= READ_MORE:
                connection = self.connections.by_number(number)
                if connection != NULL:
                    self.connections.list_readable(connection)

    cdef void accept_waiting(self) noexcept nogil:
        cdef Connection* connection
        cdef int fd, k
        for k in range(ACCEPTS_AT_ONCE):
            fd = accept_now(self.listener_fd)
            if fd < 0:
                self.accept_ready = False
                # Without descriptors or memory they wait in the backlog; the listener is edge-triggered and will not remind us.
                self.accept_later = errno == EMFILE or errno == ENFILE or errno == ENOBUFS or errno == ENOMEM
                return
            connection = self.connections.add(fd, monotonic_ms() + self.hello_ms)
            if connection == NULL:
                self.refuse(fd)
                continue
            count(&self.counts_.connections_total, 1)
            count(&self.counts_.connections_open, 1)
            enlarge_send_buffer(fd, SEND_BUFFER_BYTES)
            epoll_set(self.epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, connection.number)

    cdef void refuse(self, int fd) noexcept nogil:
        cdef char frame[REPLY_HEADER_BYTES + ERROR_TEXT_BYTES]
        cdef Reply* reply = <Reply*>frame
        cdef iovec part
        memset(frame, 0, sizeof(frame))
        reply.type = REPLY_ERROR
        reply.flags = REPLY_LAST
        reply.length = <unsigned short>snprintf(
            frame + REPLY_HEADER_BYTES, ERROR_TEXT_BYTES, "the service has no place for one more connection (it has %u, "
            "connections_max is %u): close some, or raise it", <unsigned>self.connections.count, <unsigned>self.connections.most)
        part.iov_base = frame
        part.iov_len = REPLY_HEADER_BYTES + padded8(reply.length)
        send_now(fd, &part, 1)
        close(fd)
        count(&self.counts_.refused, 1)

    cdef void sweep(self, int64_t now) noexcept nogil:
        """Ends those that did not say hello in time, or do not take their last words; tries again to accept."""
        cdef uint32_t k
        cdef Connection* connection
        for k in range(self.connections.most):
            connection = self.connections.table[k]
            if connection == NULL or now < connection.deadline_ms:
                continue
            if connection.state == CLOSING:
                self.sender.close_now(connection)
            elif connection.state == SAYS_HELLO and connection.list == NULL:      # else it has said it, and waits for the ring
                self.fail_hello(connection, "no hello came in time")
        if self.accept_later:
            self.accept_later = False
            self.accept_ready = True

    cdef bint read_ready(self) noexcept nogil:
        """One turn for each connection that can be read, in order; stops where the ring is full."""
        cdef Connection* connection
        cdef Connection* last = self.connections.readable.last
        cdef bint moved = False
        cdef bint was_last = False
        cdef int result
        while not was_last and self.can_read():
            connection = self.connections.readable.first
            was_last = connection == last
            # From the look at the free slots to their publication nobody else is the producer.
            self.ring.lock_producer()
            result = self.read_connection(connection)
            self.ring.unlock_producer()
            if result == READ_RING_FULL:
                self.ring_was_full = True
                break
            moved = True
            if result == READ_CLOSED:
                continue
            self.connections.unlist(connection)
            if result == READ_MORE:
                self.connections.list_readable(connection)
        return moved

    cdef int read_connection(self, Connection* connection) noexcept nogil:
        cdef int result
        if connection.state == SAYS_HELLO:
            result = self.read_hello(connection)
            if result != READ_MORE:
                return result
            # The hello is complete. Whatever stands behind it came before the welcome.
        if connection.state == WAITS_FOR_WELCOME:
            return self.read_too_early(connection)
        return self.read_frames(connection)

    cdef int read_hello(self, Connection* connection) noexcept nogil:
        cdef iovec part
        cdef int64_t got
        while connection.partial < HELLO_BYTES:
            part.iov_base = connection.frame + connection.partial
            part.iov_len = HELLO_BYTES - connection.partial
            got = read_now(connection.fd, &part, 1)
            if got < 0 and errno == EAGAIN:
                return READ_DRAINED
            if got <= 0:
                if got == 0 and connection.partial and not connection.gone:
                    self.fail_hello(connection, "the connection ended within the hello")
                else:
                    self.sender.close_now(connection)      # someone looked whether anybody is here
                return READ_CLOSED
            connection.partial += <uint32_t>got
            count(&self.counts_.bytes_in, got)
        return self.on_hello(connection)

    cdef void fail_hello(self, Connection* connection, const char* what) noexcept nogil:
        cdef char text[ERROR_TEXT_BYTES]
        cdef int length = snprintf(text, ERROR_TEXT_BYTES, "%s: %u of its %d bytes came; a client begins with the whole hello and "
                                   "then waits for the welcome", what, <unsigned>connection.partial, <int>HELLO_BYTES)
        self.sender.fail(connection, text, length, 0)

    cdef void fail_at_once(self, Connection* connection, const char* text) noexcept nogil:
        self.sender.fail(connection, text, <int>strlen(text), 0)

    cdef int on_hello(self, Connection* connection) noexcept nogil:
        cdef const Hello* hello = <const Hello*>connection.frame
        cdef char text[ERROR_TEXT_BYTES]
        cdef int length = check_hello(&self.rules, hello, text)
        cdef uint64_t position
        cdef Slot* slot
        cdef SessionOpen* asked
        if length:
            self.sender.fail(connection, text, length, 0)
            return READ_CLOSED
        if hello.kind == HELLO_ADMIN:
            return self.hand_over(connection)
        if self.ring.free_slots(False) == 0:
            return READ_RING_FULL
        position = sequence_get(&self.ring.sequences[STAGE_PUBLISHED])
        slot = self.ring.slot(position)
        memset(slot, 0, self.ring.slot_bytes)
        slot.type = CONTROL_SESSION_OPEN
        slot.length = sizeof(SessionOpen)
        asked = <SessionOpen*>payload_of(slot)
        memcpy(asked.token, hello.token, 16)
        asked.connection = connection.number
        asked.session = hello.session
        self.ring.advance(STAGE_PUBLISHED, position + 1)
        connection.published_to = position + 1
        connection.state = WAITS_FOR_WELCOME
        connection.partial = 0
        self.connections.unfinished -= 1
        return READ_MORE

    cdef int hand_over(self, Connection* connection) noexcept nogil:
        """Gives the descriptor to the thread that answers administrators; the gateway forgets it."""
        cdef uint64_t one = 1
        cdef int fd = connection.fd
        if self.admins_put - load_acquire(&self.admins_taken) == ADMINS_WAITING_MAX:
            self.fail_at_once(connection, "too many administrators are waiting: try again")
            return READ_CLOSED
        epoll_set(self.epoll_fd, EPOLL_CTL_DEL, fd, 0, 0)
        self.sender.forget(connection)
        set_blocking(fd)
        self.admins[self.admins_put % ADMINS_WAITING_MAX] = fd
        store_release(&self.admins_put, self.admins_put + 1)
        write(self.admin_fd, &one, sizeof(one))
        return READ_CLOSED

    cdef int read_too_early(self, Connection* connection) noexcept nogil:
        cdef iovec part
        cdef int64_t got
        part.iov_base = connection.frame
        part.iov_len = self.rules.slot_bytes
        got = read_now(connection.fd, &part, 1)
        if got < 0 and errno == EAGAIN:
            return READ_DRAINED
        if got <= 0:
            self.sender.close_now(connection)
            return READ_CLOSED
        count(&self.counts_.bytes_in, got)
        self.fail_at_once(connection, "frames came before the welcome: wait for it, it names the session that they belong to")
        return READ_CLOSED

    cdef int read_frames(self, Connection* connection) noexcept nogil:
        """Reads into free slots of the ring, behind the connection's unfinished frame."""
        cdef iovec parts[2]
        cdef uint64_t slots = self.ring.free_slots(False)
        cdef uint64_t run = self.ring.free_run(False)
        cdef uint64_t asked
        cdef int64_t got
        if slots == 0:
            return READ_RING_FULL
        if slots > self.read_slots_max:
            slots = self.read_slots_max
        if run > slots:
            run = slots
        asked = slots * self.rules.slot_bytes - connection.partial
        parts[0].iov_base = <char*>self.ring.slot(sequence_get(&self.ring.sequences[STAGE_PUBLISHED])) + connection.partial
        parts[0].iov_len = run * self.rules.slot_bytes - connection.partial
        parts[1].iov_base = self.ring.memory
        parts[1].iov_len = (slots - run) * self.rules.slot_bytes
        got = read_now(connection.fd, parts, 2 if slots > run else 1)
        if got < 0 and errno == EAGAIN:
            return READ_DRAINED
        if got < 0 or (got == 0 and connection.gone):
            self.sender.close_now(connection)
            return READ_CLOSED
        if got == 0:
            self.on_last_frame(connection)
            return READ_CLOSED
        count(&self.counts_.bytes_in, got)
        if self.take_frames(connection, got) < 0:
            return READ_CLOSED
        # Less than asked for: the socket is empty, and epoll tells when it is not. Behind a hang-up there is an end to be read.
        return READ_MORE if <uint64_t>got == asked or connection.hung_up else READ_DRAINED

    cdef void on_last_frame(self, Connection* connection) noexcept nogil:
        """The other side sends no more, and may still read: it gets the answers to all that it has asked."""
        cdef char text[ERROR_TEXT_BYTES]
        cdef int length = 0
        if connection.partial:
            length = snprintf(text, ERROR_TEXT_BYTES, "the connection ended within frame %llu: %u of its %u bytes came; that frame was "
                              "not taken, send it again whole", <unsigned long long>(connection.frames + 1),
                              <unsigned>connection.partial, <unsigned>self.rules.slot_bytes)
        self.sender.finish(connection, text, length, 0)

    cdef int take_frames(self, Connection* connection, uint64_t got) noexcept nogil:
        """Checks the whole frames just read and publishes those before the first bad one; -1: there was one."""
        cdef uint64_t position = sequence_get(&self.ring.sequences[STAGE_PUBLISHED])
        cdef char* first = <char*>self.ring.slot(position)
        cdef uint64_t frames = (connection.partial + got) // self.rules.slot_bytes
        cdef uint64_t rest = (connection.partial + got) % self.rules.slot_bytes
        cdef uint64_t run = self.ring.capacity - (position & self.ring.mask)
        cdef uint64_t good
        cdef char text[ERROR_TEXT_BYTES]
        cdef Slot* bad
        if frames == 0:
            memcpy(connection.frame + connection.partial, first + connection.partial, got)
            connection.partial += <uint32_t>got
            return 0
        memcpy(first, connection.frame, connection.partial)
        memcpy(connection.frame, self.ring.slot(position + frames), rest)
        connection.partial = <uint32_t>rest
        if run > frames:
            run = frames
        good = good_frames(&self.rules, first, run, connection.session)
        if good == run and frames > run:
            good += good_frames(&self.rules, self.ring.memory, frames - run, connection.session)
        connection.frames += good
        count(&self.counts_.frames, good)
        bad = self.ring.slot(position + good)
        if good:
            self.ring.advance(STAGE_PUBLISHED, position + good)
            connection.published_to = position + good
        if good == frames:
            return 0
        # The slot behind the published ones is still the producer's own. The good frames are answered first, then comes the error.
        self.sender.finish(connection, text, explain_frame(&self.rules, bad, connection.frames + 1, connection.session, text),
                           bad.request)
        return -1
