"""Slots made ahead of their time by a thread, so that whoever sends them never waits for their making."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np

Slots = np.ndarray[Any, np.dtype[np.uint8]]


class Ahead:
    """Calls `make` for blocks of slots, keeps `blocks` of them ready, gives them out in order. Use it in a `with`."""

    def __init__(self, make: Callable[[], Slots], blocks: int = 8) -> None:
        self._make = make
        self._ready: queue.Queue[Slots | BaseException] = queue.Queue(blocks)
        self._left: Slots = np.zeros((0, 0), np.uint8)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slots-ahead", daemon=True)

    def __call__(self, count: int) -> Slots:
        """The next slots, 1 to `count` of them, shape (n, slot_bytes); raises what `make` raised."""
        if not len(self._left):
            got = self._ready.get()
            if isinstance(got, BaseException):
                self._ready.put(got)        # nothing comes behind it, however often it is asked for
                raise got
            self._left = got
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def _run(self) -> None:
        made: Slots | BaseException
        while not self._stop.is_set():
            try:
                made = self._make()
            except BaseException as error:
                made = error
                self._stop.set()
            while True:
                try:
                    self._ready.put(made, timeout=0.2)
                    break
                except queue.Full:
                    if self._stop.is_set():
                        return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with contextlib.suppress(queue.Empty):
            self._ready.get_nowait()
        self._thread.join()
