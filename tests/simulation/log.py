"""The log of the simulated world, and a producer that delays, comes late, and does not always know where it wrote."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

Record = tuple[int, int, bytes, bytes]


class SimulatedLog:
    """As much of processor.journal.base.Journal as the control logic asks for. Never loses a record."""

    url = "simulated:"

    def __init__(self, world: World) -> None:
        self.world = world
        self.records: list[tuple[bytes, bytes]] = []

    def append(self, header: bytes, data: bytes) -> int:
        self.records.append((header, data))
        return len(self.records) - 1

    def ends(self) -> tuple[int, int]:
        ends = (0, len(self.records))
        self.world.meanwhile()
        return ends

    def reader(self, position: int) -> SimulatedReader:
        return SimulatedReader(self, position)


class SimulatedReader:
    def __init__(self, log: SimulatedLog, position: int) -> None:
        self.log = log
        self.position = position

    def read(self, *, timeout_s: float = 0.0) -> Record | None:
        if self.position >= len(self.log.records):
            return None
        offset = self.position
        self.position += 1
        return offset, self.position, *self.log.records[offset]

    def close(self) -> None:
        """Nothing to give back."""


class Producer:
    """One process's way to the log: in order, each record once, as an idempotent producer's. Acks are, too."""

    def __init__(self, world: World, process: Process) -> None:
        self.world = world
        self.process = process
        self.unsent: deque[tuple[bytes, bytes, bool]] = deque()    # handed over, not in the log yet
        self.stalled = 0                                           # landings that wait for a paused process to wake
        self.acks: deque[tuple[int, bool]] = deque()

    def send(self, header: bytes, data: bytes, *, claim: bool = False) -> None:
        self.unsent.append((header, data, claim))
        self.world.after(self.world.log_delay(), self._land)

    def _land(self) -> None:
        """The oldest record on its way arrives. Bytes of a paused process that have left it arrive all the same."""
        world = self.world
        if not self.unsent:
            return                # lost with its process
        if self.process.paused and not world.chance(0.4):
            self.stalled += 1
            return
        header, data, claim = self.unsent.popleft()
        offset = world.log.append(header, data)
        if self.process.ended:
            world.count("bytes-of-the-dead")
            world.trace(self.process, "bytes of the dead land at {}", offset)
            return
        world.trace(self.process, "lands at {}", offset)
        delay = world.log_delay()
        if not claim and world.chance(world.odds["unknown-offset"]):
            # It timed out behind the append; the broker recognizes the retry, and does not say where it stands.
            offset = -1
            delay += world.random.randrange(60)
        self.acks.append((offset, claim))
        self.process.soon(delay, self._acknowledge)

    def _acknowledge(self) -> None:
        offset, claim = self.acks.popleft()
        if not claim:
            self.process.acknowledged(offset)

    def wake(self) -> None:
        for _ in range(self.stalled):
            self.world.after(self.world.log_delay(), self._land)
        self.stalled = 0

    def die(self) -> None:
        """What had left the process may still arrive, from the front on, also much later; the rest never does."""
        kept = self.world.random.randrange(len(self.unsent) + 1)
        while len(self.unsent) > kept:
            self.unsent.pop()
        for _ in range(kept):
            self.world.after(self.world.random.randrange(200), self._land)
