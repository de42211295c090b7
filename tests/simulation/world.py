"""One seed: a world of processes, clients and faults in simulated time, in one thread, the same for the same seed."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from processor.config import Config
from tests.simulation.checker import Checker
from tests.simulation.client import Client, Connection
from tests.simulation.fold import Violation
from tests.simulation.leader import Leader
from tests.simulation.log import SimulatedLog
from tests.simulation.store import SimulatedStore

MOST_TIME = 40_000                # until everything must be quiet: without a fault a request takes some 20
PROCESSES_AT_ONCE = 3


@dataclass
class Result:
    seed: int
    failure: str = ""
    coverage: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


class World:
    def __init__(self, seed: int, *, process: type[Leader] = Leader, tracing: bool = False) -> None:
        self.random = random.Random(seed)
        self.process_type = process
        self.tracing = tracing
        self.now = 0
        self.coverage: Counter[str] = Counter()
        self.lines: list[str] = []
        self._events: list[tuple[int, int, Any, tuple[Any, ...]]] = []
        self._scheduled = 0
        self._connections = 0
        self.nested = True       # nobody is there yet who could move meanwhile
        pick = self.random
        self.config = Config(
            window=pick.choice((1, 2, 4, 8)), kept_bytes_max=pick.choice((1, 200, 600, 4096, 4096)),
            sessions_max=pick.choice((4, 5, 20, 20)), snapshot_every=pick.choice((0, 3, 7, 15, 30)),
            max_block_events=pick.choice((1, 3, 8, 8)), snapshots_kept=pick.choice((1, 2, 3)),
        )
        self.odds = {
            "unknown-offset": pick.choice((0.0, 0.05, 0.3)), "torn-snapshot": pick.choice((0.0, 0.0, 0.3)),
            "meanwhile": pick.choice((0.0, 0.2, 0.6)),
        }
        self.log = SimulatedLog(self)
        sizes = (self.config.window, self.config.kept_bytes_max, self.config.sessions_max)
        self.checker = Checker(self.log.records, *sizes)
        self.stores = [SimulatedStore(self, self.config.snapshots_kept) for _ in range(pick.choice((1, 1, 2)))]
        self.processes: list[Leader] = []
        self.started = 0
        for _ in range(pick.choice((1, 1, 2))):
            self.start()
        self.faults_until = pick.randint(150, 600)
        self.slow_until = 0
        self.clients = [
            Client(self, number, pick.randint(3, 25), pick.randint(1, self.config.window), pick.choice((10, 40, 90)))
            for number in range(pick.randint(1, 4))
        ]
        for number in range(len(self.clients), len(self.clients) + pick.choice((0, 0, 3))):
            self.clients.append(Client(self, number, 1, 1, 300))     # passes by: its session stays behind
        self.fault_pause = pick.choice((15, 40, 90))
        self.after(pick.randint(5, 60), self.fault)
        self.nested = False

    # ---- time

    def after(self, delay: int, action: Any, *arguments: Any) -> None:
        self._scheduled += 1
        heapq.heappush(self._events, (self.now + delay, self._scheduled, action, arguments))

    def step(self) -> None:
        self.now, _, action, arguments = heapq.heappop(self._events)
        action(*arguments)

    def meanwhile(self) -> None:
        """Others move between two calls that one process makes: what the first one told it may be old at the second."""
        if self.nested or self.now >= self.faults_until or not self.chance(self.odds["meanwhile"]):
            return
        self.nested = True
        for _ in range(self.random.choice((3, 20, 100))):
            if self._events:
                self.step()
        self.nested = False

    def run(self) -> None:
        """Until every client is answered; then a last process recovers all of it. Raises Violation."""
        while self.now < self.faults_until or not all(client.finished for client in self.clients):
            if self.now > MOST_TIME:
                waiting = ", ".join(
                    f"{client} for {len(client.unanswered) + client.left}"
                    for client in self.clients
                    if not client.finished
                )
                raise Violation(f"no fault since {self.faults_until}, and still not quiet at {self.now}: {waiting}")
            self.step()
        last = self.start()
        while not last.leads:
            if self.now > MOST_TIME + 5_000 or last.ended:
                raise Violation(f"{last}, the last one, does not come to lead")
            self.step()
        fold = self.checker.finish()
        if last.core.sequence != fold.sequence:
            raise Violation(f"{last} leads at sequence {last.core.sequence}, the log goes to {fold.sequence}")
        self.count("events", fold.sequence)
        self.count("void-blocks", fold.voids)
        self.count("claims", fold.claims)
        self.count("repeats-answered", self.checker.repeats)

    # ---- chance

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def delay(self) -> int:
        return 1 + int(self.random.random() * 5)

    def log_delay(self) -> int:
        return 1 + int(self.random.random() * (80 if self.now < self.slow_until else 6))

    # ---- who is there

    def start(self) -> Leader:
        self.started += 1
        process = self.process_type(self, self.started, self.random.choice(self.stores))
        self.processes.append(process)
        self.trace(process, "starts")
        return process

    def ended(self, process: Leader) -> None:
        self.processes.remove(process)
        for client in self.clients:
            if client.connection is not None and client.connection.process is process:
                client.connection.lose()

    def connect(self, client: Client, process: Leader) -> Connection:
        self._connections += 1
        return Connection(self, self._connections, client, process)

    # ---- faults

    def fault(self) -> None:
        """One of them, and the next one later; past their time only a dead service is started again."""
        if self.now >= self.faults_until:
            for process in self.processes:
                if process.paused:
                    process.wake()
            if not self.processes:
                self.start()
            self.after(50, self.fault)
            return
        self.random.choice((
            self.crash, self.pause, self.pause, self.succeed, self.cut_connection, self.slow_log, self.stray_record,
        ))()
        if not any(not process.paused for process in self.processes) and self.chance(0.7):
            self.start()
        self.after(self.random.randint(1, 2 * self.fault_pause), self.fault)

    def crash(self) -> None:
        if self.processes:
            self.count("crashes")
            self.random.choice(self.processes).end("killed")

    def pause(self) -> None:
        awake = [process for process in self.processes if not process.paused]
        if awake:
            process = self.random.choice(awake)
            self.trace(process, "is paused")
            process.pause()
            self.after(self.random.choice((10, 60, 250)), self._wake, process)

    def _wake(self, process: Leader) -> None:
        if process.paused and not process.ended:
            if any(other.leads and other is not process for other in self.processes):
                self.count("woken-beside-a-successor", process.leads)
            self.trace(process, "wakes")
            process.wake()

    def succeed(self) -> None:
        """Somebody believes the leader dead."""
        if len(self.processes) < PROCESSES_AT_ONCE:
            self.count("successors", bool(self.processes))
            self.start()

    def cut_connection(self) -> None:
        connected = [client for client in self.clients if client.connection is not None and client.connection.open]
        if connected:
            self.count("connections-lost")
            self.random.choice(connected).connection.lose()      # type: ignore[union-attr]

    def slow_log(self) -> None:
        self.count("slow-logs")
        self.slow_until = self.now + self.random.randint(20, 120)

    def stray_record(self) -> None:
        """Bytes of nobody's, as any producer may write into a topic."""
        if self.log.records:
            self.count("stray-records")
            self.log.append(self.random.randbytes(64), self.random.randbytes(10))

    # ---- what was seen

    def count(self, name: str, times: int = 1) -> None:
        self.coverage[name] += times

    def trace(self, who: object, text: str, *values: object) -> None:
        if self.tracing:
            self.lines.append(f"{self.now:6} {who!s:12} {text.format(*values)}")


def simulate(seed: int, *, process: type[Leader] = Leader, tracing: bool = False) -> Result:
    """One seed from beginning to end; `failure` is empty when nothing was violated."""
    world = World(seed, process=process, tracing=tracing)
    failure = ""
    try:
        world.run()
    except Violation as violation:
        failure = str(violation)
    except Exception as error:    # what production refuses is a finding as well, not the end of the run
        failure = f"{type(error).__name__}: {error}"
    return Result(seed, failure, world.coverage, world.lines)
