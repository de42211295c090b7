"""The session table (see sessions.pxd for the contract of the calls without the GIL, sessions.pyi for the Python face).

Exports are session_export.pyx.
"""

import hashlib
import os

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from processor.layout cimport REPLY_HEADER_BYTES, Reply
from processor.logic.stored cimport stored_append, stored_begin, stored_finish, stored_frames, stored_free, stored_init

from processor.errors import WrongUse
from processor.logic.verdict import Verdict as PythonVerdict

cdef enum:
    BY_ID = 0
    BY_TOKEN = 1


cdef uint64_t token_hash(const uint8_t* token, uint64_t seed) noexcept nogil:
    """MurmurHash3's finalizer over both halves, seeded: a client that chooses its tokens cannot choose where they fall."""
    cdef uint64_t halves[2]
    cdef uint64_t mixed = seed
    cdef int i
    memcpy(halves, token, 16)
    for i in range(2):
        mixed ^= halves[i]
        mixed = (mixed ^ (mixed >> 33)) * <uint64_t>0xFF51AFD7ED558CCD
        mixed = (mixed ^ (mixed >> 33)) * <uint64_t>0xC4CEB9FE1A85EC53
        mixed ^= mixed >> 33
    return mixed


cdef class Sessions:
    def __cinit__(self, window=4096, kept_bytes_max=1 << 20, sessions_max=10_000):
        for name, value, least, most in (("window", window, 1, 1 << 20), ("kept_bytes_max", kept_bytes_max, 0, (1 << 31) - 1),
                                         ("sessions_max", sessions_max, 1, 1 << 24)):
            if not least <= value <= most:
                raise WrongUse(f"sessions: {name} is from {least} to {most}, not {value}")
        self.window = window
        self.kept_bytes_max = kept_bytes_max
        self.sessions_max = sessions_max
        self.next_id = 1
        self.seed = int.from_bytes(os.urandom(8), "little")
        if self.make_room() < 0:
            raise MemoryError("no memory for a session table")

    def __dealloc__(self):
        self.forget()

    # The tables and the list

    cdef uint64_t home(self, const Session* session, int table) noexcept nogil:
        if table == BY_ID:
            return (session.id * <uint64_t>0x9E3779B97F4A7C15 >> 32) & self.table_mask
        return token_hash(session.token, self.seed) & self.table_mask

    cdef Session* find(self, uint32_t id) noexcept nogil:
        if self.recent != NULL and self.recent.id == id:
            return self.recent
        cdef uint64_t at = (id * <uint64_t>0x9E3779B97F4A7C15 >> 32) & self.table_mask
        cdef Session* found = self.tables[BY_ID][at]
        while found != NULL and found.id != id:
            at = (at + 1) & self.table_mask
            found = self.tables[BY_ID][at]
        if found != NULL:
            self.recent = found
        return found

    cdef Session* find_token(self, const uint8_t* token) noexcept nogil:
        cdef uint64_t at = token_hash(token, self.seed) & self.table_mask
        cdef Session* found = self.tables[BY_TOKEN][at]
        while found != NULL and memcmp(found.token, token, 16) != 0:
            at = (at + 1) & self.table_mask
            found = self.tables[BY_TOKEN][at]
        return found

    cdef void put(self, Session* session) noexcept nogil:
        cdef int table
        cdef uint64_t at
        for table in range(2):
            at = self.home(session, table)
            while self.tables[table][at] != NULL:
                at = (at + 1) & self.table_mask
            self.tables[table][at] = session

    cdef void take(self, Session* session, int table) noexcept nogil:
        """Out of one table, closing the hole (Knuth, volume 3, 6.4, algorithm R), so that no tombstones gather."""
        cdef Session** rows = self.tables[table]
        cdef uint64_t hole = self.home(session, table), at, home
        while rows[hole] != session:
            hole = (hole + 1) & self.table_mask
        at = hole
        while True:
            at = (at + 1) & self.table_mask
            if rows[at] == NULL:
                break
            home = self.home(rows[at], table)
            if ((at - home) & self.table_mask) >= ((at - hole) & self.table_mask):
                rows[hole] = rows[at]
                hole = at
        rows[hole] = NULL

    cdef int make_room(self) noexcept nogil:
        """Makes the tables such that one more session leaves them at most half full. -1: no memory, nothing has changed."""
        cdef uint64_t capacity = self.table_mask + 1 if self.tables[BY_ID] != NULL else 0
        cdef uint64_t twice = 2 * capacity if capacity else 64
        cdef Session** by_id = self.tables[BY_ID]
        cdef Session** fresh[2]
        cdef uint64_t at
        if 2 * (<uint64_t>self.count + 1) <= capacity:
            return 0
        fresh[BY_ID] = <Session**>calloc(twice, sizeof(Session*))
        fresh[BY_TOKEN] = <Session**>calloc(twice, sizeof(Session*))
        if fresh[BY_ID] == NULL or fresh[BY_TOKEN] == NULL:
            free(fresh[BY_ID])
            free(fresh[BY_TOKEN])
            return -1
        free(self.tables[BY_TOKEN])
        self.tables[BY_ID] = fresh[BY_ID]
        self.tables[BY_TOKEN] = fresh[BY_TOKEN]
        self.table_mask = twice - 1
        for at in range(capacity):
            if by_id[at] != NULL:
                self.put(by_id[at])
        free(by_id)
        return 0

    cdef Session* insert(self, uint32_t id, const uint8_t* token) noexcept nogil:
        """A new session in both tables, not in the list yet. NULL: no memory."""
        if self.make_room() < 0:
            return NULL
        cdef Session* session = <Session*>calloc(1, sizeof(Session))
        if session == NULL:
            return NULL
        session.id = id
        memcpy(session.token, token, 16)
        stored_init(&session.stored)
        self.put(session)
        self.count += 1
        return session

    cdef void link(self, Session* session, uint64_t sequence) noexcept nogil:
        session.last_sequence = sequence
        session.older = self.newest
        session.newer = NULL
        if self.newest != NULL:
            self.newest.newer = session
        else:
            self.oldest = session
        self.newest = session

    cdef void unlink(self, Session* session) noexcept nogil:
        if session.older != NULL:
            session.older.newer = session.newer
        else:
            self.oldest = session.newer
        if session.newer != NULL:
            session.newer.older = session.older
        else:
            self.newest = session.older

    cdef void forget(self) noexcept nogil:
        cdef uint64_t at
        if self.tables[BY_ID] != NULL:
            for at in range(self.table_mask + 1):
                if self.tables[BY_ID][at] != NULL:
                    stored_free(&self.tables[BY_ID][at].stored)
                    free(self.tables[BY_ID][at])
        free(self.tables[0])
        free(self.tables[1])
        self.tables[0] = self.tables[1] = NULL

    cdef void swap(self, Sessions other) noexcept:
        """Everything but the settings, which are equal."""
        self.tables[0], other.tables[0] = other.tables[0], self.tables[0]
        self.tables[1], other.tables[1] = other.tables[1], self.tables[1]
        self.table_mask, other.table_mask = other.table_mask, self.table_mask
        self.seed, other.seed = other.seed, self.seed
        self.count, other.count = other.count, self.count
        self.next_id, other.next_id = other.next_id, self.next_id
        self.oldest, other.oldest = other.oldest, self.oldest
        self.newest, other.newest = other.newest, self.newest
        self.recent = other.recent = NULL

    # What the business logic calls

    cdef int verdict(self, uint32_t session, uint64_t request) noexcept nogil:
        cdef Session* found = self.find(session)
        if found == NULL:
            return VERDICT_UNKNOWN
        cdef uint64_t last = found.stored.last
        if request > last:
            return VERDICT_APPLY if request == last + 1 else VERDICT_GAP
        if last - request >= self.window or request == 0:
            return VERDICT_TOO_OLD
        return VERDICT_REPEAT if request >= found.stored.first else VERDICT_GONE

    cdef bint plan(self, uint32_t session, uint64_t request, uint64_t number) noexcept nogil:
        cdef Session* found = self.find(session)
        if found == NULL or request != (found.planned if found.plan == number else found.stored.last) + 1 or request == 0:
            return False
        found.plan = number
        found.planned = request
        return True

    cdef uint64_t last_request(self, uint32_t session) noexcept nogil:
        cdef Session* found = self.find(session)
        return found.stored.last if found != NULL else 0

    cdef int begin(self, uint32_t session, uint64_t request, uint64_t sequence) noexcept nogil:
        cdef Session* found = self.find(session)
        if found == NULL or self.current != NULL or request == 0 or request != found.stored.last + 1:
            return BEGIN_MISUSE
        if stored_begin(&found.stored, self.window) < 0:
            return BEGIN_NO_MEMORY
        if found == self.newest:
            found.last_sequence = sequence
        else:
            self.unlink(found)
            self.link(found, sequence)
        self.current = found
        return 0

    cdef int append(self, const char* frame, uint32_t frame_bytes) noexcept nogil:
        if self.current == NULL or (<const Reply*>frame).sequence != self.current.last_sequence:
            return BEGIN_MISUSE
        return stored_append(&self.current.stored, frame, frame_bytes, self.kept_bytes_max)

    cdef void finish(self) noexcept nogil:
        if self.current != NULL:
            stored_finish(&self.current.stored)
        self.current = NULL

    cdef int stored(self, uint32_t session, uint64_t request, const char** frames, uint64_t* frames_bytes) noexcept nogil:
        cdef Session* found = self.find(session)
        if found == NULL or found == self.current or request < found.stored.first or request > found.stored.last:
            return -1
        stored_frames(&found.stored, request, frames, frames_bytes)
        return 0

    cdef int64_t open(self, const uint8_t* token, uint32_t claimed, uint64_t sequence, uint64_t* last) noexcept nogil:
        cdef Session* found = self.find_token(token)
        last[0] = 0
        if found == NULL:
            if claimed != 0:
                return OPEN_EVICTED
            # The last id is never given: a table that has used them all is full for good, rather than using one twice.
            if self.count >= self.sessions_max or self.next_id == <uint32_t>0xFFFFFFFF:
                return OPEN_FULL
            found = self.insert(self.next_id, token)
            if found == NULL:
                return OPEN_NO_MEMORY
            self.next_id += 1
        elif claimed != 0 and claimed != found.id:
            return OPEN_EVICTED
        else:
            self.unlink(found)
        self.link(found, sequence)
        last[0] = found.stored.last
        return found.id

    cdef int evict(self, uint32_t session, uint64_t last_sequence) noexcept nogil:
        cdef Session* found = self.find(session)
        if found == NULL or found == self.current or found.last_sequence != last_sequence:
            return 0
        self.take(found, BY_ID)
        self.take(found, BY_TOKEN)
        self.unlink(found)
        self.recent = NULL
        self.count -= 1
        stored_free(&found.stored)
        free(found)
        return 1

    cdef uint32_t to_evict(self, uint32_t spare, uint64_t* last_sequence) noexcept nogil:
        last_sequence[0] = 0
        if self.oldest == NULL or <uint64_t>self.count + spare <= self.sessions_max:
            return 0
        last_sequence[0] = self.oldest.last_sequence
        return self.oldest.id

    # The Python face

    cdef int check_sequence(self, uint64_t sequence) except -1:
        if self.current != NULL:
            raise ValueError(f"request {self.current.stored.last} of session {self.current.id} is not finished")
        if sequence == 0 or (self.newest != NULL and sequence <= self.newest.last_sequence):
            least = self.newest.last_sequence + 1 if self.newest else 1
            raise ValueError(f"sequences rise: expected {least} or more, got {sequence}")
        return 0

    def decide(self, uint32_t session, uint64_t request):
        return PythonVerdict(self.verdict(session, request))

    def begin_request(self, uint32_t session, uint64_t request, uint64_t sequence):
        self.check_sequence(sequence)
        cdef int result = self.begin(session, request, sequence)
        if result == BEGIN_NO_MEMORY:
            raise MemoryError
        if result < 0:
            raise ValueError(f"request {request} of session {session} cannot be applied: {self.decide(session, request).name}")

    def append_frame(self, bytes frame not None):
        cdef const char* first = frame
        cdef int result = -2
        if REPLY_HEADER_BYTES <= len(frame) < 1 << 17:
            result = self.append(first, <uint32_t>len(frame))
        if result == BEGIN_NO_MEMORY:
            raise MemoryError
        if result < 0:
            raise ValueError(f"{len(frame)} bytes are not one whole reply frame of the request in hand (sequence, request, length)")

    def finish_request(self):
        self.finish()

    def stored_frames(self, uint32_t session, uint64_t request):
        cdef const char* frames
        cdef uint64_t frames_bytes
        if self.stored(session, request, &frames, &frames_bytes) < 0:
            raise KeyError(f"session {session} has no stored outputs of request {request}")
        return frames[:frames_bytes] if frames_bytes else b""

    def open_session(self, bytes token not None, uint32_t claimed, uint64_t sequence):
        cdef uint64_t last
        self.check_sequence(sequence)
        if len(token) != 16:
            raise ValueError(f"a token has 16 bytes, not {len(token)}")
        cdef int64_t session = self.open(token, claimed, sequence, &last)
        if session == OPEN_NO_MEMORY:
            raise MemoryError
        return session, last

    def evict_session(self, uint32_t session, uint64_t last_sequence):
        return self.evict(session, last_sequence) == 1

    def eviction_candidate(self, uint32_t spare):
        cdef uint64_t last_sequence
        cdef uint32_t session = self.to_evict(spare, &last_sequence)
        return session, last_sequence

    def last(self, uint32_t session):
        return self.last_request(session)

    def session_ids(self):
        cdef list ids = []
        cdef Session* session = self.oldest
        while session != NULL:
            ids.append(session.id)
            session = session.newer
        return ids

    def hash64(self):
        return int.from_bytes(hashlib.blake2b(self.export()).digest()[:8], "little")

    def export(self):
        # Imported here: session_export needs this module's type when it is imported itself.
        from processor.logic.session_export import export_sessions

        return export_sessions(self)

    def load(self, bytes data not None):
        from processor.logic.session_export import fill_sessions

        cdef Sessions fresh = Sessions(self.window, self.kept_bytes_max, self.sessions_max)
        if self.current != NULL:
            raise ValueError(f"request {self.current.stored.last} of session {self.current.id} is not finished")
        fill_sessions(fresh, data)
        self.swap(fresh)
