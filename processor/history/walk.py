"""A recovery that stops early: from the nearest snapshot, or the first event, to a moment, and on to later ones."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from processor.app import App
from processor.config import Config
from processor.counters import Counters
from processor.errors import CorruptJournal, JournalError, SnapshotError, WrongUse
from processor.history.target import Target, time_text
from processor.journal.base import Journal, checksum
from processor.journal.url import parse_url
from processor.layout import HEADER
from processor.leadership.claim import SessionSettings
from processor.logic.session_export import exported_settings
from processor.outputs.tap import OutputTap
from processor.recovery.plan import snapshot_position
from processor.recovery.recover import (
    compare_last_block,
    first_settings,
    follow,
    founding_claim,
    newest_usable,
    read_at,
    resume,
)
from processor.recovery.replay import Replay
from processor.snapshot.file import Snapshot
from processor.snapshot.layout import SnapshotInfo, SnapshotMeta
from processor.snapshot.state import state_hash
from processor.snapshot.store import SnapshotStore

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Moment:
    """The state behind the event `sequence`, whose time is `timestamp` (ns since the epoch; 0 before the first event).

    `state` is the application's own object. It is yours: to change it changes nothing in the journal.
    """

    sequence: int
    timestamp: int
    state: Any
    sessions_hash: int

    @cached_property
    def state_hash(self) -> bytes:
        """16 bytes: the hash that the journal and snapshots record, of the state as it is when this is asked first.

        Raises SnapshotError for a state that no snapshot could hold (a value that is not as declared).
        """
        try:
            return state_hash(self.state)
        except OverflowError as error:
            raise SnapshotError(f"behind sequence {self.sequence} {error}") from error


def ends_of(journal: Journal) -> tuple[int, int]:
    """Where the journal begins and ends, as far as can be told: what lies before a damage can be asked for all the
    same.
    """
    try:
        return journal.ends()
    except CorruptJournal:
        return 0, 2**62  # the embedded journal's, which begins at 0; the replay meets the damage when it comes there


class Walk:
    """Core, plan and replay on their way through a journal that may be live: reads, and writes nothing anywhere.

    `store` None ignores snapshots; else the newest one that `fits` is where it begins. `settings`: where snapshots may
    tell the service's session settings when the claims do not. `ends` is where the journal ends, as far as the caller
    knows; the end is looked up again when the walk comes there. Raises as recovery does. Close it.
    """

    def __init__(
        self,
        app: App,
        journal: Journal,
        config: Config,
        ends: tuple[int, int],
        *,
        store: SnapshotStore | None = None,
        settings: SnapshotStore | None = None,
        fits: Callable[[SnapshotInfo], bool] = lambda info: True,
        report: Callable[[str], None] = lambda line: None,
        strict: bool = False,
        check_hashes: bool = True,
        witness: Callable[[Walk, int], None] | None = None,
    ) -> None:
        self.app, self.journal = app, journal
        self.first, self.end = ends
        self._witness = witness
        founded = founding_claim(app, journal, self.first, self.end)
        self.journal_id = founded.journal_id if founded else 0
        self._directory = store.directory if store is not None else None
        files = [
            one for one in (store.files() if store is not None else ())
            if not isinstance(one.info, SnapshotInfo) or fits(one.info)
        ]
        if any(isinstance(one.info, SnapshotInfo) and one.info.meta.position > self.end for one in files):
            # A running service has written it since the end was asked for; or the journal has lost what it says.
            self.end = ends_of(journal)[1]
        snapshot, choice = newest_usable(files, self.journal_id, self.first, self.end, report)
        if snapshot is None and self.first == self.end:
            raise JournalError(f"{journal.url}: the journal is empty, so it has no past")
        self.snapshot = snapshot.info if snapshot is not None else None
        self.config = config = self._with_settings(config, snapshot, settings or store)
        self.core, self.plan = resume(app, config, Counters(), snapshot, choice)
        if snapshot is not None:
            compare_last_block(journal, snapshot.info)
        self.reader = journal.reader(self.plan.position)
        try:
            self.replay = Replay(self.core, self.reader, self.plan, check_hashes=check_hashes, strict=strict)
            if snapshot is not None:
                self.replay.know_hash(snapshot.info.sequence, snapshot.info.state_hash, snapshot.info.sessions_hash)
        except BaseException:
            self.reader.close()
            raise

    def _with_settings(self, config: Config, snapshot: Snapshot | None, store: SnapshotStore | None) -> Config:
        """The config with the session settings that the service ran with: they are part of a session table's export,
        and so of the hash that the journal records.

        A snapshot tells them, or the claims; for a journal from before claims told them any snapshot that reads.
        """
        told = _settings_of(snapshot) if snapshot is not None else first_settings(self.journal, self.first, self.end)
        if told is None:
            for found in store.files() if store is not None else ():
                with contextlib.suppress(SnapshotError):
                    told = _settings_of(found.read())
                    break
        if told is None:
            return config
        room = 1 << (told.window - 1).bit_length()
        return replace(config, **asdict(told), ring_slots=max(config.ring_slots, room))

    def listen(self) -> OutputTap:
        """Where the outputs of all that is applied from here on can be taken from."""
        tap = OutputTap()
        self.core.listen(tap)
        return tap

    def to(self, target: Target, progress: Progress | None = None) -> None:
        """Goes on to the target. Raises WrongUse when the journal does not hold it, or it lies before what was
        applied.
        """
        sequence, time_ns = target.sequence, target.time_ns
        begin = self.core.sequence
        if (sequence is not None and sequence < begin) or (
            time_ns is not None and begin and time_ns < self.core.timestamp
        ):
            raise WrongUse(f"{target} lies before sequence {begin}, where this walk is: begin another one")
        self.forward(target, progress)
        if sequence is not None and self.core.sequence < sequence:
            raise WrongUse(
                f"{self.journal.url}: there is no sequence {sequence}: the journal ends at sequence "
                f"{self.core.sequence}"
                + (f" ({time_text(self.core.timestamp)})" if self.core.sequence else "")
            )
        if time_ns is not None and self.core.sequence == 0:
            waiting = self.waiting()
            text = "it holds no event" if waiting is None else f"its first event is of {time_text(_timestamp(waiting))}"
            raise WrongUse(f"{self.journal.url}: {time_text(time_ns)} is before the journal's first event: {text}")

    def waiting(self) -> bytes | None:
        """The slot of the next event, which is not applied yet; None at the journal's end."""
        if self.replay.waiting is None:
            self.forward(Target(time_ns=-(2**63)))
        return self.replay.waiting

    def forward(self, target: Target, progress: Progress | None = None) -> None:
        """As `to`, but content with what the journal holds."""
        sequence = target.sequence
        begin = self.core.sequence
        told = progress
        if progress is not None and sequence is not None:
            # What is to be done is known in events then, which says more than positions of a journal that goes on
            # behind.
            def told(done: int, total: int, events: int) -> None:
                progress(self.core.sequence - begin, sequence - begin, events)

        self.replay.stop_after(sequence, target.time_ns)
        follow(
            self.app,
            self.journal,
            self._directory,
            self.config,
            self.replay,
            self.plan,
            self.core,
            end=lambda: self.end,
            at_end=self._at_end,
            progress=told,
            witness=None if self._witness is None else lambda action: self._witness(self, action),  # type: ignore[misc]
        )

    def _at_end(self) -> bool:
        """Whether the journal has not grown meanwhile."""
        before, self.end = self.end, ends_of(self.journal)[1]
        return self.end <= before

    def moment(self) -> Moment:
        """The state as it is now: the core's own object, so go no further while it is in use."""
        return Moment(self.core.sequence, self.core.timestamp, self.core.state, self.core.sessions.hash64())

    def write_snapshot(
        self, directory: Path, keep: str | None = None, snapshots_kept: int | None = None
    ) -> SnapshotInfo:
        """Writes the state as it is now as a snapshot that a service can begin with. Raises SnapshotError."""
        offset, next_offset, epoch_offset, epoch_writer, first_sequence, count = self.plan.last_block
        following = self.core.sequence + 1
        record = read_at(self.journal, offset) if count else None
        if record is None:
            raise SnapshotError(
                f"{self.journal.url}: nothing was applied since "
                f"{self.snapshot.path if self.snapshot else 'the beginning'}, so "
                "there is nothing to write"
            )
        app = self.app
        meta = SnapshotMeta(
            application=app.name,
            application_version=app.version,
            fingerprint=app.schema.fingerprint,
            schema=app.schema.text,
            journal_id=self.journal_id,
            journal_url=self.journal.url,
            partition=parse_url(self.journal.url).partition or 0,
            position=snapshot_position(offset, next_offset, first_sequence, count, following),
            next_sequence=following,
            epoch_offset=epoch_offset,
            epoch_writer=epoch_writer,
            last_block_offset=offset,
            last_block_checksum=checksum(record[3]),
            timestamp=self.core.timestamp,
            created=time.time_ns(),
        )
        store = SnapshotStore(directory, snapshots_kept or self.config.snapshots_kept)
        store.open()
        return store.write(meta, self.core.state, self.core.sessions.export(), keep=keep)

    def close(self) -> None:
        self.core.listen(None)
        self.reader.close()

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _settings_of(snapshot: Snapshot) -> SessionSettings:
    try:
        return SessionSettings(*exported_settings(bytes(snapshot.sessions[:64])))
    except ValueError as error:
        raise SnapshotError(f"{snapshot.info.path}: the session table cannot be read: {error}") from error


def _timestamp(slot: bytes) -> int:
    return int(np.frombuffer(slot, HEADER, 1)["timestamp"][0])
