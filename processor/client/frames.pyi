from typing import Any

import numpy as np

def answered(
    frames: bytes,
) -> tuple[np.ndarray[Any, np.dtype[np.uint64]], np.ndarray[Any, np.dtype[np.uint64]]]:
    """(requests, sequences) of the answers that end in these frames, in their order; raises ValueError for half a frame."""

def count_type(frames: bytes, type: int) -> int:
    """How many of these whole reply frames are of this type; raises ValueError for half a frame."""
