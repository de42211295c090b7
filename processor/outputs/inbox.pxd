"""Where the answers to a session of this process gather: from the business logic straight to the thread that waits for them.

One producer, the logic; one consumer at a time. Bytes go round in `memory`; what the logic has put becomes visible, whole answers only, when
it flushes, once a batch. Without memory, answers are only counted. The logic never waits for room here: a reader that is behind by more
than the memory loses its session (`overflown`), as a connection does.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from processor.layout cimport REPLY_EVICTED, REPLY_REJECTED, REPLY_WELCOME, Reply
from processor.ring.sequence cimport Sequence, Waiter, load_acquire, sequence_get, sequence_set, store_release, waiter_wake

cdef enum:
    INBOXES_MAX = 4096            # of one service, in its life
    INBOX_WAITS = 0               # its session open is on its way
    INBOX_OPEN = 1
    INBOX_REFUSED = 2             # no place for one more session
    INBOX_EVICTED = 3
    INBOX_OVERFLOWN = 4
    INBOX_CLOSED = 5              # by its owner: nothing is put any more

cdef struct Inbox:
    # The logic's, until it flushes.
    uint64_t pending              # bytes put
    uint64_t pending_answered     # the last request answered
    uint64_t pending_outputs
    uint64_t pending_rejected
    uint32_t session              # 0: not yet
    bint dirty                    # in the core's list of those that have something to flush
    Inbox* next_dirty
    # Published.
    Sequence* head                # bytes put
    Sequence* tail                # bytes taken
    uint64_t answered
    uint64_t outputs
    uint64_t rejected
    uint64_t state
    char* memory                  # [capacity], or NULL
    uint64_t capacity             # a power of two
    Waiter* waiter                # of the thread that waits for answers


cdef inline void inbox_put(Inbox* inbox, const char* frames, uint32_t size, uint32_t outputs) noexcept nogil:
    """The `outputs` frames of one request."""
    cdef const Reply* reply = <const Reply*>frames
    cdef uint64_t at, run
    cdef uint64_t state = load_acquire(&inbox.state)
    if reply.type == REPLY_EVICTED:
        if state == INBOX_OPEN:
            store_release(&inbox.state, INBOX_EVICTED)
        return
    inbox.pending_answered = reply.request
    if state != INBOX_OPEN:
        return
    inbox.pending_outputs += outputs
    inbox.pending_rejected += reply.type == REPLY_REJECTED
    if inbox.memory != NULL:
        if inbox.pending + size - sequence_get(inbox.tail) > inbox.capacity:
            store_release(&inbox.state, INBOX_OVERFLOWN)
            return
        at = inbox.pending & (inbox.capacity - 1)
        run = inbox.capacity - at
        if run > size:
            run = size
        memcpy(inbox.memory + at, frames, run)
        memcpy(inbox.memory, frames + run, size - run)
        inbox.pending += size


cdef inline void inbox_answer_open(Inbox* inbox, const Reply* reply) noexcept nogil:
    """A welcome, or another answer to its session open."""
    if load_acquire(&inbox.state) == INBOX_WAITS:
        store_release(&inbox.state, INBOX_OPEN if reply.type == REPLY_WELCOME else INBOX_REFUSED)


cdef inline void inbox_flush(Inbox* inbox) noexcept nogil:
    sequence_set(inbox.head, inbox.pending)
    store_release(&inbox.outputs, inbox.pending_outputs)
    store_release(&inbox.rejected, inbox.pending_rejected)
    # Last: who sees a request answered finds its frames.
    store_release(&inbox.answered, inbox.pending_answered)
    waiter_wake(inbox.waiter)
