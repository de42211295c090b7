"""One replay of a verification, in a process of its own: `python -m processor.history.proof`, told by JSON on stdin.

A process of its own has its own PYTHONHASHSEED, and nothing that another replay has left in the application's modules.
It writes JSON lines: {"mark": sequence, "state", "sessions", "outputs"} at each mark, {"progress": [done, total,
events]} now and then, and last {"end": ...} or {"trouble": ...}. `outputs` is a digest of all outputs so far.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from processor.app import load_app
from processor.config import Config
from processor.errors import CorruptJournal, Diverged, Halted, JournalError, ProcessorError, SnapshotError
from processor.history.narrow import spread
from processor.history.target import Target
from processor.history.walk import Walk, ends_of
from processor.journal import open_journal
from processor.layout import BLOCK_HEADER
from processor.leadership.claim import BLOCK_CLAIM, BLOCK_MAGIC, BLOCK_SLOTS
from processor.outputs.tap import OutputTap
from processor.recovery.plan import PLAN_CLAIM
from processor.snapshot.store import SnapshotStore

STOP_RAISED = 3
PROGRESS_EVERY_S = 0.2


class Suspicious(ProcessorError):
    """A record that a reader passes over, and that no writer can have left there."""


class Audit:
    """Looks at what a replay passes over. Void is what a deposed writer left behind; everything else has no business
    in a journal.

    A writer appends its blocks in order and each once, behind its own claim: so a void block of the epoch in force is
    one that is there twice, or one whose predecessor is missing; and a block's epoch names the place where its
    writer's claim stands.
    """

    def __init__(self) -> None:
        self.claims: dict[int, int] = {}
        self.void = 0

    def __call__(self, walk: Walk, action: int) -> None:
        replay = walk.replay
        head = np.frombuffer(replay.header, BLOCK_HEADER)[0]
        writer = int(head["epoch_writer"])
        if action == PLAN_CLAIM:
            self.claims[writer] = replay.offset
            return
        self.void += 1
        if head["magic"] != BLOCK_MAGIC:
            raise Suspicious(f"the record at offset {replay.offset} was written by other software")
        if head["kind"] == BLOCK_CLAIM:
            raise Suspicious(
                f"the claim at offset {replay.offset} names another journal: {int(head['first_sequence']):016x}"
            )
        if head["kind"] != BLOCK_SLOTS:
            return
        first, last = int(head["first_sequence"]), int(head["first_sequence"]) + int(head["count"]) - 1
        epoch = (int(head["epoch_offset"]), writer)
        what = f"the block of sequences {first} to {last} at offset {replay.offset}"
        following = walk.plan.validity.next_sequence
        if epoch == (walk.plan.validity.epoch_offset, walk.plan.validity.epoch_writer):
            if first < following:
                raise Suspicious(
                    f"{what} is there twice, or stands behind its place: sequence {following} was expected"
                )
            raise Suspicious(
                f"{what} follows where sequence {following} was expected: what stood between is missing or out of order"
            )
        if self.claims.get(writer) != epoch[0]:
            stands = self.claims.get(writer)
            raise Suspicious(
                f"{what} is of the epoch ({epoch[0]}, {writer:016x}), and that writer's claim "
                + ("is nowhere before it" if stands is None else f"stands at offset {stands}")
            )


def marks_of(job: dict[str, Any], begin: int) -> Iterator[int]:
    """Sequences where to look, rising: those of the job, or ever wider apart, which needs no knowledge of the end."""
    wanted = sorted(mark for mark in job["marks"] if mark > begin)
    if not job["spread"]:
        yield from wanted
        return
    at = begin
    while True:
        at = spread(at)
        while wanted and wanted[0] <= at:
            if wanted[0] < at:
                yield wanted[0]
            wanted.pop(0)
        yield at


def prove(job: dict[str, Any], say: Any) -> None:
    """Replays as the job says: app, journal, config, snapshots and snapshot (a file's path, or None), marks, spread,
    end, strict.
    """
    app = load_app(job["app"])
    config = Config(**job["config"])
    store = SnapshotStore(job["snapshots"]) if job["snapshots"] else None
    begin_with = Path(job["snapshot"]) if job["snapshot"] else None
    audit = Audit()
    with open_journal(
        job["journal"], settings=config.journal_settings, allow_finite_retention=config.allow_finite_retention
    ) as journal:
        try:
            walk = Walk(
                app,
                journal,
                config,
                ends_of(journal),
                store=store if begin_with else None,
                settings=store,
                fits=lambda info: info.path == begin_with,
                strict=job["strict"],
                check_hashes=job["strict"],
                witness=audit if job["strict"] and begin_with is None else None,
            )
        except (SnapshotError, JournalError) as error:
            if begin_with is None:
                raise
            say({"trouble": "snapshot", "text": str(error)})
            return
        with walk:
            _walk(job, walk, walk.listen(), audit, say)


def _walk(job: dict[str, Any], walk: Walk, tap: OutputTap, audit: Audit, say: Any) -> None:
    outputs = hashlib.blake2b(digest_size=16)
    told = time.monotonic()

    def progress(done: int, total: int, events: int) -> None:
        nonlocal told
        outputs.update(tap.take())
        if time.monotonic() - told > PROGRESS_EVERY_S:
            told = time.monotonic()
            say({"progress": [walk.plan.position, max(walk.end, walk.plan.position), walk.core.sequence]})

    def values() -> dict[str, Any]:
        outputs.update(tap.take())
        moment = walk.moment()
        return {
            "state": moment.state_hash.hex(),
            "sessions": f"{moment.sessions_hash:016x}",
            "outputs": outputs.hexdigest(),
        }

    end = job["end"]
    try:
        for mark in marks_of(job, walk.core.sequence):
            target = mark if end is None else min(mark, end)
            walk.forward(Target(sequence=target), progress)
            if walk.core.sequence < target or target == end:
                break
            say({"mark": walk.core.sequence, **values()})
        if end is None:
            walk.forward(Target(), progress)
        elif walk.core.sequence < end:
            walk.to(Target(sequence=end), progress)
        say({"mark": walk.core.sequence, **values()})
    except Diverged as error:
        say(
            {
                "trouble": "recorded",
                "sequence": error.sequence,
                "expected": error.recorded,
                "found": error.replayed,
                "text": str(error),
            }
        )
    except (CorruptJournal, Suspicious) as error:
        say({"trouble": "journal", "sequence": walk.core.sequence + 1, "text": str(error)})
    except Halted as error:
        raised = walk.core.stop == STOP_RAISED
        say({"trouble": "raised" if raised else "journal", "sequence": walk.core.sequence + 1, "text": str(error)})
    else:
        say({"end": walk.core.sequence, "claims": len(audit.claims), "void": audit.void, "hashes": walk.replay.hashes})


def main() -> int:
    job = json.load(sys.stdin)
    sys.path.extend(path for path in job["path"] if path not in sys.path)
    # What the application prints must not get between our lines.
    stdout, sys.stdout = sys.stdout, sys.stderr

    def say(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=stdout, flush=True)

    try:
        prove(job, say)
    except ProcessorError as error:
        say({"error": str(error), "exit_code": error.exit_code})
    return 0


if __name__ == "__main__":
    sys.exit(main())
