"""One process of the simulated service: a thin driver around the classes that decide, as recover.py and service.py are.

Methods that a mutant overrides (mutants.py) hold one decision each: that of the production class, and nothing else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from processor.counters import Counters
from processor.errors import Diverged, ProcessorError
from processor.leadership.claim import SessionSettings, build_claim, parse_claim
from processor.leadership.validity import LeaderLog
from processor.logic.core import Core
from processor.recovery.plan import (
    PHASE_REPLAY,
    PLAN_APPLY,
    PLAN_CLAIM,
    PLAN_CLAIM_AGAIN,
    PLAN_LEAD,
    PLAN_SKIP,
    RecoveryPlan,
)
from processor.recovery.recover import compare_last_block, find_beginning, resume
from processor.recovery.replay import KnownHashes
from processor.snapshot.choice import Choice
from processor.snapshot.file import Snapshot
from processor.snapshot.layout import sessions_hash
from processor.snapshot.state import state_hash
from tests.simulation.application import app
from tests.simulation.fold import SLOT_BYTES, Violation
from tests.simulation.log import Producer, Record, SimulatedReader

if TYPE_CHECKING:
    from tests.simulation.store import SimulatedStore
    from tests.simulation.world import World

COUNTERS = Counters()
STOP_SNAPSHOT, STOP_HASH = 1, 2
STATE_HASH = struct.Struct("<Q16sQ")


class Process:
    """Recovers, claims, and becomes a leader (Leader in leader.py continues it)."""

    def __init__(self, world: World, number: int, store: SimulatedStore) -> None:
        self.world = world
        self.number = number
        self.store = store
        self.random = world.random
        self.clock_skew = world.random.randint(-500, 500)
        self.paused = self.ended = self.leads = False
        self.busy = False         # in the middle of a step while others move
        self.held: list[tuple[Any, tuple[Any, ...]]] = []
        self.producer = Producer(world, self)
        self.core: Core
        self.plan: RecoveryPlan
        self.reader: SimulatedReader
        self.known = KnownHashes()
        self.soon(1, self.begin)

    def __str__(self) -> str:
        return f"process {self.number}"

    # ---- its life

    def soon(self, delay: int, action: Any, *arguments: Any) -> None:
        """Does it after `delay`: not at all when it has died by then, not before it wakes when it is paused."""
        self.world.after(delay, self._run, action, arguments)

    def _run(self, action: Any, arguments: tuple[Any, ...]) -> None:
        if self.ended:
            return
        if self.paused or self.busy:
            self.held.append((action, arguments))
        else:
            action(*arguments)

    def pause(self) -> None:
        self.paused = True
        self.world.count("pauses")

    def wake(self) -> None:
        self.paused = False
        self.producer.wake()
        self._release()

    def _release(self) -> None:
        held, self.held = self.held, []
        for action, arguments in held:
            self.soon(1, action, *arguments)

    def end(self, why: str) -> None:
        self.ended = True
        self.leads = False
        self.world.trace(self, "ends: {}", why)
        self.producer.die()
        self.world.ended(self)

    # ---- recovery, in the steps of processor.recovery.recover

    def begin(self) -> None:
        log = self.world.log
        self.busy = True
        try:
            snapshot, choice = find_beginning(app, log, self.store, self._skipped)      # type: ignore[arg-type]
            if self.ended:
                return
            self.core, self.plan = self.resume(snapshot, choice)
            if snapshot is not None:
                compare_last_block(log, snapshot.info)                # type: ignore[arg-type]
        except ProcessorError as error:
            raise Violation(f"{self} refuses to start, though nothing is lost: {error}") from error
        finally:
            self.busy = False
            self._release()
        if snapshot is not None:
            meta = snapshot.info.meta
            self.known.know(meta.sequence, snapshot.info.state_hash, snapshot.info.sessions_hash)
            self.world.count("snapshots-used")
            if meta.position == meta.last_block_offset:
                self.world.count("snapshots-used-mid-block")
        self.look("resumed")
        self.reader = log.reader(self.plan.position)
        self.soon(self.random.randint(1, 5), self.read)

    def _skipped(self, text: str) -> None:
        self.world.count("snapshots-skipped")
        self.world.trace(self, "{}", text)

    def resume(self, snapshot: Snapshot | None, choice: Choice) -> tuple[Core, RecoveryPlan]:
        return resume(app, self.world.config, COUNTERS, snapshot, choice)

    def judge(self, record: Record) -> tuple[int, int]:
        """What the plan says of a record, and how many of its slots are applied already."""
        offset, next_offset, header, _ = record
        return self.plan.record(offset, next_offset, header), self.plan.skip

    def ready(self) -> bool:
        """At the end of the log, for now: whether to claim."""
        return self.plan.phase == PHASE_REPLAY and self.plan.near_end(self.world.log.ends()[1])

    def read(self) -> None:
        """Some records further; claims near the end; leads when it has read its own claim."""
        for _ in range(self.random.randint(1, 12)):
            record = self.reader.read()
            if record is None:
                if self.ready():
                    self.claim()
                break
            action, skip = self.judge(record)
            if action == PLAN_APPLY:
                self.replay(record[3][skip * SLOT_BYTES :])
            elif action == PLAN_CLAIM:
                parse_claim(record[2], record[3], f"offset {record[0]}")
            elif action == PLAN_CLAIM_AGAIN:
                self.world.count("claims-again")
                self.claim()
            elif action == PLAN_LEAD:
                self.lead(self.leader_log())
                return
            elif action != PLAN_SKIP:
                raise Violation(f"{self} stops its recovery, though nothing is lost: {self.plan.problem(action)}")
        self.soon(self.random.randint(1, 6), self.read)

    def claim(self) -> None:
        writer = self.random.getrandbits(64) or 1
        header, data = build_claim(
            writer, self.plan.claimed(writer), app.schema, app.version,
            sessions=SessionSettings.of(self.world.config), host="simulated", pid=self.number, time_ns=self.clock(),
        )  # fmt: skip
        self.world.trace(self, "claims as {:016x}, having read up to {}", writer, self.plan.position)
        self.producer.send(header, data, claim=True)

    def leader_log(self) -> LeaderLog:
        return self.plan.leader_log()

    def lead(self, log: LeaderLog) -> None:
        raise NotImplementedError

    def replay(self, slots: bytes) -> None:
        """Applies what is durable, taking and comparing hashes on the way (as processor.recovery.replay)."""
        while slots:
            slots = slots[self.apply(slots) * SLOT_BYTES :]
            if self.core.stop == STOP_SNAPSHOT:
                table = sessions_hash(self.core.sessions.export())
                self.known.know(self.core.sequence, state_hash(self.core.state), table)
        self.look("replayed")

    def apply(self, slots: bytes) -> int:
        """Applies up to the next control event that wants attention; how many slots that were."""
        passed = self.core.apply_slots(slots)
        if self.core.trouble:
            raise Violation(f"{self} halts: {self.core.trouble}")
        if self.core.stop == STOP_HASH:
            self.compare_hash(STATE_HASH.unpack_from(slots, passed * SLOT_BYTES - 32))
        return passed

    def compare_hash(self, told: tuple[int, bytes, int]) -> None:
        try:
            self.world.count("state-hashes-compared", int(self.known.compare(*told)))
        except Diverged as error:
            raise Violation(f"{self} has another state than the journal recorded: {error}") from error

    def look(self, what: str) -> None:
        """The checker compares what this process holds now."""
        self.world.trace(self, "{} up to sequence {}", what, self.core.sequence)
        self.world.checker.holds(self, self.core.sequence, self.core.state, self.core.sessions.export())

    def clock(self) -> int:
        """Its own wall clock, which goes ahead of others' or behind them, ns."""
        return 1_000_000 + (self.world.now * 10 + self.clock_skew) * 1_000

    # ---- what only a leader does

    def acknowledged(self, offset: int) -> None:
        raise NotImplementedError
