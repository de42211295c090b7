from typing import Any

import numpy as np

def report_lines(frames: bytes | memoryview | np.ndarray[Any, np.dtype[np.uint8]], finished: bool) -> tuple[bytes, int]:
    """The published report lines of reply frames (uint8, contiguous, in request order), each with a newline before it.

    Returns (text, bytes taken): unless `finished`, the frames of the last seq stay for the next call. Raises ValueError
    for a frame that is no report.
    """
