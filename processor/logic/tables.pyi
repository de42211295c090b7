from typing import Any

class Tables:
    """The fields of a dataclass that are NumPy arrays: their memory, for handlers without the GIL.

    Such an array is contiguous, writeable and in the machine's byte order; its dtype and the lengths of all axes but
    the first stay as they are. Raises WrongUse for another, or for a state that has no arrays.
    """

    state: Any
    names: tuple[str, ...]
    def __init__(self, state: Any) -> None: ...
