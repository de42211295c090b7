from typing import Protocol

from processor.journal.journaler import Journaler
from processor.logic.core import Core
from processor.ring.buffer import Ring

class Keeper(Protocol):
    def ask_snapshot(self) -> None: ...
    def on_snapshot(self, payload: bytes, position: int, last_block_offset: int, last_block_checksum: int) -> None: ...
    def on_hash(self, payload: bytes) -> None: ...

class Reader(Protocol):
    def on_read(self, payload: bytes) -> None: ...

class LiveLogic:
    """Applies what is durable until `finish` was called and all of it is applied, or until the core stops."""

    error: BaseException | None
    def __init__(
        self, ring: Ring, core: Core, journaler: Journaler, keeper: Keeper, *, trigger_every: int = 0,
        queries: Reader | None = None,
    ) -> None: ...
    def finish(self) -> None:
        """Makes run return when all that is durable is applied. Call it when the journaler has returned."""
    def run(self) -> None:
        """The loop of the logic's thread. Returns when finished, or when the core stopped (see Core.stop)."""
