"""The writing half of the gateway (see sender.pxd). Everything here runs on the gateway's thread, without the GIL."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport malloc
from libc.string cimport memcpy, memset

from processor.gateway.connection cimport (
    CLOSING, DRAINING, OPEN, SAYS_HELLO, WAITS_FOR_WELCOME, Connection, Connections, unsent_bytes,
)
from processor.gateway.frames cimport ERROR_TEXT_BYTES
from processor.gateway.system cimport (
    EAGAIN, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, SHUT_RDWR, close, epoll_set, errno, iovec,
    monotonic_ms, send_now, shutdown,
)
from processor.layout cimport REPLY_ERROR, REPLY_HEADER_BYTES, REPLY_LAST, REPLY_WELCOME, Reply, padded8
from processor.outputs.queue cimport (
    BIND, PARCEL_BYTES, TO_CONNECTION, TO_SESSION, OutputQueue, Parcel, behind_parcel,
)
from processor.ring.sequence cimport sequence_get


cdef uint32_t error_frame(char* frame, const char* text, int length, uint64_t request) noexcept nogil:
    """Writes a REPLY_ERROR with at most ERROR_TEXT_BYTES of text; its bytes."""
    cdef Reply* reply = <Reply*>frame
    memset(frame, 0, REPLY_HEADER_BYTES + ERROR_TEXT_BYTES)
    reply.flags = REPLY_LAST
    reply.type = REPLY_ERROR
    reply.length = <uint16_t>length
    reply.request = request
    memcpy(frame + REPLY_HEADER_BYTES, text, length)
    return REPLY_HEADER_BYTES + padded8(<uint32_t>length)


cdef class Sender:
    """Takes parcels from the output queue and writes them; what a socket does not take is kept for that connection alone."""

    cdef bint queue_empty(self) noexcept nogil:
        cdef uint64_t position = self.outputs.position()
        return self.outputs.peek_from(&position) == NULL

    cdef bint drain(self) noexcept nogil:
        cdef uint64_t start = self.outputs.position()
        cdef uint64_t position = start
        cdef const Parcel* parcel
        while position - start < DRAINED_BYTES_MAX:
            parcel = self.outputs.peek_from(&position)
            if parcel == NULL:
                break
            self.deliver(parcel)
            position = behind_parcel(position, parcel)
        self.write_gathered()
        if position == start:
            return False
        self.outputs.release_to(position)
        return True

    cdef void deliver(self, const Parcel* parcel) noexcept nogil:
        cdef const char* frames = <const char*>parcel + PARCEL_BYTES
        cdef Connection* connection
        if parcel.kind == TO_SESSION:
            if self.last == NULL or self.last_session != parcel.target:
                self.last = self.connections.by_session(<uint32_t>parcel.target)
                self.last_session = parcel.target
            if self.last != NULL:
                self.gather(self.last, frames, parcel.bytes)
                return
        elif parcel.kind == TO_CONNECTION:
            connection = self.connections.by_number(parcel.target)
            if connection != NULL and connection.state == WAITS_FOR_WELCOME:
                self.answer_waiting(connection, frames, parcel.bytes)
                return
        elif parcel.kind == BIND:
            self.bind(parcel.target, (<const uint64_t*>frames)[0])
            return
        count(&self.counts.dropped_parcels, 1)

    cdef void answer_waiting(self, Connection* connection, const char* frames, uint32_t size) noexcept nogil:
        """A welcome opens the connection; any other answer (no place, session evicted) is its last."""
        cdef uint64_t number = connection.number
        cdef bint welcome = (<const Reply*>frames).type == REPLY_WELCOME and connection.session != 0
        if welcome:
            connection.state = OPEN
        self.gather(connection, frames, size)
        if not welcome:
            self.write_gathered()
            connection = self.connections.by_number(number)
            if connection != NULL:
                self.close_behind(connection)

    cdef void bind(self, uint64_t session, uint64_t number) noexcept nogil:
        cdef char text[ERROR_TEXT_BYTES]
        cdef int length
        cdef Connection* connection = self.connections.by_number(number)
        cdef Connection* older
        if connection == NULL or connection.state != WAITS_FOR_WELCOME or session == 0:
            count(&self.counts.dropped_parcels, 1)
            return
        self.write_gathered()
        older = self.connections.by_session(<uint32_t>session)
        if older != NULL and older != connection:
            length = snprintf(text, ERROR_TEXT_BYTES, "session %u was taken over by another connection that knows its token",
                              <unsigned>session)
            self.fail(older, text, length, 0)
        self.last = NULL
        self.connections.bind(<uint32_t>session, connection)

    cdef void gather(self, Connection* connection, const char* frames, uint32_t size) noexcept nogil:
        cdef uint64_t number
        if self.receiver == connection and self.part_count == PARTS_AT_ONCE:
            number = connection.number
            self.write_gathered()
            if self.connections.by_number(number) == NULL:        # writing has closed it
                return
        elif self.receiver != connection:
            self.write_gathered()
        self.receiver = connection
        self.parts[self.part_count].iov_base = <void*>frames
        self.parts[self.part_count].iov_len = size
        self.part_count += 1

    cdef void write_gathered(self) noexcept nogil:
        cdef Connection* connection = self.receiver
        cdef int64_t sent = 0
        if connection == NULL:
            return
        if unsent_bytes(connection) == 0:
            sent = send_now(connection.fd, self.parts, self.part_count)
            if sent < 0 and errno != EAGAIN:
                self.close_now(connection)
                return
            if sent < 0:
                sent = 0
        count(&self.counts.bytes_out, sent)
        self.keep_rest(connection, sent)

    cdef void keep_rest(self, Connection* connection, uint64_t sent) noexcept nogil:
        """Copies what the socket did not take; a reader that is too far behind is not read from, then closed."""
        cdef int k
        cdef iovec* part
        cdef bint short_of_memory = False
        for k in range(self.part_count):
            part = &self.parts[k]
            if sent >= part.iov_len:
                sent -= part.iov_len
                continue
            if self.connections.keep_unsent(connection, <const char*>part.iov_base + sent, part.iov_len - sent) < 0:
                short_of_memory = True
            sent = 0
        self.part_count = 0
        self.receiver = NULL
        if unsent_bytes(connection) == 0 and not short_of_memory:
            return
        if short_of_memory or unsent_bytes(connection) > self.close_bytes:
            count(&self.counts.overflows, 1)
            self.close_now(connection)
            return
        if connection.state == OPEN and not connection.paused and unsent_bytes(connection) > self.pause_bytes:
            connection.paused = True
            self.connections.unlist(connection)
            count(&self.counts.pauses, 1)
        if not connection.armed:
            connection.armed = True
            epoll_set(self.epoll_fd, EPOLL_CTL_MOD, connection.fd, EPOLLIN | EPOLLRDHUP | EPOLLET | EPOLLOUT, connection.number)

    cdef void on_writable(self, Connection* connection) noexcept nogil:
        cdef iovec part
        cdef int64_t sent
        while unsent_bytes(connection):
            part.iov_base = connection.unsent + connection.unsent_first
            part.iov_len = unsent_bytes(connection)
            sent = send_now(connection.fd, &part, 1)
            if sent < 0 and errno == EAGAIN:
                break
            if sent <= 0:
                self.close_now(connection)
                return
            count(&self.counts.bytes_out, sent)
            self.connections.drop_unsent(connection, sent)
            if connection.state == CLOSING:
                connection.deadline_ms = monotonic_ms() + self.closing_ms
        if connection.state == CLOSING or (connection.state == DRAINING and connection.answered):
            if unsent_bytes(connection) == 0:
                self.close_now(connection)
            return
        if unsent_bytes(connection) == 0 and connection.armed:
            connection.armed = False
            epoll_set(self.epoll_fd, EPOLL_CTL_MOD, connection.fd, EPOLLIN | EPOLLRDHUP | EPOLLET, connection.number)
        if connection.paused and unsent_bytes(connection) <= self.pause_bytes // 2:
            connection.paused = False
            self.connections.list_readable(connection)

    cdef void finish(self, Connection* connection, const char* text, int length, uint64_t request) noexcept nogil:
        if length:
            connection.last_words = <char*>malloc(REPLY_HEADER_BYTES + ERROR_TEXT_BYTES)
            if connection.last_words == NULL:
                self.fail(connection, text, length, request)
                return
            connection.last_words_bytes = error_frame(connection.last_words, text, length, request)
        self.connections.unlist(connection)
        connection.state = DRAINING
        connection.paused = False
        if self.is_answered(connection):
            self.let_go(connection)
        else:
            self.connections.list_draining(connection)

    cdef bint is_answered(self, Connection* connection) noexcept nogil:
        """Whether the logic has passed all its events, and all that was in the queue by then has been taken from it."""
        if not connection.all_queued:
            # The logic publishes its outputs before it passes an event: in this order, none is overlooked.
            if sequence_get(&self.ring.sequences[self.ring.stages - 1]) < connection.published_to:
                return False
            connection.queued_to = sequence_get(self.outputs.head)
            connection.all_queued = True
        return self.outputs.position() >= connection.queued_to

    cdef bint settle(self) noexcept nogil:
        cdef Connection* connection = self.connections.draining.first
        if connection == NULL or not self.is_answered(connection):
            return False
        while connection != NULL and self.is_answered(connection):
            self.connections.unlist(connection)
            self.let_go(connection)
            connection = self.connections.draining.first
        return True

    cdef void let_go(self, Connection* connection) noexcept nogil:
        connection.answered = True
        if connection.last_words != NULL:
            self.say_last(connection, connection.last_words, connection.last_words_bytes)
        elif unsent_bytes(connection) == 0:
            self.close_now(connection)
        # Else on_writable closes it: whoever reads slowly may do so here as well.

    cdef void fail(self, Connection* connection, const char* text, int length, uint64_t request) noexcept nogil:
        cdef char frame[REPLY_HEADER_BYTES + ERROR_TEXT_BYTES]
        self.say_last(connection, frame, error_frame(frame, text, length, request))

    cdef void say_last(self, Connection* connection, const char* frame, uint32_t size) noexcept nogil:
        cdef uint64_t number = connection.number
        count(&self.counts.errors, 1)
        self.write_gathered()
        connection = self.connections.by_number(number)
        if connection == NULL:
            return
        self.receiver = connection
        self.parts[0].iov_base = <void*>frame
        self.parts[0].iov_len = size
        self.part_count = 1
        self.write_gathered()
        connection = self.connections.by_number(number)
        if connection != NULL:
            self.close_behind(connection)

    cdef void close_behind(self, Connection* connection) noexcept nogil:
        if connection.state == CLOSING:
            return
        if unsent_bytes(connection) == 0:
            self.close_now(connection)
            return
        if connection.state != SAYS_HELLO:
            self.connections.unfinished += 1
        connection.state = CLOSING
        connection.deadline_ms = monotonic_ms() + self.closing_ms
        self.connections.unbind(connection)
        self.connections.unlist(connection)
        self.last = NULL

    cdef void close_now(self, Connection* connection) noexcept nogil:
        cdef int fd = connection.fd
        epoll_set(self.epoll_fd, EPOLL_CTL_DEL, fd, 0, 0)
        self.forget(connection)
        # A child that is writing a snapshot may hold the descriptor for a moment longer: the other side shall see the end now.
        shutdown(fd, SHUT_RDWR)
        close(fd)

    cdef void forget(self, Connection* connection) noexcept nogil:
        if self.receiver == connection:
            self.receiver = NULL
            self.part_count = 0
        self.last = NULL
        self.last_session = <uint64_t>-1
        self.connections.remove(connection)
        count(&self.counts.connections_open, <uint64_t>-1)
