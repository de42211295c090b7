"""The counter page: what each stage has done, as 64-bit numbers in one shared mapping that outlives the process."""

from libc.stdint cimport uint64_t

cdef enum:
    COUNT_PUBLISHED = 0           # slots that the gateway has published since the start
    COUNT_HANDED = 1              # highest sequence handed to the journal
    COUNT_DURABLE = 2             # highest sequence acknowledged by the journal
    COUNT_APPLIED = 3             # highest sequence applied
    COUNT_BLOCKS = 4              # blocks acknowledged since the start
    COUNT_OUTPUTS = 5             # reply frames made since the start
    COUNT_REJECTED = 6
    COUNT_REPEATED = 7            # requests answered from the session table
    COUNT_SNAPSHOT_RUNNING = 8    # 1 while a child writes one
    COUNT_SNAPSHOTS = 9           # taken since the start
    COUNT_SNAPSHOT_SEQUENCE = 10  # of the last good one
    COUNT_JOURNAL_AWAY = 11       # 1 while the journal does not answer
    COUNT_PAUSE_NS_MAX = 12       # longest pause of the logic for a snapshot's fork
    COUNT_PID = 13
    COUNT_COLLECTIONS = 14        # of Python's garbage collector since the start
    COUNT_COLLECTION_NS_MAX = 15  # the longest of them
    COUNTERS = 32

cdef class Counters:
    cdef uint64_t* values
    cdef readonly str path
    cdef object mapping
    cdef int descriptor           # of a page that has no name yet; -1
    cdef uint64_t[::1] view
