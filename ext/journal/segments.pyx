"""The segment files of the embedded journal: finding, checking, scanning. See segments.pxd for the layout."""

from libc.errno cimport EINTR, ENOENT, ENOMEM, ENXIO, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from processor.journal.base cimport crc32c
from processor.layout cimport BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader

cdef extern from "<fcntl.h>" nogil:
    int openat(int, const char*, int, ...)
    int O_RDONLY, O_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int, void*, size_t, int64_t)
    int64_t lseek(int, int64_t, int)
    int close(int)

cdef extern from *:
    """
    #ifndef SEEK_DATA
    #define SEEK_DATA 3
    #endif
    """
    int SEEK_DATA

cdef enum:
    CHECKED_BYTES = 60            # of the header, all but the checksum itself


cdef int segment_open(const Log* log, uint64_t base, int flags) noexcept nogil:
    cdef char name[32]
    cdef int fd
    snprintf(name, sizeof(name), "%020llu.log", <unsigned long long>base)
    fd = openat(log.directory_fd, name, flags | O_CLOEXEC, 0o644)
    return fd if fd >= 0 else -errno


cdef int64_t read_at(int fd, char* into, uint64_t bytes, uint64_t at) noexcept nogil:
    cdef uint64_t done = 0
    cdef ssize_t got
    while done < bytes:
        got = pread(fd, into + done, bytes - done, at + done)
        if got == 0:
            break
        if got < 0:
            if errno == EINTR:
                continue
            return -errno
        done += got
    return done


cdef uint32_t record_checksum(const Log* log, uint64_t stands, const BlockHeader* header, const char* data) noexcept nogil:
    cdef uint32_t check = crc32c(log.seed, <const char*>&stands, sizeof(stands))
    check = crc32c(check, <const char*>header, CHECKED_BYTES)
    return crc32c(check, data, header.data_bytes)


cdef uint64_t record_bytes(const BlockHeader* header, uint64_t room) noexcept nogil:
    cdef uint64_t bytes = BLOCK_HEADER_BYTES + ((<uint64_t>header.data_bytes + 7) & ~<uint64_t>7)
    return bytes if header.magic == BLOCK_MAGIC and bytes <= room else 0


cdef void trailer_make(const Log* log, uint64_t base, uint64_t end, Trailer* trailer) noexcept nogil:
    cdef uint64_t stands = base + log.segment_bytes - TRAILER_BYTES
    trailer.magic = TRAILER_MAGIC
    trailer.end = end
    trailer.checksum = crc32c(crc32c(log.seed, <const char*>&stands, sizeof(stands)), <const char*>&trailer.end, 8)


cdef int trailer_read(const Log* log, int fd, uint64_t base, uint64_t* end) noexcept nogil:
    cdef Trailer found, expected
    cdef int64_t got = read_at(fd, <char*>&found, TRAILER_BYTES, log.segment_bytes - TRAILER_BYTES)
    if got < 0:
        return <int>got
    if got < TRAILER_BYTES or found.magic != TRAILER_MAGIC:
        return 0
    trailer_make(log, base, found.end, &expected)
    if found.checksum != expected.checksum:
        return 0
    end[0] = found.end
    return 1


cdef uint64_t data_from(int fd, uint64_t at, uint64_t end) noexcept nogil:
    cdef int64_t found = lseek(fd, at, SEEK_DATA)
    if found < 0:
        return end if errno == ENXIO else at      # no data behind; or the file system cannot tell: then all of it may be
    return <uint64_t>found if <uint64_t>found < end else end


cdef int proves(const Log* log, int fd, uint64_t base, uint64_t at, const BlockHeader* header, uint64_t lost,
                char** whole) noexcept nogil:
    # The record that seems to stand at `at` of this segment, when it is valid and knew that byte `lost` was on disk.
    cdef uint64_t bytes = record_bytes(header, log.segment_bytes - TRAILER_BYTES - at)
    cdef int64_t got
    if bytes == 0 or header.synced <= lost:
        return 0
    if whole[0] == NULL:
        whole[0] = <char*>malloc(log.segment_bytes)
        if whole[0] == NULL:
            return -ENOMEM
    got = read_at(fd, whole[0], bytes, at)
    if got < 0:
        return <int>got
    header = <const BlockHeader*>whole[0]
    return (<uint64_t>got == bytes and record_bytes(header, bytes) == bytes
            and header.checksum == record_checksum(log, base + at, header, whole[0] + BLOCK_HEADER_BYTES))


cdef int scan_segment(const Log* log, int fd, uint64_t base, uint64_t first, uint64_t lost, char* scratch, char** whole,
                      uint64_t* stands) noexcept nogil:
    cdef uint64_t end = log.segment_bytes - TRAILER_BYTES
    cdef uint64_t at = first, k
    cdef uint32_t magic
    cdef int64_t got
    cdef int result
    while at + BLOCK_HEADER_BYTES <= end:
        at = data_from(fd, at, end) & ~<uint64_t>7
        if at < first:
            at = first
        got = read_at(fd, scratch, SCAN_BYTES if SCAN_BYTES < end - at else end - at, at)
        if got < BLOCK_HEADER_BYTES:
            return <int>got if got < 0 else 0
        k = 0
        while k + BLOCK_HEADER_BYTES <= <uint64_t>got:
            memcpy(&magic, scratch + k, 4)
            if magic == BLOCK_MAGIC:
                result = proves(log, fd, base, at + k, <const BlockHeader*>(scratch + k), lost, whole)
                if result:
                    stands[0] = base + at + k
                    return result
            k += 8
        at += k
    return 0


cdef int find_evidence(const Log* log, uint64_t lost, char* scratch, char** whole, uint64_t* stands) noexcept nogil:
    cdef uint64_t base = lost - lost % log.segment_bytes
    cdef int fd = segment_open(log, base + log.segment_bytes, O_RDONLY)
    cdef int result
    if fd >= 0:
        close(fd)                             # a segment is begun only after the one before it is on disk
        stands[0] = base + log.segment_bytes
        return 1
    if fd != -ENOENT:
        return fd
    fd = segment_open(log, base, O_RDONLY)
    if fd < 0:
        return fd
    result = scan_segment(log, fd, base, lost - base + 8, lost, scratch, whole, stands)
    close(fd)
    return result
