"""Rules taken out, one a class: each must be found by the simulation, or the simulation proves nothing of that rule.

A mutant overrides the one method of the driver in which the production class decides, and decides without it.
"""

from __future__ import annotations

from processor.leadership.validity import LeaderLog
from processor.logic.core import Core
from processor.logic.sessions import Sessions
from processor.recovery.plan import PHASE_REPLAY, PLAN_APPLY, PLAN_SKIP, RecoveryPlan
from processor.snapshot.choice import Choice
from processor.snapshot.file import Snapshot
from tests.simulation.application import app
from tests.simulation.fold import BLOCK, MAGIC
from tests.simulation.leader import Block, Leader
from tests.simulation.log import Record
from tests.simulation.process import COUNTERS


def replaced(log: LeaderLog, next_sequence: int, expected_offset: int) -> LeaderLog:
    """The same leader's log, had it come to these numbers."""
    return LeaderLog(log.validity.journal_id, log.epoch_offset, log.epoch_writer, next_sequence, expected_offset)


class WithoutValidity(Leader):
    """Applies every block that begins at the next sequence, of whatever epoch."""

    def judge(self, record: Record) -> tuple[int, int]:
        action, skip = super().judge(record)
        magic, _, kind, _, _, first, _ = BLOCK.unpack(record[2])[:7]
        if magic == MAGIC and kind == 1 and action in (PLAN_APPLY, PLAN_SKIP):
            fits = first + (skip if action == PLAN_APPLY else 0) == self.core.sequence + 1
            return (PLAN_APPLY if fits else PLAN_SKIP), (skip if action == PLAN_APPLY else 0)
        return action, skip

    def leader_log(self) -> LeaderLog:
        log = super().leader_log()
        return replaced(log, self.core.sequence + 1, log.expected_offset)


class WithoutReadingBack(Leader):
    """Takes an acknowledgement without an offset for one at the expected offset."""

    def settle(self, offset: int, count: int) -> tuple[str, int]:
        return super().settle(self.log.expected_offset if offset < 0 else offset, count)


class WithoutOwnClaim(Leader):
    """Recovery ends where the log ended when the claim was sent: what lands between is not applied."""

    captured_end = 0

    def claim(self) -> None:
        self.captured_end = self.world.log.ends()[1]
        super().claim()

    def judge(self, record: Record) -> tuple[int, int]:
        action, skip = super().judge(record)
        late = self.plan.phase != PHASE_REPLAY and record[0] >= self.captured_end
        return (PLAN_SKIP if late and action == PLAN_APPLY else action), skip

    def leader_log(self) -> LeaderLog:
        log = super().leader_log()
        return replaced(log, self.core.sequence + 1, log.expected_offset)


class WithoutSessionTable(Leader):
    """Restarts from a snapshot's state with an empty session table."""

    def resume(self, snapshot: Snapshot | None, choice: Choice) -> tuple[Core, RecoveryPlan]:
        core, plan = super().resume(snapshot, choice)
        if snapshot is None:
            return core, plan
        sessions = Sessions(core.sessions.window, core.sessions.kept_bytes_max, core.sessions.sessions_max)
        emptied = Core(app, sessions, state=core.state, counters=COUNTERS)
        emptied.restore(core.sequence, core.timestamp)
        return emptied, plan


class WithoutMiddleOfBlock(Leader):
    """A snapshot always goes on behind the last applied block, also when that holds more than was applied."""

    def position(self, block: Block) -> int:
        return block.next_offset


class WithoutLookingBetween(Leader):
    """Takes any acknowledged offset for durable and valid, whatever stands between."""

    def settle(self, offset: int, count: int) -> tuple[str, int]:
        if offset > self.log.expected_offset:
            self.log = replaced(self.log, self.log.validity.next_sequence, offset)
        return super().settle(offset, count)


class WithoutDurability(Leader):
    """Applies and answers what it has handed over, before it is acknowledged."""

    def handed_over(self, block: Block) -> None:
        if not any(one is not block for one in self.in_flight):
            self.apply_live(block)
            block.slots = b""


class WithoutLastTime(Leader):
    """Stamps by its own clock, whatever the leader before it has stamped."""

    def stamp(self) -> int:
        return self.clock()


# By the name on the command line. The first four are the rules that the design names.
MUTANTS: dict[str, type[Leader]] = {
    "validity": WithoutValidity,
    "read-back": WithoutReadingBack,
    "own-claim": WithoutOwnClaim,
    "session-table": WithoutSessionTable,
    "middle-of-block": WithoutMiddleOfBlock,
    "look-between": WithoutLookingBetween,
    "durability": WithoutDurability,
    "last-time": WithoutLastTime,
}
