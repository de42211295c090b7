"""The journal interface and its Python face (see base.pxd for the contract of the calls without the GIL)."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

from cpython.exc cimport PyErr_CheckSignals

from processor.layout cimport BLOCK_HEADER_BYTES, BlockHeader

import time

from processor.errors import CorruptJournal, JournalError

cdef enum:
    LOOK_AT_SIGNALS_MS = 100      # Ctrl-C is heard this often while something is waited for

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    /* CRC-32C (Castagnoli), polynomial 0x82F63B78 reflected, as in RFC 3720 and in Kafka's record batches. */
    static uint32_t crc32c_table[8][256];
    static void crc32c_init(void) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
            crc32c_table[0][i] = c;
        }
        for (uint32_t i = 0; i < 256; i++)
            for (int t = 1; t < 8; t++)
                crc32c_table[t][i] = (crc32c_table[t - 1][i] >> 8) ^ crc32c_table[0][crc32c_table[t - 1][i] & 255];
    }
    /* Slicing by eight (Kounavis and Berry, 2005), for machines without the instruction. */
    static uint32_t crc32c_portable(uint32_t c, const char *p, size_t n) {
        for (; n >= 8; n -= 8, p += 8) {
            uint64_t w; memcpy(&w, p, 8); w ^= c;
            c = crc32c_table[7][w & 255] ^ crc32c_table[6][(w >> 8) & 255] ^ crc32c_table[5][(w >> 16) & 255]
              ^ crc32c_table[4][(w >> 24) & 255] ^ crc32c_table[3][(w >> 32) & 255] ^ crc32c_table[2][(w >> 40) & 255]
              ^ crc32c_table[1][(w >> 48) & 255] ^ crc32c_table[0][w >> 56];
        }
        for (; n; n--, p++) c = (c >> 8) ^ crc32c_table[0][(c ^ (unsigned char)*p) & 255];
        return c;
    }
    #if defined(__x86_64__)
    __attribute__((target("sse4.2")))
    static uint32_t crc32c_hardware(uint32_t seed, const char *p, size_t n) {
        uint64_t c = seed, w;
        for (; n >= 8; n -= 8, p += 8) { memcpy(&w, p, 8); c = __builtin_ia32_crc32di(c, w); }
        for (; n; n--, p++) c = __builtin_ia32_crc32qi((uint32_t)c, (unsigned char)*p);
        return (uint32_t)c;
    }
    static int crc32c_has_hardware(void) { return __builtin_cpu_supports("sse4.2"); }
    #else
    static uint32_t crc32c_hardware(uint32_t c, const char *p, size_t n) { return crc32c_portable(c, p, n); }
    static int crc32c_has_hardware(void) { return 0; }
    #endif
    static int crc32c_use_hardware;
    """
    void crc32c_init() nogil
    uint32_t crc32c_portable(uint32_t, const char*, size_t) noexcept nogil
    uint32_t crc32c_hardware(uint32_t, const char*, size_t) noexcept nogil
    int crc32c_has_hardware() nogil
    int crc32c_use_hardware

crc32c_init()
crc32c_use_hardware = crc32c_has_hardware()


cdef uint32_t crc32c(uint32_t seed, const char* data, size_t length) noexcept nogil:
    cdef uint32_t state = seed ^ <uint32_t>0xFFFFFFFF
    state = crc32c_hardware(state, data, length) if crc32c_use_hardware else crc32c_portable(state, data, length)
    return state ^ <uint32_t>0xFFFFFFFF


def checksum(const unsigned char[::1] data not None, uint32_t seed=0, *, bint portable=False):
    """CRC-32C of the bytes, continuing from `seed`; `portable` uses the table, whatever the machine can."""
    cdef const char* first = <const char*>&data[0] if data.shape[0] else NULL
    if portable:
        return crc32c_portable(seed ^ <uint32_t>0xFFFFFFFF, first, data.shape[0]) ^ <uint32_t>0xFFFFFFFF
    return crc32c(seed, first, data.shape[0])


cdef class Journal:
    """What a journal can do; made by `processor.journal.open_journal`. Close it, or use it as a context manager.

    Thread safety: append and poll belong to one thread; each reader to one thread at a time.
    """

    def __cinit__(self):
        self.data_bytes_max = 1 << 30
        self.unsettled = []

    cdef int append(self, const BlockHeader* header, const char* data, uint64_t tag) noexcept nogil:
        self.fail("this journal cannot be written")
        return APPEND_FAILED

    cdef int poll(self, Ack* acks, int most, int timeout_ms) noexcept nogil:
        return 0

    cdef int wake_fd(self) noexcept nogil:
        return -1

    cdef int is_away(self) noexcept nogil:
        return 0

    cdef void fail(self, const char* text) noexcept nogil:
        cdef size_t length = strlen(text)
        if self.failed:
            return
        if length > 511:
            length = 511
        memcpy(self.failure_text, text, length)
        self.failure_text[length] = 0
        self.failed = 1

    cpdef JournalReader reader(self, int64_t position):
        """A reader whose first record is the one at `position` (an offset of a record, or the end)."""
        raise NotImplementedError

    cpdef tuple ends(self):
        """(offset of the first record that is still there, offset that the next record will get)."""
        raise NotImplementedError

    def close(self):
        """Releases what it holds; blocks that were not acknowledged may or may not be there afterwards."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def append_record(self, header, data, *, timeout_s=60.0):
        """Appends one record (64 bytes of header, its data) and waits for its Ack: (offset or -1, next offset).

        For claims and tests, when nothing else is in flight. Raises JournalError when it fails or takes longer than timeout_s: then
        the record may still get into the log, and its Ack comes with the next poll; close the journal.
        """
        cdef const unsigned char[::1] head = bytes(header)
        cdef bytes kept = bytes(data)
        cdef const char* first = kept
        cdef Ack ack
        cdef int got = 0
        cdef int result
        if head.shape[0] != BLOCK_HEADER_BYTES or (<const BlockHeader*>&head[0]).data_bytes != len(kept):
            raise JournalError("a record is 64 bytes of header and as much data as the header says")
        if <uint64_t>len(kept) > self.data_bytes_max:
            raise JournalError(f"{self.url}: a record of {len(kept)} bytes does not fit: {self.room()}")
        deadline = time.monotonic() + timeout_s
        with nogil:
            result = self.append(<const BlockHeader*>&head[0], first, 0)
        if result == APPEND_FULL:
            raise JournalError(f"{self.url}: cannot append: there is too much in flight; poll first")
        if result != APPEND_OK:
            raise JournalError(f"{self.url}: cannot append: {self.failure}")
        self.unsettled.append(kept)
        while got == 0 and time.monotonic() < deadline:
            with nogil:
                got = self.poll(&ack, 1, LOOK_AT_SIGNALS_MS)
            PyErr_CheckSignals()
        if got < 0:
            raise JournalError(f"{self.url}: cannot append: {self.failure}")
        if got == 0:
            raise JournalError(f"{self.url}: no acknowledgement within {timeout_s:g} s: is the broker there?")
        self.unsettled.pop()
        return ack.offset, ack.next_offset

    def room(self):
        """How large a record may be, and how to change that, as text."""
        return f"this journal takes up to {self.data_bytes_max} bytes a record"

    def check_slot_bytes(self, uint32_t slot_bytes):
        """Raises JournalError when a record cannot hold one slot of this size."""
        if slot_bytes > self.data_bytes_max:
            raise JournalError(f"{self.url}: an event of this application takes {slot_bytes} bytes: {self.room()}")

    @property
    def failure(self):
        """Why the first call failed that did, as text; "" when none has."""
        return self.failure_text.decode(errors="replace") if self.failed else ""

    @property
    def away(self):
        """Whether the journal cannot be reached at the moment."""
        return bool(self.is_away())


cdef class JournalReader:
    cdef int next(self, Record* record, int timeout_ms) noexcept nogil:
        return 0

    cdef object error(self):
        return (CorruptJournal if self.corrupt else JournalError)(self.failure_text.decode(errors="replace"))

    def read(self, *, timeout_s=0.0):
        """The next record as (offset, next_offset, header bytes, data bytes), or None when there is none within timeout_s.

        Raises CorruptJournal when what stands there is not what was written, JournalError when it cannot be read.
        """
        cdef Record record
        cdef int result = 0
        cdef int turn_ms
        deadline = time.monotonic() + timeout_s
        while True:
            turn_ms = max(0, min(LOOK_AT_SIGNALS_MS, int((deadline - time.monotonic()) * 1000)))
            with nogil:
                result = self.next(&record, turn_ms)
            if result or turn_ms < LOOK_AT_SIGNALS_MS:
                break
            PyErr_CheckSignals()
        if result == 0:
            return None
        if result < 0:
            raise self.error()
        return (record.offset, record.next_offset, (<const char*>record.header)[:BLOCK_HEADER_BYTES],
                record.data[:record.header.data_bytes])

    def close(self):
        """Releases what it holds."""
