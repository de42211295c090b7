"""The business logic processor: the one function through which events change the state, live, in recovery and in queries."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from processor.counters cimport Counters
from processor.layout cimport Slot
from processor.logic.emitter cimport Emitter
from processor.logic.native cimport Context, native_handler
from processor.logic.sessions cimport Sessions
from processor.logic.views cimport HandlerContext
from processor.outputs.queue cimport OutputQueue
from processor.outputs.tap cimport OutputTap
from processor.ring.sequence cimport Waiter

cdef enum Tier:
    TIER_NONE = 0
    TIER_NATIVE = 1
    TIER_PYTHON = 2

cdef enum Stop:                   # why apply returned before the end of its slots
    STOP_NONE = 0
    STOP_SNAPSHOT = 1             # the last slot it passed was a snapshot trigger
    STOP_HASH = 2                 # the last slot it passed was a recorded state hash
    STOP_RAISED = 3               # a handler raised at the slot it did not pass: nothing may be applied, nor a snapshot taken
    STOP_FAILED = 4               # memory, or slots out of order: the same, but not the event's fault
    STOP_ABORTED = 5              # told to stop while it waited for room among the outputs
    STOP_READ = 6                 # the last slot it passed was a read marker, and somebody is to be answered

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
    cdef void* pointer            # of a native state
    cdef Dispatch* table          # [65536]
    cdef list handlers            # [65536] of the Python tier: (handler, view) or None
    cdef HandlerContext face
    cdef Context context
    cdef Emitter emitter
    cdef readonly uint32_t slot_bytes
    cdef readonly uint64_t sequence       # applied last
    cdef readonly int64_t timestamp       # of that event
    cdef readonly int stop
    cdef readonly object error            # the exception behind STOP_RAISED or STOP_FAILED
    cdef readonly str trouble             # what to tell people about it
    cdef uint64_t aborting
    cdef Waiter* waiter                   # of the thread that runs apply
    cdef char* welcome                    # a whole REPLY_WELCOME frame, to be completed
    cdef uint32_t welcome_bytes
    cdef uint64_t* counts

    # Applies slots that are durable, in order; returns how many it has passed. `stop` says why when not all.
    cdef uint64_t apply(self, const char* first, uint64_t count) noexcept nogil
    cdef uint64_t apply_python(self, const char* first, uint64_t count) noexcept with gil
    cdef int begin(self, const Slot* slot) noexcept nogil
    cdef int finish(self, const Slot* slot) noexcept nogil
    cdef int answer(self, int verdict, const Slot* slot) noexcept nogil
    cdef int send(self, uint32_t kind, uint64_t target, const char* frames, uint32_t size) noexcept nogil
    cdef int send_part(self, uint32_t kind, uint64_t target, const char* frames, uint32_t size) noexcept nogil
    cdef void evict_longest_idle(self) noexcept nogil
    cdef int status(self, const Slot* slot, uint16_t type, uint32_t kind, uint64_t target, const void* payload,
                    uint16_t length) noexcept nogil
    cdef int on_control(self, const Slot* slot) noexcept nogil
    cdef int open_session(self, const Slot* slot) noexcept nogil
    cdef void raised(self, const Slot* slot, int code) noexcept with gil
    cdef void failed(self, const char* what, const Slot* slot) noexcept with gil
