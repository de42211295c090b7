"""The NumPy tables of a state (see tables.pxd)."""

from libc.stdint cimport uint64_t, uintptr_t
from libc.stdlib cimport calloc, free

import dataclasses

import numpy as np

from processor.errors import WrongUse
from processor.logic.native cimport NativeState, Table


cdef class Tables:
    """The fields of a dataclass that are NumPy arrays: their memory, for handlers without the GIL.

    Such an array is contiguous, writeable and in the machine's byte order; its dtype and the lengths of all axes but the first stay as they
    are. Raises WrongUse for another, or for a state that has no arrays.
    """

    def __init__(self, state):
        fields = dataclasses.fields(state) if dataclasses.is_dataclass(state) else ()
        self.state = state
        self.names = tuple(field.name for field in fields if isinstance(getattr(state, field.name), np.ndarray))
        if not self.names:
            raise WrongUse(f"{type(state).__name__} has no NumPy arrays among its fields: compiled and native handlers need some, "
                           "or a NativeState")
        self.tables = <Table*>calloc(len(self.names), sizeof(Table))
        if self.tables == NULL:
            raise MemoryError("the tables of a state")
        self.arrays = [None] * len(self.names)
        self.refresh()

    def __dealloc__(self):
        free(self.tables)

    cdef int refresh(self) except -1:
        cdef Py_ssize_t k
        for k in range(len(self.names)):
            if getattr(self.state, <str>self.names[k]) is not self.arrays[k]:
                self.look(k)
        return 0

    cdef int look(self, Py_ssize_t k) except -1:
        array, before = getattr(self.state, self.names[k]), self.arrays[k]
        where = f"{type(self.state).__name__}.{self.names[k]}"
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            raise WrongUse(f"{where} is a table that native handlers use: it must stay a NumPy array, not become {array!r:.60}")
        if not array.flags.c_contiguous or not array.flags.writeable or not array.flags.aligned or not array.dtype.isnative:
            raise WrongUse(f"{where} must be contiguous, aligned, writeable and of native byte order for native handlers")
        if before is not None and (array.dtype != before.dtype or array.shape[1:] != before.shape[1:]):
            raise WrongUse(f"{where} was an array of {before.dtype}, rows of shape {before.shape[1:]}; it is one of {array.dtype}, "
                           f"{array.shape[1:]} now: only the number of rows may change")
        self.tables[k].rows = <void*><uintptr_t>array.__array_interface__["data"][0]
        self.tables[k].count = len(array)
        self.arrays[k] = array
        return 0


cdef void* native_state(state, Tables tables) except NULL:
    cdef void* found = (<NativeState>state).pointer() if tables is None else tables.tables
    if found == NULL:
        raise WrongUse(f"{type(state).__name__} gives no pointer to native handlers")
    return found
