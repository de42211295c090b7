"""What a native handler sees: the state as a pointer, the event's slot, and a context to answer through. All without the GIL.

    cdef int on_deposit(void* state, Context* context, const Slot* event) noexcept nogil:
        ...
        return emit(context, BALANCE, &balance, sizeof(balance))

A handler returns 0, or a negative number of its own when the event cannot be right (as an exception in Python: the service halts).
It checks first, then changes; an ordinary refusal is `reject`, which is a reply.
"""

from libc.stdint cimport int64_t, uint16_t, uint64_t

from processor.layout cimport Slot

cdef struct Context:
    const Slot* event             # the event in hand
    int64_t now                   # its timestamp
    void* core                    # the logic's own
    int (*emit)(Context*, uint16_t, const void*, uint16_t) noexcept nogil
    int (*reject)(Context*, const char*, uint16_t) noexcept nogil

# `state` is the pointer of a NativeState; of a dataclass it is an array of these, one for each field that is a NumPy array, in the
# order of their declaration. Valid in the handler only: a Python handler may put another array there, and the state is then another.
cdef struct Table:
    void* rows
    uint64_t count                # along the first axis

ctypedef int (*native_handler)(void*, Context*, const Slot*) noexcept nogil


cdef inline int emit(Context* context, uint16_t type, const void* payload, uint16_t length) noexcept nogil:
    """Says an output of this type to the session that asked. 0, or -1 when memory is short."""
    return context.emit(context, type, payload, length)


cdef inline int reject(Context* context, const char* reason, uint16_t length) noexcept nogil:
    """Refuses the event: the reason (UTF-8) is its only output. 0, or -1 when memory is short or something was emitted already."""
    return context.reject(context, reason, length)


cdef class NativeState:
    """A state kept in C. Subclasses own the memory, are made without arguments, and give a pointer to their handlers."""
    cdef void* pointer(self) noexcept
    # The canonical logical export (the same for every insertion history), and its inverse into a fresh state; raises ValueError
    # for bytes that are no export.
    cpdef bytes export(self)
    cpdef load(self, bytes data)

cdef class NativeHandler:
    """A native handler as a Python object, to be given to App.on."""
    cdef native_handler function
    cdef readonly str name
    cdef object owner             # of the code behind the function, when that is not a module

    @staticmethod
    cdef NativeHandler make(str name, native_handler function)
