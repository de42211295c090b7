"""The business logic processor: the one function through which events change the state, live, in recovery and in queries."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from processor.counters cimport Counters
from processor.layout cimport Slot
from processor.logic.emitter cimport Emitter
from processor.logic.native cimport Context, native_handler
from processor.logic.runs cimport RunContext
from processor.logic.sessions cimport Sessions
from processor.logic.tables cimport Tables
from processor.logic.views cimport HandlerContext
from processor.outputs.inbox cimport INBOXES_MAX, Inbox
from processor.outputs.queue cimport OutputQueue
from processor.outputs.tap cimport OutputTap
from processor.ring.sequence cimport Waiter

cdef enum Tier:
    TIER_NONE = 0
    TIER_NATIVE = 1
    TIER_PYTHON = 2
    TIER_RUN = 3                  # NumPy: a handler for a run of equal events

cdef enum Stop:                   # why apply returned before the end of its slots
    STOP_NONE = 0
    STOP_SNAPSHOT = 1             # the last slot it passed was a snapshot trigger
    STOP_HASH = 2                 # the last slot it passed was a recorded state hash
    STOP_RAISED = 3               # a handler raised at the slot it did not pass: nothing may be applied, nor a snapshot taken
    STOP_FAILED = 4               # memory, or slots out of order: the same, but not the event's fault
    STOP_ABORTED = 5              # told to stop while it waited for room among the outputs
    STOP_READ = 6                 # the last slot it passed was a read marker, and somebody is to be answered

cdef enum:
    INBOX_PLACES = 2 * INBOXES_MAX
    LOCAL_CONNECTION_BIT = 63     # of the number of a connection within this process; the rest is the inbox

cdef struct Dispatch:
    int tier
    int32_t length
    native_handler function

cdef class Core:
    cdef readonly object app
    cdef readonly object state
    cdef readonly Sessions sessions
    cdef OutputQueue outputs      # None while nobody is to be answered
    cdef OutputTap tap            # None, or where a replay listens to what handlers say
    cdef object control           # None, or where evictions are put (ControlQueue)
    cdef Counters counters
    cdef Tables tables            # of a state that is a dataclass, when handlers without the GIL use it; else None
    cdef void* pointer            # what native handlers get as state
    cdef Dispatch* table          # [65536]
    cdef list handlers            # [65536]: (handler, view) of the Python tier, (handler, dtype) of the NumPy tier, or None
    cdef HandlerContext face
    cdef RunContext run_face
    cdef Context context
    cdef Emitter emitter
    cdef readonly uint32_t slot_bytes
    cdef readonly uint64_t sequence       # applied last
    cdef readonly int64_t timestamp       # of that event
    cdef readonly int stop
    cdef readonly bint strict             # NumPy handlers get copies, which are overwritten when they have returned
    cdef public uint64_t run_events_max   # 1: NumPy handlers get one event at a time (their results must not depend on it)
    cdef readonly uint64_t raised_events  # behind STOP_RAISED: how many events the handler had in hand, one of which is to blame
    cdef readonly object error            # the exception behind STOP_RAISED or STOP_FAILED
    cdef readonly str trouble             # what to tell people about it
    cdef uint64_t aborting
    cdef Waiter* waiter                   # of the thread that runs apply
    cdef char* welcome                    # a whole REPLY_WELCOME frame, to be completed
    cdef uint32_t welcome_bytes
    cdef uint64_t* counts
    cdef Inbox* inboxes[INBOXES_MAX]      # of sessions in this process; their number is their connection's
    cdef uint64_t inbox_count
    cdef Inbox* inbox_places[INBOX_PLACES]        # by session, open addressing; the logic's own
    cdef Inbox* dirty                     # those to be flushed
    cdef uint32_t inbox_session           # looked up last, and what was found (may be NULL)
    cdef Inbox* inbox_found
    cdef list inbox_owners                # keep the memory behind `inboxes`

    # Any thread with the GIL: the connection's number for a session open whose answers go to this inbox. `owner` keeps its memory.
    cdef uint64_t add_inbox(self, Inbox* inbox, owner) except 0
    cdef Inbox* inbox_at(self, uint64_t connection) noexcept nogil
    cdef Inbox* inbox_of(self, uint32_t session) noexcept nogil
    cdef void bind_inbox(self, Inbox* inbox, uint32_t session) noexcept nogil
    # Lets everything that was said since the last call go.
    cdef void flush(self) noexcept nogil
    # Applies slots that are durable, in order; returns how many it has passed. `stop` says why when not all.
    cdef uint64_t apply(self, const char* first, uint64_t count) noexcept nogil
    cdef uint64_t apply_python(self, const char* first, uint64_t count) noexcept with gil
    cdef int call_python(self, const char* first, uint64_t count, uint64_t* done) except -1
    cdef uint64_t apply_run(self, const char* first, uint64_t count) noexcept nogil
    cdef uint64_t plan_run(self, const char* first, uint64_t count) noexcept nogil
    cdef int call_run(self, const char* first, uint64_t count) noexcept with gil
    cdef int begin(self, const Slot* slot) noexcept nogil
    cdef int start(self, const Slot* slot) noexcept nogil
    cdef int finish(self, const Slot* slot) noexcept nogil
    cdef int answer(self, int verdict, const Slot* slot) noexcept nogil
    cdef int send(self, uint32_t kind, uint64_t target, const char* frames, uint32_t size) noexcept nogil
    cdef int send_part(self, uint32_t kind, uint64_t target, const char* frames, uint32_t size) noexcept nogil
    cdef char* wait_for_room(self, uint32_t kind, uint64_t target, uint32_t size) noexcept nogil
    cdef void evict_longest_idle(self) noexcept nogil
    cdef int status(self, const Slot* slot, uint16_t type, uint32_t kind, uint64_t target, const void* payload,
                    uint16_t length) noexcept nogil
    cdef int on_control(self, const Slot* slot) noexcept nogil
    cdef int open_session(self, const Slot* slot) noexcept nogil
    cdef void raised(self, const Slot* slot, uint64_t count, int code) noexcept with gil
    cdef void failed(self, const char* what, const Slot* slot) noexcept with gil
