"""Runs of equal events and NumPy handlers (see runs.pxd).

The array that a handler gets lies over the slots themselves: it is read-only, and dead when the handler has returned. A handler
that keeps it, or a view of it, is found out by the reference that is left, always; in strict mode the array lies over a copy that is
overwritten afterwards, so that bytes that were smuggled out are seen to be wrong.
"""

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

import gc

import numpy as np

from processor.layout cimport REPLY_REJECTED, Slot
from processor.logic.emitter cimport Emitter, emitter_frame

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object)

cdef enum:
    NOTHING = 0
    EMITTED = 1
    REJECTED = 2
    REASON_BYTES_MAX = 4096
    POISON = 0xDB

KEPT = ("{} has kept the events of its run, or a view of them: they lie in memory that is used again. Copy what it needs, for "
        "example events[\"amount\"].copy()")


cdef int call_with_run(handler, state, RunContext context, dtype, const char* first, uint64_t count, uint32_t slot_bytes,
                       bint strict) except -1:
    cdef size_t size = count * slot_bytes
    cdef bytearray copy = None
    cdef object events
    cdef uint8_t[::1] poisoned
    if strict:
        copy = bytearray(first[:size])
        events = np.frombuffer(memoryview(copy).toreadonly(), dtype)
    else:
        events = np.frombuffer(PyMemoryView_FromMemory(<char*>first, size, PyBUF_READ), dtype)
    context.begin(count)
    try:
        handler(state, events, context)
    finally:
        context.live = False
        if strict:
            poisoned = copy
            memset(&poisoned[0], POISON, size)
    if Py_REFCNT(events) > 1:
        gc.collect()              # a cycle that holds it (a traceback's frames) is no crime
        if Py_REFCNT(events) > 1:
            raise RuntimeError(KEPT.format(getattr(handler, "__name__", repr(handler))))
    return 0


cdef object filled(message, values, uint64_t count):
    """The payloads of an output type, from a structured array or a mapping of columns; every number is checked."""
    made = np.zeros(count, message.dtype)
    for name, kind in message.fields.items():
        try:
            column = np.asarray(values[name])
        except (KeyError, ValueError, IndexError, TypeError):
            raise TypeError(f"{message.name} takes a structured array or a mapping with the fields {', '.join(message.fields)}; "
                            f"{name} is not there") from None
        where = f"{message.name}.{name}"
        if column.ndim and column.shape != (count,):
            raise ValueError(f"{where} has the shape {column.shape}; {count} outputs are said, so it must be ({count},) or one value")
        if kind.bounds is not None:
            if column.dtype.kind not in "iub":
                raise TypeError(f"{where} is {kind.code}: integers are needed, not {column.dtype}")
            if not np.can_cast(column.dtype, kind.dtype) and column.size:
                least, most = kind.bounds
                if int(column.min()) < least or int(column.max()) > most:
                    wrong = column.min() if int(column.min()) < least else column.max()
                    raise OverflowError(f"{where} is {kind.code}: {wrong} does not fit")
        elif kind.dtype.kind == "f":
            if column.dtype.kind not in "iubf":
                raise TypeError(f"{where} is {kind.code}: numbers are needed, not {column.dtype}")
        else:
            column = fitting_bytes(column, kind, where)
        made[name] = column
    return made


cdef object fitting_bytes(column, kind, where):
    if column.dtype.kind == "U":
        column = np.char.encode(column, "utf-8")
    if column.dtype.kind not in "SV":
        raise TypeError(f"{where} is {kind.code}: text or bytes are needed, not {column.dtype}")
    size = kind.dtype.itemsize
    longest = column.dtype.itemsize
    if column.dtype.kind == "S" and longest > size:
        longest = int(np.char.str_len(column).max(initial=0))
    if longest > size:
        raise OverflowError(f"{where} is {kind.code}: {longest} bytes do not fit")
    if kind.text and column.dtype.kind == "S":
        width = column.dtype.itemsize
        if width and column.size:
            rows = np.ascontiguousarray(column).reshape(-1).view(np.uint8).reshape(-1, width)
            ended = np.maximum.accumulate(rows[:, ::-1] != 0, axis=1)[:, ::-1]
            if (ended & (rows == 0)).any():
                raise ValueError(f"{where}: a zero byte cannot be part of a text field")
    # Through S, which pads with zero bytes; a V of another length has none that could be padded.
    return column.astype(f"S{size}").view(kind.dtype) if column.dtype.kind == "S" else column.astype(kind.dtype)


cdef class RunContext:
    """What a NumPy handler answers through: `emit` and `reject`, for many events of its run at once. Usable only inside the handler."""

    def __init__(self, app):
        self.messages = app.output_classes()
        self.kept = []

    def __dealloc__(self):
        free(self.said)

    def emit(self, output, values, which=None):
        """Says an output of the class `output` for each event of the run, or for those that `which` names.

        `values`: a structured array or a mapping with the output's fields, each an array of as many values as outputs are said, or
        one value for all. `which`: None (one output an event, in order), a mask (bool, an item an event), or indices of events within
        the run; an event may be named more than once, and its outputs then keep their order. Nothing of `values` is kept.

        Raises TypeError for a class that is no output or fields that do not fit, OverflowError for a number that does not fit its field,
        RuntimeError for an event that was rejected.
        """
        cdef uint64_t k, count
        cdef const int64_t[::1] events
        self.check()
        message = self.messages.get(output)
        if message is None:
            raise TypeError(f"{getattr(output, '__name__', output)!r} is not declared with @app.output")
        named = self.which(which)
        count = self.count if named is None else len(named)
        made = filled(message, values, count)
        if named is not None:
            order = rising(named, self.count)
            if order is not None:
                # As bytes: indexing records may leave what is in their holes undefined.
                named = named[order]
                made = made.view(np.uint8).reshape(count, -1)[order] if message.length else made
            events = named
        for k in range(count):
            if self.answers[k if named is None else events[k]] == REJECTED:
                raise RuntimeError("an event was rejected already: reject says all there is to say")
        for k in range(count):
            self.answers[k if named is None else events[k]] = EMITTED
        self.put(made, named, message.number, message.length, message.length)

    def reject(self, which, str reason not None):
        """Refuses events (`which` as for emit; None: all of the run): the reason is their only output.

        Nothing may have been emitted for them, and nothing changed. Raises RuntimeError when something was emitted.
        """
        cdef bytes text = reason.encode()[:REASON_BYTES_MAX]
        cdef uint64_t k
        cdef const int64_t[::1] events
        self.check()
        named = self.which(which)
        if named is None:
            named = np.arange(self.count, dtype=np.int64)
        named = np.unique(named)
        events = named
        for k in range(<uint64_t>len(named)):
            if self.answers[events[k]] != NOTHING:
                raise RuntimeError("reject comes instead of outputs, and once: check first, then change and emit")
        for k in range(<uint64_t>len(named)):
            self.answers[events[k]] = REJECTED
        self.put(text, named, REPLY_REJECTED, <uint16_t>len(text), 0)

    def check(self):
        """Raises RuntimeError outside of the handler."""
        if not self.live:
            raise RuntimeError("this context is over: a handler answers before it returns")

    cdef int begin(self, uint64_t count) except -1:
        self.end()
        self.count = count
        self.answers = np.zeros(count, np.uint8)
        self.live = True
        return 0

    cdef void end(self):
        self.said_count = 0
        self.kept.clear()

    cdef object which(self, given):
        """None, or the indices as int64."""
        if given is None:
            return None
        named = np.asarray(given)
        if named.dtype == np.bool_:
            if named.shape != (self.count,):
                raise ValueError(f"a mask has an item for each of the {self.count} events, not the shape {named.shape}")
            return np.flatnonzero(named)
        if named.size == 0:
            return np.zeros(0, np.int64)
        if named.ndim != 1 or named.dtype.kind not in "iu":
            raise TypeError(f"events are named by a mask or by indices, not by an array of {named.dtype}, shape {named.shape}")
        if int(named.min()) < 0 or int(named.max()) >= <int64_t>self.count:
            raise IndexError(f"the run has {self.count} events, from index 0: {named.min()} to {named.max()} were named")
        return np.ascontiguousarray(named, np.int64)

    cdef object put(self, payloads, events, uint16_t type, uint16_t length, uint32_t step):
        cdef Said* said
        cdef const int64_t[::1] indices
        cdef uint32_t capacity
        if self.said_count == self.said_capacity:
            capacity = 2 * self.said_capacity if self.said_capacity else 8
            said = <Said*>realloc(self.said, capacity * sizeof(Said))
            if said == NULL:
                raise MemoryError("the outputs of a run")
            self.said = said
            self.said_capacity = capacity
        said = &self.said[self.said_count]
        memset(said, 0, sizeof(Said))
        said.type = type
        said.length = length
        said.step = step
        if isinstance(payloads, bytes):
            said.payloads = <const char*><bytes>payloads
        else:
            said.payloads = <const char*><uintptr_t>payloads.__array_interface__["data"][0]
        if events is None:
            said.count = self.count
        else:
            indices = events
            said.count = len(events)
            if said.count:
                said.events = &indices[0]
        self.kept.append((payloads, events))
        self.said_count += 1

    cdef int frame(self, uint64_t k, const Slot* event, Emitter* emitter) noexcept nogil:
        cdef uint32_t j
        cdef Said* said
        cdef char* room
        for j in range(self.said_count):
            said = &self.said[j]
            while said.next < said.count and (said.next if said.events == NULL else <uint64_t>said.events[said.next]) == k:
                room = emitter_frame(emitter, event, said.type, said.length)
                if room == NULL:
                    return -1
                memcpy(room, said.payloads + said.next * said.step, said.length)
                said.next += 1
        return self.answers[k] == REJECTED


cdef object rising(named, uint64_t count):
    """None when the indices never fall; else the order, events with the same index as they were, in which they do not.

    By counting: a handler that has sorted its events by account names them all over the place.
    """
    cdef const int64_t[::1] given = named
    cdef int64_t[::1] place
    cdef int64_t[::1] order
    cdef int64_t k, at, here
    cdef Py_ssize_t many = given.shape[0]
    for k in range(1, many):
        if given[k] < given[k - 1]:
            break
    else:
        return None
    made = np.empty(many, np.int64)
    order = made
    place = np.zeros(count, np.int64)
    for k in range(many):
        place[given[k]] += 1
    at = 0
    for k in range(<int64_t>count):
        here = place[k]
        place[k] = at
        at += here
    for k in range(many):
        order[place[given[k]]] = k
        place[given[k]] += 1
    return made
