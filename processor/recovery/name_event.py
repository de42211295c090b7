"""Which event of a run made a NumPy handler raise: the journal once more, up to that run, with one event a run.

A handler that raised in the middle of a run has changed the state for some of its events, and nobody knows which: that
state is of no use. So a state of its own is made, from the newest snapshot (or the first event) and the journal, as
every recovery does, and this time the event that raises is alone. Nothing is claimed, nobody is answered, no snapshot
is taken.
"""

from __future__ import annotations

import time
from pathlib import Path

from processor.app import App
from processor.config import Config
from processor.counters import Counters
from processor.errors import CorruptJournal, JournalError
from processor.journal.base import Journal
from processor.logic.core import Core
from processor.recovery.plan import PLAN_CLAIM
from processor.recovery.recover import EVENTS_A_TURN, find_beginning, resume
from processor.recovery.replay import BUSY, IDLE, Replay
from processor.snapshot.store import SnapshotStore


def name_event(app: App, journal: Journal, directory: Path, config: Config, failed: Core) -> tuple[str, int]:
    """What to tell people, and the sequence to look at; `failed` is the core whose handler raised with several events
    in hand.

    Raises ProcessorError when the journal or the snapshots cannot be read.
    """
    first, last = failed.sequence + 1, failed.sequence + failed.raised_events
    store = SnapshotStore(directory, config.snapshots_kept)
    snapshot, choice = find_beginning(app, journal, store, lambda line: None)
    core, plan = resume(app, config, Counters(), snapshot, choice)
    core.run_events_max = 1
    reader = journal.reader(plan.position)
    try:
        replay = Replay(core, reader, plan, check_hashes=False)
        moved_at, moved_from = time.monotonic(), core.sequence
        while not core.trouble and core.sequence < last:
            action = replay.run(EVENTS_A_TURN, 20)
            if action not in (BUSY, IDLE, PLAN_CLAIM):
                raise CorruptJournal(f"{journal.url}: {plan.problem(action)}")
            if core.sequence != moved_from:
                moved_at, moved_from = time.monotonic(), core.sequence
            elif time.monotonic() - moved_at > config.recovery_stall_s:
                raise JournalError(
                    f"{journal.url}: nothing came for {config.recovery_stall_s:g} s at sequence {core.sequence}"
                )
    finally:
        reader.close()
    if core.trouble:
        return core.trouble, core.sequence + 1
    return (
        f"{failed.trouble}; one by one none of them raises: what this handler does depends on how runs are cut, or on "
        "something that is not in the journal",
        first,
    )
