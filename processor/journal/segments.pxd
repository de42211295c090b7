"""How the embedded journal's log lies in its segment files. Offsets are bytes of the log.

A log is cut into segments of `segment_bytes` each; segment k is the file named by its base, k * segment_bytes, and its first byte
is byte `base` of the log. Nothing but records and one trailer stands in it:

    base                                                                        base + segment_bytes
    | header 64 | data, padded to 8 | header 64 | data ... | zeros to the end         | trailer 16 |
    ^ record                        ^ record               ^ next record,
                                                             when it still fits
    trailer, written when the next record does not fit any more:
    | magic "PEND" | crc32c | u64 end: where the last record ends |

A record never crosses a segment. Its offset is where its predecessor ended, so that each next_offset is the offset of what comes
next, whatever that will be: the first record of segment k > 0 has the `end` of the trailer before it as its offset, and stands at
its base. All zeros is the end of the log.

Checksums (header.checksum: the header's first 60 bytes and the data) continue from a seed of the journal's identity and the byte
where the record stands, so that a record of another journal, a misplaced one, or one that a client has forged inside of an event's
payload never counts.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport BlockHeader

cdef enum:
    TRAILER_BYTES = 16
    TRAILER_MAGIC = 0x444E4550    # "PEND"
    SCAN_BYTES = 1048576          # read at once when looking for something

cdef struct Trailer:
    uint32_t magic
    uint32_t checksum
    uint64_t end

cdef struct Log:
    int directory_fd
    uint32_t seed                 # of the journal's identity
    uint64_t segment_bytes

cdef int segment_open(const Log* log, uint64_t base, int flags) noexcept nogil     # a descriptor, or -errno
cdef int64_t read_at(int fd, char* into, uint64_t bytes, uint64_t at) noexcept nogil   # bytes read (fewer: the file's end), or -errno
cdef uint32_t record_checksum(const Log* log, uint64_t stands, const BlockHeader* header, const char* data) noexcept nogil
# Bytes from the header's first to the next record's, when that fits into `room`; else 0.
cdef uint64_t record_bytes(const BlockHeader* header, uint64_t room) noexcept nogil
cdef void trailer_make(const Log* log, uint64_t base, uint64_t end, Trailer* trailer) noexcept nogil
# 1 and `end`; 0 there is none (yet); -errno.
cdef int trailer_read(const Log* log, int fd, uint64_t base, uint64_t* end) noexcept nogil
# Whether something behind byte `lost` proves that it was on disk: a valid record that says so, or a later segment, since none is
# begun before the one before it is synced. 1 (and where that stands), 0, or -errno. `scratch` is SCAN_BYTES long, `whole`
# segment_bytes (allocated when needed: NULL before).
cdef int find_evidence(const Log* log, uint64_t lost, char* scratch, char** whole, uint64_t* stands) noexcept nogil
# Where data begins in the file at or behind `at`, below `end`; `end` when there is none: holes and unwritten parts are skipped.
cdef uint64_t data_from(int fd, uint64_t at, uint64_t end) noexcept nogil
