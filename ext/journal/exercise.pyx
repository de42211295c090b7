"""The nogil half of a journal, for tests: several blocks in flight, a full journal, and one that answers as a test says."""

from libc.stdint cimport int64_t, uint64_t

from processor.journal.base cimport APPEND_FAILED, APPEND_FULL, Ack, Journal, JournalReader, Record
from processor.journal.memory cimport MemoryJournal
from processor.layout cimport BLOCK_HEADER_BYTES, BlockHeader

from processor.errors import JournalError

FULL = APPEND_FULL
FAILED = APPEND_FAILED


def append(Journal journal not None, bytes header not None, bytes data not None, uint64_t tag):
    """Hands one block over: 0, FULL or FAILED. The caller keeps `data` until the Ack with this tag."""
    cdef const BlockHeader* head = <const BlockHeader*><const char*>header
    cdef const char* first = data
    cdef int result
    if len(header) != BLOCK_HEADER_BYTES:
        raise ValueError(f"a block's header has {BLOCK_HEADER_BYTES} bytes, not {len(header)}")
    with nogil:
        result = journal.append(head, first, tag)
    return result


def poll(Journal journal not None, int most=64, int timeout_ms=0):
    """Acks as (tag, offset, next_offset), at most 64; raises JournalError when the journal has failed."""
    cdef Ack[64] acks
    cdef int got
    with nogil:
        got = journal.poll(acks, min(most, 64), timeout_ms)
    if got < 0:
        raise JournalError(journal.failure)
    return [(acks[k].tag, acks[k].offset, acks[k].next_offset) for k in range(got)]


def wake_fd(Journal journal not None):
    """The descriptor that tells of Acks, or -1."""
    return journal.wake_fd()


def data_address(JournalReader reader not None, int timeout_ms):
    """Where in memory the next record's data stands (0: there is none)."""
    cdef Record record
    cdef int result
    with nogil:
        result = reader.next(&record, timeout_ms)
    if result < 0:
        raise reader.error()
    return <size_t>record.data if result else 0


cdef class AnsweringJournal(MemoryJournal):
    """A memory journal whose acknowledgements pass through `answer(offset, next_offset)`, which returns what the journaler gets
    to see, or None: not yet (and it is asked again). `room` blocks may be in flight. Called with the GIL, on the journaler's thread.
    """
    cdef public object answer
    cdef public uint64_t in_flight_max
    cdef readonly object error
    cdef Ack held
    cdef bint has_held

    def __init__(self, log, str url, answer, *, uint64_t in_flight_max=64):
        MemoryJournal.__init__(self, log, url)
        self.answer = answer
        self.in_flight_max = in_flight_max

    cdef int append(self, const BlockHeader* header, const char* data, uint64_t tag) noexcept nogil:
        if self.pending_count + self.has_held >= self.in_flight_max:
            return APPEND_FULL
        return MemoryJournal.append(self, header, data, tag)

    cdef int poll(self, Ack* acks, int most, int timeout_ms) noexcept nogil:
        if not self.has_held and MemoryJournal.poll(self, &self.held, 1, timeout_ms) == 1:
            self.has_held = True
        if not self.has_held:
            return 0
        return self.ask(acks)

    cdef int ask(self, Ack* ack) noexcept with gil:
        try:
            told = self.answer(self.held.offset, self.held.next_offset)
            if told is None:
                return 0
            ack[0] = self.held
            ack.offset, ack.next_offset = told
        except BaseException as error:
            self.error = error
            self.fail(b"the test's answer raised")
            return -1
        self.has_held = False
        return 1
