"""A journal in this process's memory: an append is a copy into big chunks. See memory.pxd."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from processor.journal.base cimport APPEND_FAILED, APPEND_FULL, APPEND_OK, Ack, Journal, JournalReader, Record
from processor.layout cimport BLOCK_CLAIM, BLOCK_HEADER_BYTES, BlockHeader
from processor.ring.sequence cimport cpu_pause, load_acquire, store_release

from processor.errors import JournalError

cdef extern from *:
    """
    static inline uint64_t take_lock(uint64_t *p) { return __atomic_exchange_n(p, 1, __ATOMIC_ACQUIRE); }
    """
    uint64_t take_lock(uint64_t*) noexcept nogil

cdef extern from "<unistd.h>" nogil:
    int usleep(unsigned int)

cdef enum:
    CHUNK_BYTES = 4194304
    CHUNK_HEAD_BYTES = 16         # a chunk begins with the pointer to the one before it
    LOOK_AGAIN_US = 100


cdef class MemoryLog:
    """Records by number. Thread safety: add takes a lock; a reader may look at any number below `published` at any time."""

    def __cinit__(self):
        self.pages = <BlockHeader***>calloc(PAGES, sizeof(BlockHeader**))
        if self.pages == NULL:
            raise MemoryError("a memory journal's index")

    def __dealloc__(self):
        cdef char* before
        cdef uint64_t page
        if self.pages != NULL:
            for page in range(PAGES):
                if self.pages[page] == NULL:
                    break
                free(self.pages[page])
            free(self.pages)
        while self.chunks != NULL:
            before = (<char**>self.chunks)[0]
            free(self.chunks)
            self.chunks = before

    cdef char* room(self, uint64_t bytes) noexcept nogil:
        cdef uint64_t size = CHUNK_BYTES if bytes + CHUNK_HEAD_BYTES <= CHUNK_BYTES else bytes + CHUNK_HEAD_BYTES
        cdef char* made
        if self.chunk_left < bytes:
            made = <char*>malloc(size)
            if made == NULL:
                return NULL
            (<char**>made)[0] = self.chunks
            self.chunks = made
            self.chunk = made + CHUNK_HEAD_BYTES
            self.chunk_left = size - CHUNK_HEAD_BYTES
        made = self.chunk
        self.chunk += bytes
        self.chunk_left -= bytes
        return made

    cdef int64_t add(self, const BlockHeader* header, const char* data, bint keep) noexcept nogil:
        cdef uint64_t bytes = BLOCK_HEADER_BYTES + ((<uint64_t>header.data_bytes + 7) & ~<uint64_t>7)
        cdef char* record = NULL
        cdef uint64_t number, page
        cdef int64_t result = -1
        while take_lock(&self.lock):
            cpu_pause()
        number = self.published
        page = number // PAGE_RECORDS
        if page < PAGES and self.pages[page] == NULL:
            self.pages[page] = <BlockHeader**>calloc(PAGE_RECORDS, sizeof(BlockHeader*))
        if keep:
            record = self.room(bytes)
        if page < PAGES and self.pages[page] != NULL and (record != NULL or not keep):
            if keep:
                memcpy(record, header, BLOCK_HEADER_BYTES)
                memcpy(record + BLOCK_HEADER_BYTES, data, header.data_bytes)
            self.pages[page][number % PAGE_RECORDS] = <BlockHeader*>record
            self.bytes += bytes
            store_release(&self.published, number + 1)
            result = number
        store_release(&self.lock, 0)
        return result

    def __len__(self):
        return load_acquire(&self.published)


cdef class MemoryJournal(Journal):
    """A journal over `log`; without `keep`, blocks of events are counted and dropped (claims are kept).

    Several may write to the same log, as several processes can to a topic: a test's way to a writer that comes too late.
    """

    def __init__(self, MemoryLog log not None, str url, *, bint keep=True):
        self.log = log
        self.url = url
        self.keep = keep
        self.pending = <Ack*>calloc(IN_FLIGHT_RECORDS, sizeof(Ack))
        if self.pending == NULL:
            raise MemoryError("a journal's list of what is in flight")

    def __dealloc__(self):
        free(self.pending)

    cdef int append(self, const BlockHeader* header, const char* data, uint64_t tag) noexcept nogil:
        cdef Ack* ack
        if self.closed:
            self.fail("the journal is closed")
        if self.failed:
            return APPEND_FAILED
        if self.pending_count == IN_FLIGHT_RECORDS:
            return APPEND_FULL
        ack = &self.pending[(self.pending_first + self.pending_count) % IN_FLIGHT_RECORDS]
        ack.offset = self.log.add(header, data, self.keep or header.kind == BLOCK_CLAIM)
        if ack.offset < 0:
            self.fail("out of memory for the journal: use an embedded one, or memory:?keep=0 to measure without end")
            return APPEND_FAILED
        ack.next_offset = ack.offset + 1
        ack.tag = tag
        self.pending_count += 1
        return APPEND_OK

    cdef int poll(self, Ack* acks, int most, int timeout_ms) noexcept nogil:
        cdef int count = 0
        while count < most and self.pending_count:
            acks[count] = self.pending[self.pending_first]
            self.pending_first = (self.pending_first + 1) % IN_FLIGHT_RECORDS
            self.pending_count -= 1
            count += 1
        return -1 if self.failed and count == 0 else count

    cpdef JournalReader reader(self, int64_t position):
        """A reader whose first record is number `position`; raises JournalError when that is not between the ends."""
        cdef MemoryReader reader = MemoryReader()
        if not 0 <= position <= len(self.log):
            raise JournalError(f"{self.url}: no record stands at offset {position}: the journal goes from 0 to {len(self.log)}")
        reader.log = self.log
        reader.position = position
        return reader

    cpdef tuple ends(self):
        """(0, number of records)."""
        return (0, len(self.log))

    def close(self):
        """Takes no more; the log stays as long as somebody has it."""
        self.closed = 1


cdef class MemoryReader(JournalReader):
    cdef int next(self, Record* record, int timeout_ms) noexcept nogil:
        cdef int64_t left_us = <int64_t>timeout_ms * 1000
        cdef const BlockHeader* found
        cdef uint64_t number
        while True:
            while self.position < <int64_t>load_acquire(&self.log.published):
                number = self.position
                self.position += 1
                found = self.log.pages[number // PAGE_RECORDS][number % PAGE_RECORDS]
                if found != NULL:             # else it was not kept
                    record.offset = number
                    record.next_offset = number + 1
                    record.header = found
                    record.data = <const char*>found + BLOCK_HEADER_BYTES
                    return 1
            if left_us <= 0:
                return 0
            usleep(LOOK_AGAIN_US)
            left_us -= LOOK_AGAIN_US
