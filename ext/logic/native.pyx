"""The Python faces of native states and handlers (see native.pxd for what a handler sees)."""

from libc.stdint cimport uintptr_t


cdef class NativeState:
    cdef void* pointer(self) noexcept:
        return NULL

    cpdef bytes export(self):
        raise NotImplementedError(f"{type(self).__name__} has no export")

    cpdef load(self, bytes data):
        raise NotImplementedError(f"{type(self).__name__} has no load")


cdef class NativeHandler:
    def __init__(self):
        raise TypeError("a native handler is made by the Cython module that holds it")

    @staticmethod
    cdef NativeHandler make(str name, native_handler function):
        cdef NativeHandler handler = NativeHandler.__new__(NativeHandler)
        handler.name = name
        handler.function = function
        return handler

    @staticmethod
    def at(str name not None, uintptr_t address, owner):
        """The handler whose machine code is at this address; `owner` keeps it there. For compilers (processor.compiled)."""
        cdef NativeHandler handler = NativeHandler.make(name, <native_handler>address)
        handler.owner = owner
        return handler

    def __repr__(self):
        return f"NativeHandler({self.name})"
