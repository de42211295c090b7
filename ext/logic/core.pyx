"""The business logic processor (see core.pxd)."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from processor.counters cimport COUNT_APPLIED, COUNT_OUTPUTS, COUNT_REJECTED, COUNT_REPEATED, Counters
from processor.layout cimport (
    CONTROL_FIRST, CONTROL_READ_MARKER, CONTROL_SESSION_EVICT, CONTROL_SESSION_OPEN, CONTROL_SNAPSHOT, CONTROL_STATE_HASH, REPLY_BUSY, REPLY_DONE,
    REPLY_EVICTED, REPLY_GAP, REPLY_HEADER_BYTES, REPLY_LAST, REPLY_OUTPUTS_GONE, REPLY_REPEATED, REPLY_TOO_OLD, REPLY_WELCOME,
    SLOT_HEADER_BYTES, Reply, SessionEvict, SessionOpen, Slot, Welcome, padded8, payload_of, slot_at,
)
from processor.logic.emitter cimport (
    emitter_clear, emitter_close, emitter_emit, emitter_frame, emitter_reject,
)
from processor.logic.native cimport NativeHandler, NativeState
from processor.logic.runs cimport RunContext, call_with_run
from processor.logic.sessions cimport (
    VERDICT_APPLY, VERDICT_GAP, VERDICT_GONE, VERDICT_REPEAT, VERDICT_TOO_OLD, Sessions,
)
from processor.logic.tables cimport Tables, native_state
from processor.logic.views cimport EventView, HandlerContext
from processor.outputs.inbox cimport INBOXES_MAX, Inbox, inbox_answer_open, inbox_flush, inbox_put
from processor.outputs.queue cimport BIND, TO_CONNECTION, TO_SESSION, OutputQueue
from processor.outputs.tap cimport OutputTap
from processor.ring.sequence cimport (
    load_acquire, store_release, waiter_cancel, waiter_idle, waiter_prepare, waiter_sleep, waiter_wake,
)

cdef extern from "Python.h" nogil:
    ctypedef struct PyThreadState:
        pass
    int PyGILState_Check()
    PyThreadState* PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState*)

from processor.app import CompiledHandler, RunHandler
from processor.errors import WrongUse
from processor.layout import CONTROL_NAMES
from processor.logic.views import view_class

cdef enum:
    EVICTION_SPARE = 1            # sessions that are kept free for those who want to open one


cdef class Core:
    """The state, the session table, and `apply`.

    Made of an application and its session table; `state` is a fresh one unless given. Without outputs (recovery, queries) nobody is
    answered. `strict`: NumPy handlers get copies of their runs, which are overwritten when they have returned. One thread at a time
    calls anything here.
    """

    def __cinit__(self):
        self.table = <Dispatch*>calloc(65536, sizeof(Dispatch))
        if self.table == NULL:
            raise MemoryError("the dispatch table")

    def __init__(self, app, Sessions sessions not None, *, state=None, Counters counters=None, bint strict=False):
        cdef NativeHandler native
        app.check()
        self.app = app
        self.sessions = sessions
        self.state = app.state_type() if state is None else state
        self.counters = counters if counters is not None else Counters()
        self.counts = self.counters.values
        self.slot_bytes = app.schema.slot_bytes
        self.strict = strict
        self.run_events_max = <uint64_t>-1
        self.handlers = [None] * 65536
        for message in app.schema.events.values():
            handler = app.handlers[message.number]
            self.table[message.number].length = message.length
            if isinstance(handler, CompiledHandler):
                handler = handler.native(self.state)
            if isinstance(handler, NativeHandler):
                if self.pointer == NULL:
                    if not isinstance(self.state, NativeState):
                        self.tables = Tables(self.state)
                    self.pointer = native_state(self.state, self.tables)
                native = handler
                self.table[message.number].tier = TIER_NATIVE
                self.table[message.number].function = native.function
                self.handlers[message.number] = (native,)          # whose code it is: kept while it may be called
            elif isinstance(handler, RunHandler):
                self.table[message.number].tier = TIER_RUN
                self.handlers[message.number] = (handler.function, app.schema.run_dtype(message))
            else:
                self.table[message.number].tier = TIER_PYTHON
                self.handlers[message.number] = (handler, view_class(message)())
        self.run_face = RunContext(app)
        self.face = HandlerContext(app)
        self.context.core = &self.emitter
        self.context.emit = emitter_emit
        self.context.reject = emitter_reject
        self.trouble = ""
        self.inbox_owners = []

    def __dealloc__(self):
        free(self.table)
        free(self.emitter.frames)
        free(self.welcome)

    def restore(self, uint64_t sequence, int64_t timestamp):
        """Says that the state given is the one after `sequence`, whose event has this timestamp."""
        self.sequence = sequence
        self.timestamp = timestamp
        store_release(&self.counts[COUNT_APPLIED], sequence)

    def answer_through(self, OutputQueue outputs not None, control, uint64_t journal_id):
        """From now on replies go to this queue, and evictions to the control queue."""
        cdef bytes text = self.app.schema.text.encode()
        cdef Reply* reply
        cdef Welcome* welcome
        cdef uint32_t length = sizeof(Welcome) + len(text)
        if length > 65535:
            raise WrongUse(f"{self.app.name}: the schema has {len(text)} bytes as JSON, a welcome holds {65535 - sizeof(Welcome)}")
        free(self.welcome)
        self.welcome_bytes = REPLY_HEADER_BYTES + padded8(length)
        self.welcome = <char*>calloc(1, self.welcome_bytes)
        if self.welcome == NULL:
            raise MemoryError("the welcome")
        reply = <Reply*>self.welcome
        reply.type = REPLY_WELCOME
        reply.flags = REPLY_LAST
        reply.length = <uint16_t>length
        welcome = <Welcome*>(self.welcome + REPLY_HEADER_BYTES)
        welcome.fingerprint = self.app.schema.fingerprint
        welcome.journal_id = journal_id
        welcome.window = self.sessions.window
        welcome.slot_bytes = self.slot_bytes
        welcome.schema_bytes = len(text)
        memcpy(self.welcome + REPLY_HEADER_BYTES + sizeof(Welcome), <const char*>text, len(text))
        self.outputs = outputs
        self.control = control

    def listen(self, OutputTap tap):
        """From now on the frames of every event that is applied go to this tap as well; None: to none."""
        self.tap = tap

    def abort(self):
        """Makes a thread that waits for room among the outputs give up."""
        store_release(&self.aborting, 1)
        if self.waiter != NULL:
            waiter_wake(self.waiter)

    def apply_slots(self, const uint8_t[::1] slots not None):
        """Applies whole slots given as bytes, as one block; returns how many it passed (for tests and tools)."""
        cdef uint64_t count = slots.shape[0] // self.slot_bytes
        cdef uint64_t done
        if slots.shape[0] % self.slot_bytes:
            raise WrongUse(f"slots of this application have {self.slot_bytes} bytes; {slots.shape[0]} is no multiple of that")
        self.stop = STOP_NONE
        if count == 0:
            return 0
        with nogil:
            done = self.apply(<const char*>&slots[0], count)
        return done

    cdef uint64_t apply(self, const char* first, uint64_t count) noexcept nogil:
        cdef uint64_t i = 0
        cdef uint64_t passed
        cdef const Slot* slot
        cdef Dispatch* dispatch
        cdef int result
        self.stop = STOP_NONE
        while i < count:
            slot = slot_at(first, i, self.slot_bytes)
            if slot.sequence != self.sequence + 1:
                self.failed("the journal's order is broken", slot)
                return i
            if slot.type >= CONTROL_FIRST:
                if self.on_control(slot) < 0:
                    return i
                self.sequence = slot.sequence
                self.timestamp = slot.timestamp
                i += 1
                if self.stop != STOP_NONE:
                    break
                continue
            dispatch = &self.table[slot.type]
            if dispatch.tier == TIER_PYTHON or dispatch.tier == TIER_RUN:
                if dispatch.tier == TIER_PYTHON:
                    passed = self.apply_python(<const char*>slot, count - i)
                else:
                    passed = self.apply_run(<const char*>slot, count - i)
                i += passed
                if self.stop != STOP_NONE:
                    break
                continue
            result = self.begin(slot)
            if result > 0:
                if dispatch.tier == TIER_NONE or dispatch.length != slot.length:
                    self.failed("no handler fits the event", slot)
                    return i
                result = dispatch.function(self.pointer, &self.context, slot)
                if result < 0:
                    self.raised(slot, 1, result)
                    return i
                result = self.finish(slot)
            if result < 0:
                return i
            self.sequence = slot.sequence
            self.timestamp = slot.timestamp
            i += 1
        store_release(&self.counts[COUNT_APPLIED], self.sequence)
        return i

    cdef uint64_t apply_python(self, const char* first, uint64_t count) noexcept with gil:
        """As many slots of the Python tier as follow each other, with the GIL taken once."""
        cdef uint64_t done = 0
        try:
            self.call_python(first, count, &done)
        except BaseException as error:
            self.error = error
            self.raised(slot_at(first, done, self.slot_bytes), 1, 0)
        self.face.context = NULL
        if self.tables is not None and self.stop == STOP_NONE:
            try:
                self.tables.refresh()
            except BaseException as error:
                self.error = error
                self.failed(f"a handler has spoilt the state: {error}".encode(), slot_at(first, done - 1, self.slot_bytes))
        return done

    cdef int call_python(self, const char* first, uint64_t count, uint64_t* done) except -1:
        """`done` counts the slots that were passed; a handler's exception leaves it at the event that raised."""
        cdef const Slot* slot
        cdef EventView view = None
        cdef Dispatch* dispatch
        cdef int result
        cdef int type = -1
        cdef tuple entry
        cdef object handler = None
        cdef object state = self.state
        cdef HandlerContext face = self.face
        face.context = &self.context
        while done[0] < count:
            slot = slot_at(first, done[0], self.slot_bytes)
            dispatch = &self.table[slot.type]
            if slot.type >= CONTROL_FIRST or dispatch.tier != TIER_PYTHON:
                break
            if slot.sequence != self.sequence + 1 or dispatch.length != slot.length:
                self.failed("the event does not fit its place or its type", slot)
                return 0
            result = self.begin(slot)
            if result > 0:
                if slot.type != type:
                    type = slot.type
                    entry = <tuple>(<list>self.handlers)[type]
                    handler = entry[0]
                    view = <EventView>entry[1]
                view.slot = slot
                # One try around the loop and one flyweight: what ends an event is done below, or when it has raised.
                try:
                    handler(state, view, face)
                finally:
                    view.slot = NULL
                result = self.finish(slot)
            if result < 0:
                return 0
            self.sequence = slot.sequence
            self.timestamp = slot.timestamp
            done[0] += 1
        return 0

    cdef uint64_t apply_run(self, const char* first, uint64_t count) noexcept nogil:
        """The longest run of events that are to be applied, in one call of their handler; or one event that is not to be applied."""
        cdef const Slot* slot = <const Slot*>first
        cdef uint64_t run, k
        cdef int result
        if self.table[slot.type].length != slot.length:
            self.failed("no handler fits the event", slot)
            return 0
        run = self.plan_run(first, count)
        if run == 0:
            # The first one is answered from the session table: nothing in it has changed.
            if self.begin(slot) < 0:
                return 0
            self.sequence = slot.sequence
            self.timestamp = slot.timestamp
            return 1
        if self.call_run(first, run) < 0:
            return 0
        for k in range(run):
            slot = slot_at(first, k, self.slot_bytes)
            if self.start(slot) < 0:
                return k
            result = self.run_face.frame(k, slot, &self.emitter)
            if result < 0:
                self.failed("memory is short for an output, or an event has more than 65535", slot)
                return k
            self.emitter.rejected = <uint16_t>result
            if self.finish(slot) < 0:
                return k
            self.sequence = slot.sequence
            self.timestamp = slot.timestamp
        return run

    cdef uint64_t plan_run(self, const char* first, uint64_t count) noexcept nogil:
        """How many events from the first on are of its type and to be applied, one behind the other."""
        cdef const Slot* slot = <const Slot*>first
        cdef uint16_t type = slot.type
        cdef uint64_t k = 0
        if count > self.run_events_max:
            count = self.run_events_max
        while (k < count and slot.type == type and slot.length == self.table[type].length
                and slot.sequence == self.sequence + 1 + k and self.sessions.plan(slot.session, slot.request, self.sequence + 1)):
            k += 1
            slot = slot_at(first, k, self.slot_bytes)
        return k

    cdef int call_run(self, const char* first, uint64_t count) noexcept with gil:
        """0: the handler has returned, and what it said waits in run_face. -1: it raised."""
        cdef tuple entry = <tuple>(<list>self.handlers)[(<const Slot*>first).type]
        try:
            call_with_run(entry[0], self.state, self.run_face, entry[1], first, count, self.slot_bytes, self.strict)
            if self.tables is not None:
                self.tables.refresh()
        except BaseException as error:
            self.error = error
            self.raised(<const Slot*>first, count, 0)
            return -1
        return 0

    cdef int begin(self, const Slot* slot) noexcept nogil:
        """1: call the handler, then finish. 0: answered without it. -1: stopped."""
        cdef int verdict = self.sessions.verdict(slot.session, slot.request)
        if verdict != VERDICT_APPLY:
            return self.answer(verdict, slot)
        return self.start(slot)

    cdef int start(self, const Slot* slot) noexcept nogil:
        """1, or -1: stopped. The event is the session's next."""
        if self.sessions.begin(slot.session, slot.request, slot.sequence) < 0:
            self.failed("memory is short for the session table", slot)
            return -1
        emitter_clear(&self.emitter)
        self.context.event = slot
        self.context.now = slot.timestamp
        return 1

    cdef int finish(self, const Slot* slot) noexcept nogil:
        cdef char* frames
        cdef Reply* reply
        cdef uint32_t at = 0
        cdef uint32_t size
        if self.emitter.index == 0 and emitter_frame(&self.emitter, slot, REPLY_DONE, 0) == NULL:
            self.failed("memory is short for an output", slot)
            return -1
        emitter_close(&self.emitter)
        frames = self.emitter.frames
        while at < self.emitter.used:
            reply = <Reply*>(frames + at)
            size = REPLY_HEADER_BYTES + padded8(reply.length)
            if self.sessions.append(frames + at, size) < 0:
                self.failed("memory is short for the session table", slot)
                return -1
            at += size
        self.sessions.finish()
        store_release(&self.counts[COUNT_OUTPUTS], self.counts[COUNT_OUTPUTS] + self.emitter.index)
        if self.emitter.rejected:
            store_release(&self.counts[COUNT_REJECTED], self.counts[COUNT_REJECTED] + 1)
        if self.tap is not None and self.tap.add(frames, self.emitter.used) < 0:
            self.failed("memory is short for the outputs of a replay", slot)
            return -1
        if self.outputs is not None:
            return self.send(TO_SESSION, slot.session, frames, self.emitter.used)
        return 0

    cdef int answer(self, int verdict, const Slot* slot) noexcept nogil:
        """What a request that is not applied gets: its stored outputs again, or a word why not. Changes nothing."""
        cdef const char* frames
        cdef char* copy
        cdef uint64_t size
        cdef uint64_t last
        cdef uint64_t at = 0
        cdef Reply* reply
        if self.outputs is None:
            return 0
        store_release(&self.counts[COUNT_REPEATED], self.counts[COUNT_REPEATED] + 1)
        if verdict == VERDICT_REPEAT:
            if self.sessions.stored(slot.session, slot.request, &frames, &size) < 0:
                return self.status(slot, REPLY_OUTPUTS_GONE, TO_SESSION, slot.session, NULL, 0)
            while at < size:
                # One frame a parcel: a request may have stored more than the queue takes at once, and each is marked as repeated.
                reply = <Reply*>(frames + at)
                emitter_clear(&self.emitter)
                self.context.event = slot
                copy = emitter_frame(&self.emitter, slot, reply.type, reply.length)
                if copy == NULL:
                    self.failed("memory is short for an output", slot)
                    return -1
                memcpy(self.emitter.frames, reply, self.emitter.used)
                (<Reply*>self.emitter.frames).flags |= REPLY_REPEATED
                if self.send(TO_SESSION, slot.session, self.emitter.frames, self.emitter.used) < 0:
                    return -1
                at += self.emitter.used
            return 0
        if verdict == VERDICT_GONE:
            return self.status(slot, REPLY_OUTPUTS_GONE, TO_SESSION, slot.session, NULL, 0)
        if verdict == VERDICT_TOO_OLD:
            return self.status(slot, REPLY_TOO_OLD, TO_SESSION, slot.session, NULL, 0)
        if verdict == VERDICT_GAP:
            last = self.sessions.last_request(slot.session)
            return self.status(slot, REPLY_GAP, TO_SESSION, slot.session, &last, 8)
        return self.status(slot, REPLY_EVICTED, TO_SESSION, slot.session, NULL, 0)

    cdef int status(self, const Slot* slot, uint16_t type, uint32_t kind, uint64_t target, const void* payload,
                    uint16_t length) noexcept nogil:
        cdef char* room
        emitter_clear(&self.emitter)
        room = emitter_frame(&self.emitter, slot, type, length)
        if room == NULL:
            self.failed("memory is short for an answer", slot)
            return -1
        if length:
            memcpy(room, payload, length)
        emitter_close(&self.emitter)
        return self.send(kind, target, self.emitter.frames, self.emitter.used)

    cdef int send(self, uint32_t kind, uint64_t target, const char* frames, uint32_t size) noexcept nogil:
        """Puts frames into the output queue, in parcels of whole frames that fit, waiting for room. -1: aborted."""
        cdef uint32_t most = <uint32_t>(self.outputs.capacity // 4)
        cdef uint32_t part = 0
        cdef uint32_t step
        cdef Inbox* inbox
        if load_acquire(&self.inbox_count):
            inbox = self.inbox_of(<uint32_t>target) if kind == TO_SESSION else self.inbox_at(target)
            if inbox != NULL:
                if not inbox.dirty:
                    inbox.dirty = True
                    inbox.next_dirty = self.dirty
                    self.dirty = inbox
                if kind == TO_SESSION:
                    inbox_put(inbox, frames, size, self.emitter.index)
                else:
                    inbox_answer_open(inbox, <const Reply*>frames)
                return 0
        if size > most and kind == TO_SESSION:
            while size > most:
                part = 0
                while part < size:
                    step = REPLY_HEADER_BYTES + padded8((<const Reply*>(frames + part)).length)
                    if part and part + step > most:
                        break
                    part += step
                if self.send_part(kind, target, frames, part) < 0:
                    return -1
                frames += part
                size -= part
            if size == 0:
                return 0
        return self.send_part(kind, target, frames, size)

    cdef int send_part(self, uint32_t kind, uint64_t target, const char* frames, uint32_t size) noexcept nogil:
        cdef char* room = self.outputs.reserve(kind, target, size)
        cdef PyThreadState* thread
        if room == NULL:
            # A Python handler's outputs come here with the GIL; others need it while this thread waits, to stop it for one.
            thread = PyEval_SaveThread() if PyGILState_Check() else NULL
            room = self.wait_for_room(kind, target, size)
            if thread != NULL:
                PyEval_RestoreThread(thread)
            if room == NULL:
                return -1
        memcpy(room, frames, size)
        self.outputs.commit(size)
        return 0

    cdef char* wait_for_room(self, uint32_t kind, uint64_t target, uint32_t size) noexcept nogil:
        """Room among the outputs; NULL when told to abort."""
        cdef char* room = NULL
        while room == NULL:
            self.outputs.flush()
            if self.waiter != NULL and waiter_idle(self.waiter):
                waiter_prepare(self.waiter)
                room = self.outputs.reserve(kind, target, size)
                if room == NULL and not load_acquire(&self.aborting):
                    waiter_sleep(self.waiter, -1, 100)
                else:
                    waiter_cancel(self.waiter)
            if room == NULL:
                room = self.outputs.reserve(kind, target, size)
            if room == NULL and load_acquire(&self.aborting):
                self.stop = STOP_ABORTED
                return NULL
        return room

    cdef uint64_t add_inbox(self, Inbox* inbox, owner) except 0:
        cdef uint64_t number = self.inbox_count
        if number == INBOXES_MAX:
            raise WrongUse(f"{INBOXES_MAX} sessions were opened within this process: use one for longer, threads can share it")
        self.inbox_owners.append(owner)
        self.inboxes[number] = inbox
        store_release(&self.inbox_count, number + 1)
        return (<uint64_t>1 << LOCAL_CONNECTION_BIT) | number

    cdef Inbox* inbox_at(self, uint64_t connection) noexcept nogil:
        """NULL: a connection of the gateway's, or one of a process that is gone."""
        cdef uint64_t number = connection & ~(<uint64_t>1 << LOCAL_CONNECTION_BIT)
        if not connection >> LOCAL_CONNECTION_BIT or number >= load_acquire(&self.inbox_count):
            return NULL
        return self.inboxes[number]

    cdef Inbox* inbox_of(self, uint32_t session) noexcept nogil:
        cdef uint32_t k
        if session == self.inbox_session:
            return self.inbox_found
        k = (session * <uint32_t>2654435769 >> 16) % INBOX_PLACES
        while self.inbox_places[k] != NULL and self.inbox_places[k].session != session:
            k = (k + 1) % INBOX_PLACES
        self.inbox_session = session
        self.inbox_found = self.inbox_places[k]
        return self.inbox_found

    cdef void bind_inbox(self, Inbox* inbox, uint32_t session) noexcept nogil:
        cdef uint32_t k = (session * <uint32_t>2654435769 >> 16) % INBOX_PLACES
        while self.inbox_places[k] != NULL:
            k = (k + 1) % INBOX_PLACES
        inbox.session = session
        self.inbox_places[k] = inbox
        self.inbox_session = 0

    cdef void flush(self) noexcept nogil:
        cdef Inbox* inbox = self.dirty
        self.outputs.flush()
        self.dirty = NULL
        while inbox != NULL:
            inbox.dirty = False
            inbox_flush(inbox)
            inbox = inbox.next_dirty

    cdef int on_control(self, const Slot* slot) noexcept nogil:
        cdef SessionEvict* evict
        if slot.type == CONTROL_SESSION_OPEN:
            return self.open_session(slot)
        if slot.type == CONTROL_SESSION_EVICT:
            evict = <SessionEvict*>payload_of(slot)
            if self.sessions.evict(evict.session, evict.last_sequence) and self.outputs is not None:
                return self.status(slot, REPLY_EVICTED, TO_SESSION, evict.session, NULL, 0)
            return 0
        if slot.type == CONTROL_SNAPSHOT:
            self.stop = STOP_SNAPSHOT
        elif slot.type == CONTROL_STATE_HASH:
            self.stop = STOP_HASH
        elif slot.type == CONTROL_READ_MARKER and self.outputs is not None:
            self.stop = STOP_READ
        return 0

    cdef int open_session(self, const Slot* slot) noexcept nogil:
        cdef SessionOpen* asked = <SessionOpen*>payload_of(slot)
        cdef Welcome* welcome
        cdef Reply* reply
        cdef uint64_t last = 0
        cdef int64_t session = self.sessions.open(asked.token, asked.session, slot.sequence, &last)
        if session == -2:
            self.failed("memory is short for the session table", slot)
            return -1
        if self.outputs is None:
            return 0
        if self.control is not None:
            self.evict_longest_idle()
        if session == 0:
            return self.status(slot, REPLY_BUSY, TO_CONNECTION, asked.connection, NULL, 0)
        if session < 0:
            return self.status(slot, REPLY_EVICTED, TO_CONNECTION, asked.connection, NULL, 0)
        if self.inbox_at(asked.connection) != NULL:
            self.bind_inbox(self.inbox_at(asked.connection), <uint32_t>session)
        elif self.send_part(BIND, <uint64_t>session, <const char*>&asked.connection, 8) < 0:
            return -1
        reply = <Reply*>self.welcome
        reply.sequence = slot.sequence
        reply.timestamp = slot.timestamp
        welcome = <Welcome*>(self.welcome + REPLY_HEADER_BYTES)
        welcome.session = <uint32_t>session
        welcome.last_request = last
        return self.send(TO_CONNECTION, asked.connection, self.welcome, self.welcome_bytes)

    cdef void evict_longest_idle(self) noexcept nogil:
        """Asks for the eviction of the longest idle session when the table is nearly full; an event does it."""
        cdef SessionEvict evict
        cdef uint64_t last = 0
        cdef uint32_t session = self.sessions.to_evict(EVICTION_SPARE, &last)
        if session:
            memset(&evict, 0, sizeof(evict))
            evict.session = session
            evict.last_sequence = last
            with gil:
                self.control.put(CONTROL_SESSION_EVICT, (<const char*>&evict)[:sizeof(evict)])

    cdef void raised(self, const Slot* slot, uint64_t count, int code) noexcept with gil:
        """`count` events from `slot` on were in the handler's hand. What it has changed stays changed: the state is of no use any more."""
        message = self.app.schema.events[slot.type]
        why = f"{type(self.error).__name__}: {self.error}" if self.error is not None else f"native handler returned {code}"
        self.raised_events = count
        if count == 1:
            fields = message.unpack(payload_of(slot)[:message.length])
            shown = ", ".join(f"{key}={value!r}" for key, value in fields.items())
            self.trouble = (f"the handler of {message.name} raised at sequence {slot.sequence} (session {slot.session}, "
                            f"request {slot.request}, {message.name}({shown})): {why}")
        else:
            self.trouble = (f"the handler of {message.name} raised in the run of sequences {slot.sequence} to "
                            f"{slot.sequence + count - 1}: {why}")
        self.stop = STOP_RAISED

    cdef void failed(self, const char* what, const Slot* slot) noexcept with gil:
        name = CONTROL_NAMES.get(slot.type) or str(slot.type)
        self.trouble = (f"{what.decode()}: found sequence {slot.sequence} (type {name}, length {slot.length}) "
                        f"behind sequence {self.sequence}")
        self.stop = STOP_FAILED
