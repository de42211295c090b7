"""Native handlers alone: no ring, journal, sessions or timers. For tests of an application and for measuring its handlers.

Outputs are reply frames (layout.pxd), as a client would get them. Single-threaded; the handlers run without the GIL.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from processor.errors import Halted, WrongUse
from processor.layout cimport (
    CONTROL_FIRST, REPLY_DONE, REPLY_HEADER_BYTES, REPLY_LAST, REPLY_REJECTED, SLOT_HEADER_BYTES, Reply, Slot, padded8, slot_at,
)
from processor.app import CompiledHandler
from processor.logic.native cimport Context, NativeHandler, NativeState, native_handler
from processor.logic.tables cimport Tables, native_state

cdef enum:
    OUTPUT_BYTES_MIN = 1 << 20

cdef struct Outputs:
    char* memory
    uint64_t bytes
    uint64_t capacity
    uint64_t last                 # where the last frame of the event in hand starts
    uint16_t index                # frames of the event in hand
    bint rejected


cdef int put(Context* context, uint16_t type, const void* payload, uint16_t length) noexcept nogil:
    """Appends one frame. 0, or -1 when memory is short."""
    cdef Outputs* outputs = <Outputs*>context.core
    cdef uint32_t frame_bytes = REPLY_HEADER_BYTES + padded8(length)
    cdef uint64_t capacity = outputs.capacity
    cdef char* memory
    cdef Reply* reply
    if outputs.bytes + frame_bytes > capacity:
        capacity = capacity * 2 if capacity else OUTPUT_BYTES_MIN
        memory = <char*>realloc(outputs.memory, capacity)
        if memory == NULL:
            return -1
        outputs.memory = memory
        outputs.capacity = capacity
    reply = <Reply*>(outputs.memory + outputs.bytes)
    reply.sequence = context.event.sequence
    reply.timestamp = context.now
    reply.index = outputs.index
    reply.flags = 0
    reply.type = type
    reply.length = length
    reply.request = context.event.request
    if length & 7:
        memset(outputs.memory + outputs.bytes + frame_bytes - 8, 0, 8)
    memcpy(reply + 1, payload, length)
    outputs.last = outputs.bytes
    outputs.bytes += frame_bytes
    outputs.index += 1
    return 0


cdef int put_output(Context* context, uint16_t type, const void* payload, uint16_t length) noexcept nogil:
    return -1 if (<Outputs*>context.core).rejected else put(context, type, payload, length)


cdef int put_reject(Context* context, const char* reason, uint16_t length) noexcept nogil:
    cdef Outputs* outputs = <Outputs*>context.core
    if outputs.index != 0:
        return -1
    outputs.rejected = True
    return put(context, REPLY_REJECTED, reason, length)


cdef class Bare:
    """The native handlers of an application over a state of their own."""

    cdef readonly object state
    cdef readonly object app
    cdef readonly uint32_t slot_bytes
    cdef native_handler handlers[65536]
    cdef Tables tables
    cdef void* state_pointer
    cdef list owners
    cdef Outputs outputs

    def __init__(self, app, state=None):
        """`state`: one to go on with, else a fresh one of the application. Raises WrongUse unless all handlers are native or compiled."""
        cdef NativeHandler handler
        app.check()
        self.app = app
        self.state = app.state_type() if state is None else state
        if not isinstance(self.state, NativeState):
            self.tables = Tables(self.state)
        self.state_pointer = native_state(self.state, self.tables)
        self.owners = []
        self.slot_bytes = app.schema.slot_bytes
        memset(self.handlers, 0, sizeof(self.handlers))
        for number, given in app.handlers.items():
            if isinstance(given, CompiledHandler):
                given = given.native(self.state)
            if not isinstance(given, NativeHandler):
                raise WrongUse(f"{app.name}: {given!r} is no native handler, only those can run bare")
            handler = given
            self.owners.append(handler)
            self.handlers[<uint16_t>number] = handler.function

    def __dealloc__(self):
        free(self.outputs.memory)

    def run(self, const uint8_t[::1] slots):
        """Applies slots (n * slot_bytes bytes, uint8, contiguous); returns how many bytes of reply frames they gave.

        The frames replace those of the run before; `frames` hands them out. Raises Halted when a handler fails, naming the event;
        the state is not to be used after that. Raises WrongUse for a type that the application does not have.
        """
        cdef uint64_t count = slots.shape[0] // self.slot_bytes
        cdef const char* first = <const char*>&slots[0] if count else NULL
        cdef uint64_t done
        cdef const Slot* event
        if slots.shape[0] % self.slot_bytes:
            raise WrongUse(f"slots of {self.app.name} have {self.slot_bytes} bytes; {slots.shape[0]} bytes are no whole number of them")
        self.outputs.bytes = 0
        with nogil:
            done = self.apply(first, count)
        if done < count:
            event = slot_at(first, done, self.slot_bytes)
            if self.handlers[event.type] == NULL:
                raise WrongUse(f"slot {done} has type {event.type}, which is no event of {self.app.name}")
            raise Halted(f"the handler of event {event.sequence} (slot {done}, type {event.type}) failed: memory is short")
        return self.outputs.bytes

    def frames(self):
        """The reply frames of the last run, as bytes (a copy)."""
        return PyBytes_FromStringAndSize(self.outputs.memory, self.outputs.bytes)

    cdef uint64_t apply(self, const char* first, uint64_t count) noexcept nogil:
        """Returns how many slots were applied: fewer than `count` when a handler is missing or failed."""
        cdef void* state = self.state_pointer
        cdef Context context
        cdef Outputs* outputs = &self.outputs
        cdef uint64_t at
        cdef const Slot* event
        cdef native_handler handler
        context.core = outputs
        context.emit = put_output
        context.reject = put_reject
        for at in range(count):
            event = slot_at(first, at, self.slot_bytes)
            handler = self.handlers[event.type]
            if handler == NULL:
                return at
            context.event = event
            context.now = event.timestamp
            outputs.index = 0
            outputs.rejected = False
            if handler(state, &context, event) < 0:
                return at
            if outputs.index == 0 and put(&context, REPLY_DONE, NULL, 0) != 0:
                return at
            (<Reply*>(outputs.memory + outputs.last)).flags = REPLY_LAST
        return count
