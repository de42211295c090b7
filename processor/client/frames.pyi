from typing import Any

import numpy as np

def answered(
    frames: bytes,
) -> tuple[np.ndarray[Any, np.dtype[np.uint64]], np.ndarray[Any, np.dtype[np.uint64]]]:
    """(requests, sequences) of the answers that end in these frames, in order; raises ValueError for half a frame."""
