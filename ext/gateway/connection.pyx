"""The table of connections (see connection.pxd). One thread, the gateway's, calls everything here."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove

from processor.ring.sequence cimport store_relaxed

from processor.errors import WrongUse

cdef enum:
    NUMBER_PLACE_BITS = 16
    UNSENT_FIRST_BYTES = 65536


cdef class Connections:
    """At most `most` connections (up to 65,535), each with room for one unfinished frame of `frame_bytes`."""

    def __cinit__(self, uint32_t most, uint32_t frame_bytes):
        cdef uint32_t k
        cdef uint32_t places = 16
        if not 1 <= most <= 65535:
            raise WrongUse(f"connections at once are from 1 to 65535, not {most}")
        while places < 2 * most:
            places *= 2
        self.most = most
        self.frame_bytes = frame_bytes
        self.table = <Connection**>calloc(most, sizeof(Connection*))
        self.free_places = <uint32_t*>calloc(most, sizeof(uint32_t))
        self.places = <SessionPlace*>calloc(places, sizeof(SessionPlace))
        if self.table == NULL or self.free_places == NULL or self.places == NULL:
            raise MemoryError("the table of connections")
        self.places_mask = places - 1
        self.free_count = most
        for k in range(most):
            self.free_places[k] = most - 1 - k

    def __dealloc__(self):
        cdef uint32_t k
        if self.table != NULL:
            for k in range(self.most):
                if self.table[k] != NULL:
                    free(self.table[k].frame)
                    free(self.table[k].unsent)
                    free(self.table[k].last_words)
                    free(self.table[k])
        free(self.table)
        free(self.free_places)
        free(self.places)

    cdef Connection* add(self, int fd, int64_t deadline_ms) noexcept nogil:
        cdef Connection* connection
        cdef uint32_t place
        if self.free_count == 0:
            return NULL
        connection = <Connection*>calloc(1, sizeof(Connection))
        if connection == NULL:
            return NULL
        connection.frame = <char*>malloc(self.frame_bytes)
        if connection.frame == NULL:
            free(connection)
            return NULL
        self.free_count -= 1
        place = self.free_places[self.free_count]
        self.generation += 1
        connection.number = (self.generation << NUMBER_PLACE_BITS) | place
        connection.fd = fd
        connection.state = SAYS_HELLO
        connection.deadline_ms = deadline_ms
        self.table[place] = connection
        self.count += 1
        self.unfinished += 1
        return connection

    cdef void remove(self, Connection* connection) noexcept nogil:
        cdef uint32_t place = <uint32_t>(connection.number & ((1 << NUMBER_PLACE_BITS) - 1))
        self.unbind(connection)
        self.unlist(connection)
        if unsent_bytes(connection):
            self.with_unsent -= 1
            store_relaxed(&self.unsent_total, self.unsent_total - unsent_bytes(connection))
        if connection.state == SAYS_HELLO or connection.state == CLOSING:
            self.unfinished -= 1
        self.table[place] = NULL
        self.free_places[self.free_count] = place
        self.free_count += 1
        self.count -= 1
        free(connection.frame)
        free(connection.unsent)
        free(connection.last_words)
        free(connection)

    cdef Connection* by_number(self, uint64_t number) noexcept nogil:
        cdef uint32_t place = <uint32_t>(number & ((1 << NUMBER_PLACE_BITS) - 1))
        if place >= self.most or self.table[place] == NULL or self.table[place].number != number:
            return NULL
        return self.table[place]

    cdef Connection* by_session(self, uint32_t session) noexcept nogil:
        cdef uint32_t k = (session * <uint32_t>2654435769) & self.places_mask
        while self.places[k].session != 0:
            if self.places[k].session == session:
                return self.places[k].connection
            k = (k + 1) & self.places_mask
        return NULL

    cdef void bind(self, uint32_t session, Connection* connection) noexcept nogil:
        cdef uint32_t k
        self.unbind(connection)
        k = (session * <uint32_t>2654435769) & self.places_mask
        while self.places[k].session != 0:
            k = (k + 1) & self.places_mask
        self.places[k].session = session
        self.places[k].connection = connection
        connection.session = session

    cdef void unbind(self, Connection* connection) noexcept nogil:
        cdef uint32_t k, j, home
        if connection.session == 0:
            return
        k = (connection.session * <uint32_t>2654435769) & self.places_mask
        while self.places[k].session != 0 and self.places[k].session != connection.session:
            k = (k + 1) & self.places_mask
        if self.places[k].session != 0:
            # Those behind it move up, unless they stand between their own place and here: no search ever meets a hole.
            j = k
            while True:
                j = (j + 1) & self.places_mask
                if self.places[j].session == 0:
                    break
                home = (self.places[j].session * <uint32_t>2654435769) & self.places_mask
                if ((j - home) & self.places_mask) >= ((j - k) & self.places_mask):
                    self.places[k] = self.places[j]
                    k = j
            self.places[k].session = 0
        connection.session = 0

    cdef void list_readable(self, Connection* connection) noexcept nogil:
        self.append(&self.readable, connection)

    cdef void list_draining(self, Connection* connection) noexcept nogil:
        self.append(&self.draining, connection)

    cdef void append(self, ConnectionList* list, Connection* connection) noexcept nogil:
        if connection.list != NULL:
            return
        connection.list = list
        connection.next = NULL
        connection.previous = list.last
        if list.last != NULL:
            list.last.next = connection
        else:
            list.first = connection
        list.last = connection

    cdef void unlist(self, Connection* connection) noexcept nogil:
        cdef ConnectionList* list = connection.list
        if list == NULL:
            return
        connection.list = NULL
        if connection.previous != NULL:
            connection.previous.next = connection.next
        else:
            list.first = connection.next
        if connection.next != NULL:
            connection.next.previous = connection.previous
        else:
            list.last = connection.previous

    cdef int keep_unsent(self, Connection* connection, const char* data, uint64_t size) noexcept nogil:
        cdef uint64_t kept = unsent_bytes(connection)
        cdef uint64_t capacity = connection.unsent_capacity
        cdef char* grown
        if size == 0:
            return 0
        if connection.unsent_end + size > capacity:
            if connection.unsent_first:
                memmove(connection.unsent, connection.unsent + connection.unsent_first, kept)
                connection.unsent_first = 0
                connection.unsent_end = kept
            # Twice what is needed, so that moving bytes up stays rare against bytes written.
            if capacity < UNSENT_FIRST_BYTES:
                capacity = UNSENT_FIRST_BYTES
            while 2 * (kept + size) > capacity:
                capacity *= 2
            if capacity != connection.unsent_capacity:
                grown = <char*>realloc(connection.unsent, capacity)
                if grown == NULL:
                    return -1
                connection.unsent = grown
                connection.unsent_capacity = capacity
        memcpy(connection.unsent + connection.unsent_end, data, size)
        connection.unsent_end += size
        store_relaxed(&self.unsent_total, self.unsent_total + size)
        if kept == 0:
            self.with_unsent += 1
        return 0

    cdef void drop_unsent(self, Connection* connection, uint64_t size) noexcept nogil:
        if size == 0:
            return
        connection.unsent_first += size
        store_relaxed(&self.unsent_total, self.unsent_total - size)
        if connection.unsent_first == connection.unsent_end:
            connection.unsent_first = 0
            connection.unsent_end = 0
            self.with_unsent -= 1
            # A client that was behind once does not hold its megabytes for ever.
            if connection.unsent_capacity > 16 * UNSENT_FIRST_BYTES:
                free(connection.unsent)
                connection.unsent = NULL
                connection.unsent_capacity = 0
