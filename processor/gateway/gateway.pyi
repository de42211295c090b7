from typing import Any

import numpy as np

from processor.outputs.queue import OutputQueue
from processor.ring.buffer import Ring
from processor.ring.control import ControlQueue

class Gateway:
    """Listens at `address` (unix:/path) at once; serves it from `run`, which a thread calls and which returns when
    closed.

    `lengths`: int32, shape (65536,), the payload's bytes of each event type, -1 for those that do not exist. A
    connection is read `read_bytes_max` at a time, is not read while more than `unsent_pause_bytes` of its replies are
    unsent, and is closed above `unsent_close_bytes` (to its client a lost connection: what it then asks again is
    answered from what is stored). It has `hello_s` seconds to say hello; after an error it is closed when it takes
    nothing of its last words for `closing_s`. One that sends no more but reads is closed when all that it asked is
    answered. Raises GatewayError when the address cannot be had, WrongUse for settings that cannot be.
    """

    address: str
    admin_fd: int
    def __init__(
        self,
        address: str,
        ring: Ring,
        control: ControlQueue,
        outputs: OutputQueue,
        lengths: np.ndarray[Any, np.dtype[np.int32]],
        slot_bytes: int,
        fingerprint: int,
        *,
        connections_max: int = 4096,
        read_bytes_max: int = 65536,
        unsent_pause_bytes: int = ...,
        unsent_close_bytes: int = ...,
        hello_s: float = 10.0,
        closing_s: float = 5.0,
    ) -> None: ...
    def run(self) -> None:
        """Serves until flush_and_close. Once only. Raises what went wrong while it closed the listening socket."""
    def stop_intake(self, *, timeout_s: float = 10.0) -> bool:
        """Accepts and reads nothing any more; control events still get in, outputs out. True when that is so."""
    def flush_and_close(self, *, timeout_s: float = 10.0) -> bool:
        """Sends what is queued and unsent, for at most timeout_s, then closes all; run returns. True: all was sent."""
    def take_admin(self) -> int | None:
        """The descriptor (blocking; now the caller's) of an administrator's connection behind its hello, or None."""
    @property
    def counts(self) -> dict[str, int]:
        """What the gateway has done, by name; may be read while it runs."""
