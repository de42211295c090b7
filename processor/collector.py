"""Python's garbage collector while a service leads: frozen behind the recovery, rare, and its pauses on the counter
page."""

from __future__ import annotations

import gc
import time
from typing import Any

from processor.counters import Counters

# Young objects at which it looks for cycles, and how many such looks make an older generation's turn. Handlers make few
# cycles, and every look at many objects is a pause of the logic.
THRESHOLDS = (50_000, 20, 100)


class Collector:
    """From `start` to `stop`: what is alive is never looked at again, and each collection is timed."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._thresholds: tuple[int, int, int] | None = None
        self._began_ns = 0

    def start(self) -> None:
        """Collects once, then freezes what is alive: a state that was recovered is not walked through again and
        again."""
        gc.collect()
        gc.freeze()
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._note)

    def stop(self) -> None:
        """Puts everything back, for the process may do other things afterwards."""
        if self._thresholds is None:
            return
        gc.callbacks.remove(self._note)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()
        self._thresholds = None

    def _note(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began_ns = time.perf_counter_ns()
            return
        took_ns = time.perf_counter_ns() - self._began_ns
        self._counters.put("collections", self._counters.get("collections") + 1)
        self._counters.put("collection_ns_max", max(took_ns, self._counters.get("collection_ns_max")))
