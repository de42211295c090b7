"""Views of events and packers of outputs (see views.pxd).

A view's fields are read straight from the slot; text comes as str (a bad UTF-8 sequence is replaced), raw as bytes.
"""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from processor.layout cimport Slot, payload_of
from processor.logic.emitter cimport Emitter
from processor.logic.native cimport Context

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char*, size_t)

cdef enum Code:
    CODE_U8, CODE_U16, CODE_U32, CODE_U64, CODE_I8, CODE_I16, CODE_I32, CODE_I64, CODE_F64, CODE_TEXT, CODE_RAW

CODES = {"u8": CODE_U8, "u16": CODE_U16, "u32": CODE_U32, "u64": CODE_U64, "i8": CODE_I8, "i16": CODE_I16,
         "i32": CODE_I32, "i64": CODE_I64, "f64": CODE_F64, "text": CODE_TEXT, "raw": CODE_RAW}


def code_of(kind):
    """The number of a FieldType's code."""
    return CODES[kind.code.partition("[")[0]]


cdef object read_field(const char* at, int code, int size):
    cdef uint64_t u64
    cdef int64_t i64
    cdef double f64
    if code == CODE_U8:
        return (<uint8_t*>at)[0]
    if code == CODE_U16:
        return (<uint16_t*>at)[0]
    if code == CODE_U32:
        return (<uint32_t*>at)[0]
    if code == CODE_U64:
        memcpy(&u64, at, 8)
        return u64
    if code == CODE_I8:
        return (<int8_t*>at)[0]
    if code == CODE_I16:
        return (<int16_t*>at)[0]
    if code == CODE_I32:
        return (<int32_t*>at)[0]
    if code == CODE_I64:
        memcpy(&i64, at, 8)
        return i64
    if code == CODE_F64:
        memcpy(&f64, at, 8)
        return f64
    if code == CODE_TEXT:
        return at[:strnlen(at, size)].decode("utf-8", "replace")
    return at[:size]


cdef class EventView:
    """The event in a handler's hand; dead (its fields raise) when the handler has returned."""

    cdef int check(self) except -1:
        if self.slot == NULL:
            raise RuntimeError("this event is over: copy its fields inside the handler instead of keeping the event")
        return 0

    @property
    def sequence(self):
        self.check()
        return self.slot.sequence

    @property
    def timestamp(self):
        self.check()
        return self.slot.timestamp

    @property
    def session(self):
        self.check()
        return self.slot.session

    @property
    def request(self):
        self.check()
        return self.slot.request

    def __repr__(self):
        if self.slot == NULL:
            return f"<{type(self).__name__}, over>"
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).FIELDS)
        return f"{type(self).__name__}({fields})"


cdef class FieldGetter:
    cdef int code, offset, size

    def __init__(self, int code, int offset, int size):
        self.code = code
        self.offset = offset
        self.size = size

    def __get__(self, EventView view, owner):
        if view is None:
            return self
        if view.slot == NULL:
            view.check()
        return read_field(payload_of(view.slot) + self.offset, self.code, self.size)

    def __set__(self, view, value):
        raise AttributeError("an event is read-only: change the state, or emit an output")


def view_class(message):
    """A subclass of EventView with the fields of this event type (processor.schema.Message)."""
    fields = {}
    for name, kind in message.fields.items():
        fields[name] = FieldGetter(code_of(kind), message.dtype.fields[name][1], kind.dtype.itemsize)
    return type(message.name, (EventView,), {"__slots__": (), "FIELDS": tuple(message.fields), **fields})


cdef int overflow(str name, object value, str kind) except -1:
    raise OverflowError(f"{name} is {kind}: {value!r} does not fit")


cdef class Packer:
    """Writes an output object's fields as its payload. Raises OverflowError for a number that does not fit its field."""

    def __init__(self, message):
        self.payload = <char*>calloc(1, message.length + 1)
        self.places = <Place*>calloc(len(message.fields) + 1, sizeof(Place))
        if self.payload == NULL or self.places == NULL:
            raise MemoryError("an output's payload")
        self.number = message.number
        self.name = message.name
        self.length = message.length
        self.names = tuple(message.fields)
        for k, (name, kind) in enumerate(message.fields.items()):
            self.places[k] = Place(code_of(kind), message.dtype.fields[name][1], kind.dtype.itemsize)

    def __dealloc__(self):
        free(self.payload)
        free(self.places)

    cdef int pack(self, object output) except -1:
        cdef Py_ssize_t k
        cdef str name
        for k in range(len(self.names)):
            name = <str>self.names[k]
            self.write(self.payload + self.places[k].offset, self.places[k].code, self.places[k].size, name, getattr(output, name))
        return 0

    cdef int write(self, char* at, int code, int size, str name, object value) except -1:
        cdef int64_t whole
        cdef uint64_t u64
        cdef double f64
        cdef bytes data
        if code == CODE_U64:
            u64 = value
            memcpy(at, &u64, 8)
        elif code < CODE_F64:
            whole = value
            if code == CODE_I64:
                memcpy(at, &whole, 8)
            elif code == CODE_U8:
                if not 0 <= whole <= 0xFF:
                    overflow(f"{self.name}.{name}", value, "u8")
                (<uint8_t*>at)[0] = <uint8_t>whole
            elif code == CODE_U16:
                if not 0 <= whole <= 0xFFFF:
                    overflow(f"{self.name}.{name}", value, "u16")
                (<uint16_t*>at)[0] = <uint16_t>whole
            elif code == CODE_U32:
                if not 0 <= whole <= 0xFFFFFFFF:
                    overflow(f"{self.name}.{name}", value, "u32")
                (<uint32_t*>at)[0] = <uint32_t>whole
            elif code == CODE_I8:
                if not -0x80 <= whole < 0x80:
                    overflow(f"{self.name}.{name}", value, "i8")
                (<int8_t*>at)[0] = <int8_t>whole
            elif code == CODE_I16:
                if not -0x8000 <= whole < 0x8000:
                    overflow(f"{self.name}.{name}", value, "i16")
                (<int16_t*>at)[0] = <int16_t>whole
            else:
                if not -<int64_t>0x80000000 <= whole < <int64_t>0x80000000:
                    overflow(f"{self.name}.{name}", value, "i32")
                (<int32_t*>at)[0] = <int32_t>whole
        elif code == CODE_F64:
            f64 = value
            memcpy(at, &f64, 8)
        else:
            data = value.encode() if code == CODE_TEXT and isinstance(value, str) else bytes(value)
            if len(data) > size:
                overflow(f"{self.name}.{name}", value, f"at most {size} bytes")
            if code == CODE_TEXT and 0 in data:
                raise ValueError(f"{self.name}.{name}: a zero byte cannot be part of a text field")
            memcpy(at, <const char*>data, len(data))
            memset(at + len(data), 0, size - len(data))
        return 0


cdef class HandlerContext:
    """What a handler answers through: `emit`, `reject`, `now`. Usable only inside the handler."""

    def __init__(self, app):
        self.packers = {cls: Packer(message) for cls, message in app.output_classes().items()}

    cdef int check(self) except -1:
        if self.context == NULL:
            raise RuntimeError("this context is over: a handler answers before it returns")
        return 0

    def emit(self, output):
        """Says an output (an instance of a class declared with @app.output) to the session that asked.

        Raises TypeError for anything else, OverflowError for a number that does not fit, RuntimeError after reject.
        """
        cdef Packer packer
        self.check()
        packer = self.packers.get(type(output))
        if packer is None:
            raise TypeError(f"{type(output).__name__} is not declared with @app.output")
        if (<Emitter*>self.context.core).rejected:
            raise RuntimeError("the event was rejected already: reject says all there is to say")
        # Packed beside the frames first: a value that does not fit leaves no half-written output behind.
        packer.pack(output)
        if self.context.emit(self.context, packer.number, packer.payload, packer.length) < 0:
            raise MemoryError(f"an event has at most 65535 outputs; {packer.name} was one too many, or memory is short")

    def reject(self, str reason not None):
        """Refuses the event: the reason is its only output. Nothing may have been emitted, and nothing changed, before."""
        cdef bytes text = reason.encode()[:4096]
        self.check()
        if self.context.reject(self.context, text, <uint16_t>len(text)) < 0:
            raise RuntimeError("reject comes instead of outputs, and once: check first, then change and emit")

    @property
    def now(self):
        """The event's timestamp, ns since the epoch: the only clock that a handler may read."""
        self.check()
        return self.context.now
