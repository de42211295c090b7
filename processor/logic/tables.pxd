"""The NumPy tables of a state, as native handlers see them."""

from processor.logic.native cimport Table

cdef class Tables:
    cdef Table* tables            # [len(names)], in the order of declaration
    cdef readonly object state
    cdef readonly tuple names
    cdef list arrays

    # To be called when Python code may have put other arrays into the state. Raises WrongUse when one is no table any more.
    cdef int refresh(self) except -1
    cdef int look(self, Py_ssize_t k) except -1


# What native handlers get as `state`: raises WrongUse when there is nothing that they could work on. `tables` is None for a NativeState.
cdef void* native_state(state, Tables tables) except NULL
