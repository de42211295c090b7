from collections.abc import Mapping
from typing import Any

import numpy as np

from processor.app import App

class RunContext:
    """What a NumPy handler answers through, for many events of its run at once. Usable only inside the handler."""

    def __init__(self, app: App) -> None: ...
    def emit(self, output: type, values: np.ndarray[Any, Any] | Mapping[str, Any], which: Any = None) -> None:
        """Says an output of this class for each event of the run, or for those that `which` (a mask or indices) names.

        `values`: a structured array or a mapping with the output's fields, each an array with a value for each output
        or one value for all. Raises TypeError, OverflowError for a number that does not fit, RuntimeError for a
        rejected event.
        """
    def reject(self, which: Any, reason: str) -> None:
        """Refuses events (None: all of the run): the reason is their only output. Nothing may have been emitted for
        them."""
