"""The embedded journal: appends to segment files, one sync a group. The layout is in segments.pxd.

An append is one pwritev into the page cache, a poll one fdatasync for all of them (measured beside this: pwritev2 with RWF_DSYNC,
O_DSYNC and msync take as long; writing through a mapping takes longer). What a sync costs beyond the disk's own time is the file
system's note that preallocated bytes were written; so small groups write zeros ahead, in larger steps, and pay it rarely.
"""

from libc.errno cimport EDQUOT, EFBIG, EINTR, ENOENT, ENOSPC, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, strerror

from processor.journal.base cimport APPEND_FAILED, APPEND_FULL, APPEND_OK, Ack, Journal, JournalReader, Record
from processor.journal.embedded_reader cimport EmbeddedReader
from processor.journal.segments cimport (
    TRAILER_BYTES, Trailer, data_from, read_at, record_checksum, segment_open, trailer_make, trailer_read,
)
from processor.layout cimport BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader

import os

from processor.errors import JournalError

cdef extern from "<fcntl.h>" nogil:
    int O_RDWR, O_RDONLY, O_CREAT, O_EXCL
    int posix_fallocate(int, int64_t, int64_t)
    int posix_fadvise(int, int64_t, int64_t, int)
    int POSIX_FADV_DONTNEED

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t pwritev(int, const iovec*, int, int64_t)

cdef extern from "<unistd.h>" nogil:
    ssize_t pwrite(int, const void*, size_t, int64_t)
    int fdatasync(int)
    int fsync(int)
    int close(int)
    int unlinkat(int, const char*, int)

cdef enum:
    IN_FLIGHT_RECORDS = 1024
    IN_FLIGHT_BYTES = 8388608
    ZERO_AHEAD_BYTES = 4194304
    SMALL_GROUP_BYTES = 1048576     # larger ones pay the file system's note once per group anyway

cdef char[ZERO_AHEAD_BYTES] ZEROS


cdef int allocate(int fd, uint64_t bytes) noexcept nogil:
    # 0, or an errno.
    cdef int result = EINTR
    while result == EINTR:
        result = posix_fallocate(fd, 0, bytes)
    return result


cdef class EmbeddedJournal(Journal):
    """The journal in `directory` (a JournalDirectory, which this closes); `url` is for messages.

    Opened for writing it finds the log's end first: a torn tail is zeroed and synced, a damage raises CorruptJournal and nothing is
    changed. Raises JournalError when the disk refuses. Opened for reading it can only be read.
    """

    def __cinit__(self):
        self.fd = -1
        self.log.directory_fd = -1

    def __init__(self, directory, str url):
        self.directory = directory
        self.url = url
        self.path = os.fsencode(directory.path)
        self.path_text = self.path
        self.writable = directory.lock_fd >= 0
        self.log.seed = directory.seed
        self.log.segment_bytes = directory.segment_bytes
        self.data_bytes_max = self.log.segment_bytes - TRAILER_BYTES - BLOCK_HEADER_BYTES
        self.log.directory_fd = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.pending = <Ack*>calloc(IN_FLIGHT_RECORDS, sizeof(Ack))
        if self.pending == NULL:
            raise MemoryError("a journal's list of what is in flight")
        if self.writable:
            try:
                self.take_over()
            except BaseException:
                self.let_go()
                raise

    def __dealloc__(self):
        self.let_go()
        free(self.pending)

    cdef void let_go(self) noexcept:
        if self.fd >= 0:
            close(self.fd)
        if self.log.directory_fd >= 0:
            close(self.log.directory_fd)
        self.fd = self.log.directory_fd = -1

    cdef EmbeddedReader reader_at_end(self):
        # A reader that has read to the log's end, through all of the last segment.
        cdef EmbeddedReader reader
        cdef Record record
        cdef uint64_t base, end = 0
        cdef int fd, result
        for base in self.directory.segments():
            fd = segment_open(&self.log, base, O_RDONLY)
            result = trailer_read(&self.log, fd, base, &end) if fd >= 0 else fd
            if fd >= 0:
                close(fd)
            if result < 0:
                raise JournalError(f"{self.url}: cannot read the segment at {base}: {os.strerror(-result)}")
            if result == 0:
                break
        reader = EmbeddedReader(self.directory, end)
        result = 1
        while result == 1:
            with nogil:
                result = reader.next(&record, 0)
        if result < 0:
            reader.close()
            raise reader.error()
        return reader

    cdef take_over(self):
        cdef EmbeddedReader reader
        cdef int result = 0
        self.forget_cached()
        reader = self.reader_at_end()
        self.end = reader.position
        self.stands = self.durable = self.zeroed = reader.stands
        self.base = self.stands - self.stands % self.log.segment_bytes
        self.fd = segment_open(&self.log, self.base, O_RDWR)
        reader.close()
        if self.fd < 0 and self.fd != -ENOENT:
            result = self.fail_with("cannot open a segment", -self.fd)
        elif self.fd >= 0:
            with nogil:
                result = self.zero_tail()
        if result == 0 and self.fd < 0:
            with nogil:
                result = self.open_segment()
        if result < 0:
            raise JournalError(f"{self.url}: {self.failure}")
        self.directory.note_synced(self.durable)

    cdef forget_cached(self):
        # Only what the disk has counts. What a failed sync could not write stays in the system's memory, as clean as the rest: it
        # reads back, and the next sync calls it good without writing it. A segment is begun after the one before it was synced, so
        # that this concerns the last one alone.
        cdef uint64_t base = max(self.directory.segments(), default=0)
        cdef int fd = segment_open(&self.log, base, O_RDWR)
        cdef int error = 0
        if fd == -ENOENT:
            return
        if fd < 0:
            raise JournalError(f"{self.url}: cannot open the segment at {base}: {os.strerror(-fd)}")
        with nogil:
            if fdatasync(fd):
                error = errno
            else:
                posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)
            close(fd)
        if error:
            raise JournalError(f"{self.url}: cannot sync the segment at {base}: {os.strerror(error)}")

    cdef int zero_tail(self) noexcept nogil:
        # Nothing but zeros behind the end, and all of it on disk, before anything is appended.
        cdef uint64_t at = self.stands - self.base
        cdef uint64_t bytes, k
        cdef int64_t got
        cdef char[65536] chunk
        cdef int result = allocate(self.fd, self.log.segment_bytes)
        if result:
            return self.fail_with("no room for a segment", result)
        while True:
            at = data_from(self.fd, at, self.log.segment_bytes)
            if at < self.stands - self.base:
                at = self.stands - self.base
            bytes = self.log.segment_bytes - at
            if bytes == 0:
                break
            got = read_at(self.fd, chunk, bytes if bytes < sizeof(chunk) else sizeof(chunk), at)
            if got <= 0:
                return self.fail_with("cannot read a segment", <int>-got)
            for k in range(<uint64_t>got):
                if chunk[k]:
                    if pwrite(self.fd, ZEROS, got, at) != got:
                        return self.fail_with("cannot write zeros over the torn tail", errno)
                    break
            at += got
        if fsync(self.fd) or fsync(self.log.directory_fd):
            return self.fail_with("cannot sync a segment", errno)
        return 0

    cdef int append(self, const BlockHeader* header, const char* data, uint64_t tag) noexcept nogil:
        cdef uint64_t data_bytes = header.data_bytes
        cdef uint64_t padding = (8 - (data_bytes & 7)) & 7
        cdef uint64_t bytes = BLOCK_HEADER_BYTES + data_bytes + padding
        cdef uint64_t room = self.log.segment_bytes - TRAILER_BYTES
        cdef BlockHeader head
        cdef iovec parts[3]
        cdef ssize_t written
        cdef Ack* ack
        if self.failed:
            return APPEND_FAILED
        if self.closed:
            self.fail("the journal is closed")
            return APPEND_FAILED
        if not self.writable:
            self.fail("it is open for reading only")
            return APPEND_FAILED
        if bytes > room or header.magic != BLOCK_MAGIC:
            self.fail_with("a record that does not fit into a segment, or is none: use smaller blocks (journal.max_block_bytes)", 0)
            return APPEND_FAILED
        if self.pending_count and (self.pending_count == IN_FLIGHT_RECORDS
                                   or self.stands + bytes - self.durable > IN_FLIGHT_BYTES):
            return APPEND_FULL
        if self.stands - self.base + bytes > room and self.roll() < 0:
            return APPEND_FAILED
        memcpy(&head, header, BLOCK_HEADER_BYTES)
        head.synced = self.durable
        head.checksum = record_checksum(&self.log, self.stands, &head, data)
        parts[0].iov_base, parts[0].iov_len = &head, BLOCK_HEADER_BYTES
        parts[1].iov_base, parts[1].iov_len = <void*>data, data_bytes
        parts[2].iov_base, parts[2].iov_len = <void*>ZEROS, padding
        written = pwritev(self.fd, parts, 3, self.stands - self.base)
        while written < 0 and errno == EINTR:
            written = pwritev(self.fd, parts, 3, self.stands - self.base)
        if written != <ssize_t>bytes:
            self.fail_with("cannot append a record", errno if written < 0 else ENOSPC)
            return APPEND_FAILED
        ack = &self.pending[(self.pending_first + self.pending_count) % IN_FLIGHT_RECORDS]
        ack.offset = self.end
        ack.tag = tag
        self.stands += bytes
        self.end = self.stands
        ack.next_offset = self.end
        self.pending_count += 1
        return APPEND_OK

    cdef int poll(self, Ack* acks, int most, int timeout_ms) noexcept nogil:
        cdef int count = 0
        cdef Ack* ack
        if not self.failed and self.pending_count and self.pending[self.pending_first].next_offset > <int64_t>self.durable:
            self.sync()
        while count < most and self.pending_count:
            ack = &self.pending[self.pending_first]
            if ack.next_offset > <int64_t>self.durable:
                break
            acks[count] = ack[0]
            count += 1
            self.pending_first = (self.pending_first + 1) % IN_FLIGHT_RECORDS
            self.pending_count -= 1
        return -1 if self.failed and count == 0 else count

    cdef int sync(self) noexcept nogil:
        if self.durable == self.stands:
            return 0
        if self.stands - self.durable <= SMALL_GROUP_BYTES and self.stands > self.zeroed:
            self.zero_ahead()
        self.syncs += 1
        if fdatasync(self.fd):
            return self.fail_with("cannot sync a segment (what was not acknowledged may be lost)", errno)
        self.durable = self.stands
        return 0

    cdef void zero_ahead(self) noexcept nogil:
        # Behind everything that was appended; that it fails is no harm, the next append tells.
        cdef uint64_t end = self.base + self.log.segment_bytes
        cdef uint64_t bytes = ZERO_AHEAD_BYTES if ZERO_AHEAD_BYTES < end - self.stands else end - self.stands
        if pwrite(self.fd, ZEROS, bytes, self.stands - self.base) == <ssize_t>bytes:
            self.zeroed = self.stands + bytes

    cdef int roll(self) noexcept nogil:
        # Ends the segment, syncs it, and only then begins the next: so a later segment proves the earlier ones complete.
        cdef Trailer trailer
        trailer_make(&self.log, self.base, self.end, &trailer)
        if pwrite(self.fd, &trailer, TRAILER_BYTES, self.log.segment_bytes - TRAILER_BYTES) != TRAILER_BYTES:
            return self.fail_with("cannot end a segment", errno)
        if fdatasync(self.fd):
            return self.fail_with("cannot sync a segment (what was not acknowledged may be lost)", errno)
        close(self.fd)
        self.fd = -1
        self.base += self.log.segment_bytes
        self.stands = self.durable = self.zeroed = self.base
        return self.open_segment()

    cdef int open_segment(self) noexcept nogil:
        cdef char name[32]
        cdef int error
        self.fd = segment_open(&self.log, self.base, O_RDWR | O_CREAT | O_EXCL)
        if self.fd < 0:
            return self.fail_with("cannot make a segment", -self.fd)
        error = allocate(self.fd, self.log.segment_bytes)
        if error == 0 and (fsync(self.fd) or fsync(self.log.directory_fd)):
            error = errno
        if error:
            close(self.fd)
            self.fd = -1
            snprintf(name, sizeof(name), "%020llu.log", <unsigned long long>self.base)
            unlinkat(self.log.directory_fd, name, 0)
            return self.fail_with("no room for a segment", error)
        return 0

    cdef int fail_with(self, const char* what, int error) noexcept nogil:
        cdef char text[512]
        cdef const char* why = "wrong use"
        cdef int length
        if error:
            why = strerror(error)
        length = snprintf(text, sizeof(text), "%s in %.240s: %s", what, self.path_text, why)
        if (error == ENOSPC or error == EDQUOT or error == EFBIG) and 0 < length < <int>sizeof(text):
            snprintf(text + length, sizeof(text) - length,
                     ". What was acknowledged is safe: make room there (a segment takes %llu bytes), then start again",
                     <unsigned long long>self.log.segment_bytes)
        self.fail(text)
        return -1

    cpdef JournalReader reader(self, int64_t position):
        """A reader whose first record is the one at `position`; raises JournalError when none stands there."""
        if self.closed:
            raise JournalError(f"{self.url}: the journal is closed")
        if position < 0:
            raise JournalError(f"{self.url}: no record stands at offset {position}: offsets count from 0")
        return EmbeddedReader(self.directory, position)

    cpdef tuple ends(self):
        """(0, offset that the next record will get); read-only, this reads the last segment."""
        cdef EmbeddedReader reader
        if self.closed:
            raise JournalError(f"{self.url}: the journal is closed")
        if self.writable:
            return (0, self.end)
        reader = self.reader_at_end()
        reader.close()
        return (0, reader.position)

    def room(self):
        """How large a record may be, and how to change that, as text."""
        return (f"a record stands in one segment, with up to {self.data_bytes_max} bytes; a new journal can have larger ones "
                f"(?segment_bytes=N)")

    def close(self):
        """Syncs what was appended, notes how far the log is on disk, and lets the next writer in."""
        cdef int result = 0
        self.closed = 1
        try:
            if self.writable:
                self.writable = False
                if self.fd >= 0:
                    if not self.failed:
                        with nogil:
                            result = self.sync()
                if not self.failed:
                    self.directory.note_synced(self.durable)
        finally:
            self.let_go()
            self.directory.close()
        if result < 0:
            raise JournalError(f"{self.url}: {self.failure}")
