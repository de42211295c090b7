"""Reads the embedded journal: every checksum, and at what does not check, whether that is the end or a damage.

What does not check at byte x is a damage when x was on disk once: the file `journal` says so, a valid record behind x does, or there
is a later segment. Otherwise it is the end for now: a torn tail, or a record that another process is just writing.
"""

from libc.errno cimport ENOENT, ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport strerror

from processor.journal.base cimport JournalReader, Record
from processor.journal.segments cimport (
    SCAN_BYTES, TRAILER_BYTES, find_evidence, read_at, record_bytes, record_checksum, segment_open, trailer_read,
)
from processor.layout cimport BLOCK_HEADER_BYTES, BlockHeader

import os

from processor.errors import JournalError

cdef extern from "<fcntl.h>" nogil:
    int O_RDONLY

cdef extern from "<unistd.h>" nogil:
    int close(int)
    int usleep(unsigned int)

cdef enum:
    FEW_BYTES = 4096
    BUFFER_BYTES = 1048576
    LOOK_AGAIN_US = 500           # while waiting at the end for another process

cdef uint64_t NOTHING_JUDGED = <uint64_t>-1


cdef class EmbeddedReader(JournalReader):
    """Records of the journal in `directory` (a JournalDirectory) from `position` on: an offset of a record, or the end.

    Raises JournalError for any other position, CorruptJournal when what comes before it in its segment is damaged.
    """

    def __cinit__(self):
        self.fd = -1
        self.log.directory_fd = -1

    def __init__(self, directory, uint64_t position):
        cdef uint64_t base
        directory.segments()
        self.path = directory.path
        self.known_synced = directory.synced()
        self.log.seed = directory.seed
        self.log.segment_bytes = directory.segment_bytes
        self.log.directory_fd = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.buffer_bytes = min(BUFFER_BYTES, self.log.segment_bytes)
        self.buffer = <char*>malloc(self.buffer_bytes)
        self.scratch = <char*>malloc(SCAN_BYTES)
        if self.buffer == NULL or self.scratch == NULL:
            raise MemoryError("a journal reader's buffers")
        self.ahead = FEW_BYTES
        self.judged = NOTHING_JUDGED
        try:
            if not self.stands_at(position):
                base = position - position % self.log.segment_bytes
                self.place(base, 0 if base == 0 else self.trailer_end(base - self.log.segment_bytes, position))
                self.walk_to(position)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        if self.fd >= 0:
            close(self.fd)
        if self.log.directory_fd >= 0:
            close(self.log.directory_fd)
        free(self.buffer)
        free(self.scratch)
        free(self.whole)

    cdef bint stands_at(self, uint64_t position) except? False:
        # Whether a record of this offset can be seen at once: valid, or behind a trailer, or at the end that was noted.
        cdef Record record
        cdef uint64_t end = 0
        self.place(position, position)
        if position == 0 or position == self.known_synced:
            return True
        if position % 8 or position % self.log.segment_bytes == 0:
            return False
        return self.valid_here(&record) == 1 or (
            self.fd >= 0 and trailer_read(&self.log, self.fd, self.base, &end) == 1 and end == position)

    cdef place(self, uint64_t stands, uint64_t position):
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1
        self.base = stands - stands % self.log.segment_bytes
        self.stands = stands
        self.position = position
        self.buffer_filled = 0

    cdef uint64_t trailer_end(self, uint64_t base, uint64_t wanted) except? 0:
        # Where the records of a finished segment end, which is the offset of the next segment's first record.
        cdef uint64_t end = 0
        cdef int fd = segment_open(&self.log, base, O_RDONLY)
        cdef int result = fd
        if fd >= 0:
            result = trailer_read(&self.log, fd, base, &end)
            close(fd)
        if result < 0 and result != -ENOENT:
            raise JournalError(f"{self.path}: cannot read the segment at {base}: {os.strerror(-result)}")
        if result <= 0:
            raise JournalError(f"{self.path}: no record stands at offset {wanted}: the log does not reach that far")
        return end

    cdef walk_to(self, uint64_t position):
        # From the segment's first record on, so that an offset that none has is told from one whose record is damaged.
        cdef Record record
        cdef int result = 1
        cdef int64_t before = self.position
        while result == 1 and <uint64_t>self.position < position:
            before = self.position
            with nogil:
                result = self.step(&record)
            if result < 0:
                raise self.error()
        if <uint64_t>self.position == position:
            return
        if result == 0:
            raise JournalError(f"{self.path}: no record stands at offset {position}: the log ends at {self.position}")
        raise JournalError(
            f"{self.path}: no record stands at offset {position}: the nearest ones stand at {before} and {self.position}; "
            "use an offset that a reader, an acknowledgement or a snapshot gave"
        )

    cdef int next(self, Record* record, int timeout_ms) noexcept nogil:
        cdef int64_t left_us = <int64_t>timeout_ms * 1000
        cdef int result
        if self.log.directory_fd < 0:
            snprintf(self.failure_text, sizeof(self.failure_text), "the reader is closed")
            return -1
        result = self.step(record)
        while result == 0 and left_us > 0:
            usleep(LOOK_AGAIN_US)
            left_us -= LOOK_AGAIN_US
            result = self.step(record)
        return result

    cdef int step(self, Record* record) noexcept nogil:
        # The next record, or what `next` returns at once.
        cdef int result
        if self.judged == self.stands:
            self.ahead = FEW_BYTES
            self.buffer_filled = 0            # it was the end: what is in the buffer is old
        result = self.valid_here(record)
        if result == 0:
            result = self.judge(record)
        if result == 1:
            self.position = record.next_offset
            self.stands = record.next_offset
            self.judged = NOTHING_JUDGED
        return result

    cdef int valid_here(self, Record* record) noexcept nogil:
        # 1 and the record, when a valid one stands at self.stands; 0; or -1.
        cdef uint64_t needed = 0
        if self.valid_in_buffer(record, &needed):
            return 1
        if self.load(needed) < 0:
            return -1
        if self.valid_in_buffer(record, &needed):
            return 1
        if needed <= self.buffer_filled:
            return 0
        if self.load(needed) < 0:
            return -1
        return self.valid_in_buffer(record, &needed)

    cdef int valid_in_buffer(self, Record* record, uint64_t* needed) noexcept nogil:
        # `needed` gets the record's length, when its header is there and can be one.
        cdef uint64_t at = self.stands - self.base
        cdef uint64_t held = 0
        cdef uint64_t k
        cdef const BlockHeader* header = <const BlockHeader*>(self.buffer + (at - self.buffer_at))
        needed[0] = 0
        if self.buffer_at <= at and at < self.buffer_at + self.buffer_filled:
            held = self.buffer_at + self.buffer_filled - at
        if held < BLOCK_HEADER_BYTES:
            return 0
        needed[0] = record_bytes(header, self.log.segment_bytes - TRAILER_BYTES - at)
        if needed[0] == 0 or needed[0] > held:
            return 0
        record.header = header
        record.data = <const char*>header + BLOCK_HEADER_BYTES
        record.offset = self.position
        record.next_offset = self.stands + needed[0]
        for k in range(header.data_bytes, needed[0] - BLOCK_HEADER_BYTES):
            if record.data[k]:
                return 0                      # the padding has no checksum, and is zeros
        return header.checksum == record_checksum(&self.log, self.stands, header, record.data)

    cdef int load(self, uint64_t bytes) noexcept nogil:
        # Fills the buffer from self.stands on, with at least `bytes` where the file has them.
        cdef uint64_t at = self.stands - self.base
        cdef uint64_t most = self.log.segment_bytes - at
        cdef int64_t got
        cdef char* larger
        self.buffer_filled = 0
        self.buffer_at = at
        if self.fd < 0:
            self.fd = segment_open(&self.log, self.base, O_RDONLY)
            if self.fd < 0:
                if self.fd == -ENOENT:
                    return 0
                return self.say("cannot open", self.base, -self.fd)
        if bytes > self.buffer_bytes:
            larger = <char*>malloc(bytes)
            if larger == NULL:
                return self.say("no memory to read", self.stands, ENOMEM)
            free(self.buffer)
            self.buffer = larger
            self.buffer_bytes = bytes
        if self.ahead < bytes:
            self.ahead = bytes
        got = read_at(self.fd, self.buffer, self.ahead if self.ahead < most else most, at)
        if got < 0:
            return self.say("cannot read", self.stands, <int>-got)
        self.buffer_filled = got
        # Ever more at once on the way through the log; little at its end, where little is new at a time.
        self.ahead = self.ahead * 4 if self.ahead * 4 < self.buffer_bytes else self.buffer_bytes
        return 0

    cdef int judge(self, Record* record) noexcept nogil:
        # What does not check: the way to the next segment, the end (0), or a damage (-1).
        cdef uint64_t at = self.stands - self.base
        cdef uint64_t end = 0, witness = 0
        cdef uint64_t word = 0
        cdef int result
        if self.buffer_filled >= 8:
            word = (<const uint64_t*>self.buffer)[0]
        if self.fd >= 0:
            result = trailer_read(&self.log, self.fd, self.base, &end)
            if result < 0:
                return self.say("cannot read", self.base + self.log.segment_bytes - TRAILER_BYTES, -result)
            if result == 1 and end == self.stands:
                close(self.fd)
                self.fd = -1
                self.base += self.log.segment_bytes
                self.stands = self.base
                self.buffer_filled = 0
                result = self.valid_here(record)
                return result if result else self.judge(record)
        if self.judged == self.stands and word == 0:
            return 0                          # still what it was: nothing
        if self.known_synced > self.stands:
            witness = self.known_synced
            result = 1
        elif self.fd < 0:
            result = 0                        # the segment is not there yet
        else:
            result = find_evidence(&self.log, self.stands, self.scratch, &self.whole, &witness)
        if result < 0:
            return self.say("cannot read", self.stands, -result)
        if result == 0:
            self.judged = self.stands
            return 0
        # It may have been written, and more behind it, between the two looks.
        if self.load(0) < 0:
            return -1
        result = self.valid_here(record)
        if result:
            return result
        if self.fd >= 0 and trailer_read(&self.log, self.fd, self.base, &end) == 1 and end == self.stands:
            return self.judge(record)
        self.corrupt = True
        snprintf(self.failure_text, sizeof(self.failure_text),
                 "corrupt journal: offset %lld (byte %llu of %020llu.log) does not read back as it was written; it was on disk, "
                 "as %s %llu says. Nothing was changed: put the file back from a copy, or recover from a snapshot behind it",
                 <long long>self.position, <unsigned long long>at, <unsigned long long>self.base,
                 b"the file `journal`: synced up to" if self.known_synced > self.stands else b"what stands behind it at offset",
                 <unsigned long long>witness)
        return -1

    cdef int say(self, const char* what, uint64_t at, int error) noexcept nogil:
        snprintf(self.failure_text, sizeof(self.failure_text), "%s byte %llu of the log (in %020llu.log): %s", what,
                 <unsigned long long>at, <unsigned long long>(at - at % self.log.segment_bytes), strerror(error))
        return -1

    def close(self):
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1
        if self.log.directory_fd >= 0:
            close(self.log.directory_fd)
            self.log.directory_fd = -1
        self.buffer_filled = 0
