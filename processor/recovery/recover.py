"""From snapshot and journal to a state that leads: the thin layer of I/O around the recovery plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processor.app import App
from processor.config import Config
from processor.counters import Counters
from processor.errors import CorruptJournal, Halted, JournalError, ProcessorError, SchemaMismatch, SnapshotError
from processor.journal.base import Journal, JournalReader, checksum
from processor.layout import BLOCK_HEADER
from processor.leadership.claim import (
    BLOCK_CLAIM,
    Claim,
    SessionSettings,
    build_claim,
    check_schema,
    check_sessions,
    new_writer,
    parse_claim,
)
from processor.leadership.validity import LeaderLog
from processor.logic.core import Core
from processor.logic.session_export import exported_settings
from processor.logic.sessions import Sessions
from processor.recovery.plan import PHASE_REPLAY, PLAN_CLAIM, PLAN_CLAIM_AGAIN, PLAN_LEAD, PLAN_SKIP, RecoveryPlan
from processor.recovery.replay import BUSY, IDLE, REACHED, Replay
from processor.schema import Schema
from processor.snapshot.choice import Candidate, Choice, LastBlock, check_last_block, choose
from processor.snapshot.file import Snapshot
from processor.snapshot.layout import SnapshotInfo
from processor.snapshot.store import Found, SnapshotStore

EVENTS_A_TURN = 200_000
FIRST_CLAIM_AMONG = 1_000      # records at the journal's beginning among which its first claim is looked for


@dataclass
class Recovered:
    """A state that may lead: `log` begins behind our claim."""

    core: Core
    log: LeaderLog
    store: SnapshotStore
    journal_id: int
    snapshot: SnapshotInfo | None
    events: int
    seconds: float


class Interrupted(ProcessorError):
    """Stopped while it recovered, before it led: it has written nothing but, at most, a claim."""

    exit_code = 0


def recover(
    app: App,
    journal: Journal,
    directory: Path,
    config: Config,
    *,
    counters: Counters,
    progress: Callable[[int, int, int], None] | None = None,
    report: Callable[[str], None] = print,
    should_stop: Callable[[], bool] = lambda: False,
) -> Recovered:
    """Finds the newest usable snapshot, replays what follows, claims, and ends at the claim.

    Raises ProcessorError (a refusal leaves no claim): SnapshotError, SchemaMismatch, SettingsMismatch,
    CorruptJournal, Diverged, Halted when a handler raises, JournalError when there is no progress for config.recovery_stall_s.
    """
    started = time.monotonic()
    store = SnapshotStore(directory, config.snapshots_kept)
    store.open()
    snapshot, choice = find_beginning(app, journal, store, report)
    core, plan = resume(app, config, counters, snapshot, choice)
    if snapshot is not None:
        compare_last_block(journal, snapshot.info)
    reader = journal.reader(plan.position)
    try:
        replay = Replay(core, reader, plan, check_hashes=config.check_hashes)
        if snapshot is not None:
            replay.know_hash(snapshot.info.sequence, snapshot.info.state_hash, snapshot.info.sessions_hash)

        def claim_at_end() -> bool:
            _claim(app, journal, config, plan)
            return False

        follow(app, journal, directory, config, replay, plan, core, end=lambda: journal.ends()[1], at_end=claim_at_end,
               progress=progress, should_stop=should_stop)
    finally:
        reader.close()
    seconds = time.monotonic() - started
    origin = "the first event" if snapshot is None else f"snapshot {snapshot.info.sequence}"
    report(f"recovered {replay.events} events from {origin} in {seconds:.3f} s")
    return Recovered(
        core, plan.leader_log(), store, plan.validity.journal_id, snapshot.info if snapshot else None, replay.events,
        seconds
    )


def founding_claim(app: App, journal: Journal, first: int, end: int) -> Claim | None:
    """The journal's first claim, None when none is there; raises SchemaMismatch if another application founded it."""
    reader = journal.reader(first)
    try:
        for _ in range(FIRST_CLAIM_AMONG):
            if reader.position >= end:
                return None
            record = reader.read(timeout_s=10)
            if record is None:
                return None
            offset, _, header, data = record
            head = np.frombuffer(header, BLOCK_HEADER)[0]
            if head["kind"] == BLOCK_CLAIM and head["first_sequence"] == head["epoch_writer"]:
                where = f"{journal.url}, offset {offset}"
                claim = parse_claim(header, data, where)
                if claim.application != app.name:
                    check_schema(claim.schema, app.schema, journal.url)
                return claim
    finally:
        reader.close()
    return None


def find_beginning(
    app: App, journal: Journal, store: SnapshotStore, report: Callable[[str], None]
) -> tuple[Snapshot | None, Choice]:
    """The snapshot to begin with, whole and checked, or None for the first event; what is passed over is reported.

    Raises SnapshotError when there is none to begin with, SchemaMismatch if another application founded the journal.
    """
    # The files come first: the leader whom we follow may still be alive and write another one. An end that was asked
    # for before that would lie below its position, as if the journal had lost records.
    files = store.files()
    first, end = journal.ends()
    founded = founding_claim(app, journal, first, end)
    return newest_usable(files, founded.journal_id if founded else 0, first, end, report)


def newest_usable(
    files: Iterable[Found], journal_id: int, first: int, end: int, report: Callable[[str], None]
) -> tuple[Snapshot | None, Choice]:
    """The newest of these snapshots, whole and checked, or None for the first event; what is passed over is reported.

    `first` and `end` are the journal's, asked for after the files were listed. Raises what `choose` does.
    """
    found = {one.path.name: one for one in files}
    read: dict[str, Snapshot] = {}

    def check(candidate: Candidate) -> str:
        try:
            read[candidate.name] = found[candidate.name].read()
        except SnapshotError as error:
            return str(error)
        return ""

    choice = choose(
        [_candidate(one) for one in found.values()], journal_id=journal_id, log_first=first, log_end=end, check=check
    )
    for name, reason in choice.skipped:
        report(f"warning: snapshot {name} is not used: {reason}")
    return (read[choice.snapshot.name] if choice.snapshot else None), choice


def _candidate(found: Found) -> Candidate:
    info = found.info
    if not isinstance(info, SnapshotInfo):
        return Candidate(found.path.name, found.sequence, problem=str(info))
    meta = info.meta
    return Candidate(
        found.path.name, meta.sequence, meta.position, meta.journal_id, meta.last_block_offset, meta.last_block_checksum
    )


def resume(
    app: App, config: Config, counters: Counters, snapshot: Snapshot | None, choice: Choice
) -> tuple[Core, RecoveryPlan]:
    """Core and plan as they stand at the snapshot, or before the first event.

    Raises SchemaMismatch or SettingsMismatch for a snapshot of another schema or of other session settings,
    SnapshotError when its session table cannot be loaded.
    """
    sessions = Sessions(config.window, config.kept_bytes_max, config.sessions_max)
    if snapshot is None:
        core = Core(app, sessions, counters=counters)
        return core, RecoveryPlan(choice.position, slot_bytes=app.schema.slot_bytes)
    meta = snapshot.info.meta
    check_schema(Schema.parse(meta.schema), app.schema, str(snapshot.info.path))
    assert app.state_type is not None
    try:
        settings = SessionSettings(*exported_settings(bytes(snapshot.sessions[:64])))
        check_sessions(settings, SessionSettings.of(config), str(snapshot.info.path))
        sessions.load(bytes(snapshot.sessions))
    except ValueError as error:
        raise SnapshotError(f"{snapshot.info.path}: the session table cannot be loaded: {error}") from error
    core = Core(app, sessions, state=snapshot.load_state(app.state_type), counters=counters)
    core.restore(meta.sequence, meta.timestamp)
    plan = RecoveryPlan(
        meta.position, journal_id=meta.journal_id, epoch_offset=meta.epoch_offset, epoch_writer=meta.epoch_writer,
        next_sequence=meta.next_sequence, last_block_offset=meta.last_block_offset, slot_bytes=app.schema.slot_bytes,
    )
    return core, plan


def compare_last_block(journal: Journal, info: SnapshotInfo) -> None:
    """Raises SnapshotError unless the snapshot's last applied block reads as it did."""
    meta = info.meta
    first = journal.ends()[0]
    found = None
    if meta.last_block_offset >= first:
        try:
            record = read_at(journal, meta.last_block_offset)
        except (CorruptJournal, JournalError) as error:
            raise SnapshotError(
                f"{info.path}: its last applied block cannot be read at offset {meta.last_block_offset} "
                f"({error}): it is a "
                "snapshot of another journal, or the journal was changed"
            ) from error
        if record is not None and record[0] == meta.last_block_offset:
            head = np.frombuffer(record[2], BLOCK_HEADER)[0]
            found = LastBlock(int(head["epoch_offset"]), int(head["epoch_writer"]), checksum(record[3]))
    candidate = Candidate(
        info.path.name, meta.sequence, meta.position, meta.journal_id, meta.last_block_offset, meta.last_block_checksum
    )
    check_last_block(candidate, meta.epoch_offset, meta.epoch_writer, found, log_first=first)


def read_at(journal: Journal, offset: int) -> tuple[int, int, bytes, bytes] | None:
    """The record at this offset, or the first one behind it; None at the end."""
    reader: JournalReader = journal.reader(offset)
    try:
        return reader.read(timeout_s=10)
    finally:
        reader.close()


def follow(
    app: App, journal: Journal, directory: Path | None, config: Config, replay: Replay, plan: RecoveryPlan, core: Core, *,
    end: Callable[[], int], at_end: Callable[[], bool],
    progress: Callable[[int, int, int], None] | None = None, should_stop: Callable[[], bool] = lambda: False,
    witness: Callable[[int], None] | None = None,
) -> int:
    """Replays until the plan says to lead (PLAN_LEAD), what replay.stop_after named is REACHED, or `at_end` is content
    (IDLE).

    `end` tells where the log ended a moment ago; `at_end` is asked each time that the replay has come there: False
    goes on. `witness` is told of each claim, and in a strict replay of each void record, while it is in replay's hand.
    `directory` holds the snapshots, for finding out which event of a run raised. Raises what `recover` does.
    """
    begin = plan.position
    moved_at, moved_from = time.monotonic(), plan.position
    while True:
        action = replay.run(EVENTS_A_TURN, 20)
        if core.trouble:
            raise _halted(app, journal, directory, config, core)
        if action in (PLAN_LEAD, REACHED):
            return action
        if action in (PLAN_CLAIM, PLAN_SKIP):
            if action == PLAN_CLAIM:
                claim = parse_claim(replay.header, replay.data, f"{journal.url}, offset {replay.offset}")
                check_schema(claim.schema, app.schema, f"{journal.url}, offset {replay.offset}")
                _check_epoch(journal, config, claim, replay.offset, plan.position)
            if witness is not None:
                witness(action)
        elif action == PLAN_CLAIM_AGAIN:
            _claim(app, journal, config, plan)
        elif action not in (BUSY, IDLE):
            raise CorruptJournal(f"{journal.url}: {plan.problem(action)}")
        now = time.monotonic()
        if plan.position != moved_from:
            moved_at, moved_from = now, plan.position
        if progress is not None and (action == BUSY or now - moved_at < 1):
            progress(plan.position - begin, max(plan.position, end()) - begin, replay.events)
        if should_stop():
            claimed = "its claim was appended, but it never led" if plan.phase != PHASE_REPLAY else "nothing was claimed"
            raise Interrupted(f"stopped while it recovered: {claimed}, and no event was written")
        if action in (BUSY, IDLE) and plan.phase == PHASE_REPLAY and plan.near_end(end()) and at_end():
            return IDLE
        if action == IDLE and now - moved_at > config.recovery_stall_s:
            raise JournalError(
                f"{journal.url}: recovery has made no progress for {config.recovery_stall_s:g} s at offset "
                f"{plan.position} "
                f"(the journal ends at {end()}): nothing was started on an old state. Is the broker well?"
            )


def _check_epoch(journal: Journal, config: Config, claim: Claim, offset: int, behind: int) -> None:
    """Raises SettingsMismatch when events were applied with other session settings behind this claim.

    A claim without a block is none's: of a service that claimed in the same moment as another one and was refused then.
    It must not keep everybody out.
    """
    ours = SessionSettings.of(config)
    if claim.sessions in (None, ours):
        return
    reader = journal.reader(behind)
    try:
        while (record := reader.read(timeout_s=0.0 if reader.position >= journal.ends()[1] else 10.0)) is not None:
            head = np.frombuffer(record[2], BLOCK_HEADER)[0]
            if head["kind"] == BLOCK_CLAIM:
                return
            if head["epoch_offset"] == offset and head["epoch_writer"] == claim.writer:
                check_sessions(claim.sessions, ours, f"{journal.url}: what follows the claim at offset {offset}")
    finally:
        reader.close()


def first_settings(journal: Journal, first: int, end: int) -> SessionSettings | None:
    """The session settings of the first claim that events follow and that tells them; None when it is not found near
    the journal's beginning.
    """
    reader = journal.reader(first)
    claims: dict[int, Claim] = {}
    try:
        for _ in range(FIRST_CLAIM_AMONG):
            record = reader.read(timeout_s=10) if reader.position < end else None
            if record is None:
                return None
            head = np.frombuffer(record[2], BLOCK_HEADER)[0]
            if head["kind"] == BLOCK_CLAIM:
                claims[record[0]] = parse_claim(record[2], record[3], f"{journal.url}, offset {record[0]}")
            elif (claim := claims.get(int(head["epoch_offset"]))) is not None and claim.sessions is not None:
                return claim.sessions
    finally:
        reader.close()
    return None


def _halted(app: App, journal: Journal, directory: Path | None, config: Config, core: Core) -> Halted:
    from processor.recovery.name_event import name_event  # which begins as this module does

    trouble, sequence = core.trouble, core.sequence + 1
    if core.raised_events > 1 and directory is not None:
        trouble, sequence = name_event(app, journal, directory, config, core)
    return Halted(
        f"{trouble}; this event is in the journal and stops every replay. Look at it with: processor journal dump "
        f"{journal.url} --from {sequence} --to {sequence}"
    )


def _claim(app: App, journal: Journal, config: Config, plan: RecoveryPlan) -> None:
    writer = new_writer()
    header, data = build_claim(
        writer, plan.claimed(writer), app.schema, app.version, sessions=SessionSettings.of(config)
    )
    journal.append_record(header, data)


__all__ = [
    "Interrupted", "Recovered", "SchemaMismatch", "find_beginning", "first_settings", "follow", "founding_claim",
    "newest_usable", "read_at", "recover", "resume",
]
