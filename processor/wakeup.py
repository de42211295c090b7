"""An event that a selector can wait for."""

from __future__ import annotations

import os


class Wakeup:
    """Readable from `set` until `clear`; `set` may be called from any thread and from a signal handler."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._descriptor

    def set(self) -> None:
        os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            return      # cleared already

    def __del__(self) -> None:
        os.close(self._descriptor)
