from typing import Any

import numpy as np

from processor.app import App

class Bare:
    """The native handlers of an application over a state of their own: no journal, sessions or timers."""

    app: App
    state: Any
    slot_bytes: int

    def __init__(self, app: App, state: Any = None) -> None:
        """`state`: one to go on with, else a fresh one. Raises WrongUse unless all handlers are native or compiled."""
    def run(self, slots: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
        """Applies slots (shape (n * slot_bytes,), uint8, contiguous); returns how many bytes of reply frames they gave.

        Raises Halted when a handler fails, WrongUse for an unknown type.
        """
    def frames(self) -> bytes:
        """The reply frames of the last run."""
