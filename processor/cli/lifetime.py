"""A process that ends when the one that started it does."""

from __future__ import annotations

import ctypes
import os
import signal

from processor.errors import ProcessorError

PR_SET_PDEATHSIG = 1


def end_with_parent(number: signal.Signals) -> None:
    """Has the system send us this signal when our parent ends, however it does; at once, if it ends meanwhile.

    Raises ProcessorError where the system cannot do that.
    """
    parent = os.getppid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, *4 * [ctypes.c_ulong]]
    if prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise ProcessorError(f"cannot end with the parent process: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
