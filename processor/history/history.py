"""The past of an application: its state at any moment of its journal, as the application's own objects.

with History(app, "embedded:state/bank/journal", snapshots="state/bank/snapshots") as history:
    history.at(1000).state.balances
    history.at("2026-01-31T12:00:00").sequence
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from processor.app import App, load_app
from processor.config import Config
from processor.errors import WrongUse
from processor.history.events import PastEvent, PastOutput, event_of, outputs_of
from processor.history.plain import Change, changes, plain
from processor.history.target import Target, target_of
from processor.history.walk import Moment, Progress, Walk, ends_of
from processor.journal import open_journal
from processor.queries import ask, check_arguments
from processor.snapshot.layout import SnapshotInfo
from processor.snapshot.store import SnapshotStore

When = int | str | datetime.datetime | Target | None


@dataclass(frozen=True)
class Step:
    """One event of a replay: what it said, and the moment behind it (its state goes on with the next step)."""

    event: PastEvent
    outputs: tuple[PastOutput, ...]
    moment: Moment


class History:
    """The past in a journal, live or stopped; reads it without a lock and writes nothing, so a running service is not
    disturbed.

    `app` is an App, or its name MODULE:APP. `snapshots`: the service's directory; without it every answer is replayed
    from the first event. A moment is a sequence, a time (ns since the epoch, ISO text or a datetime; see
    history.target), or None for the end: a time means behind the last event whose timestamp is not later. `report`
    gets a line for each snapshot that cannot be used.

    Methods raise WrongUse for a moment that the journal does not hold, and what recovery raises: SchemaMismatch,
    SettingsMismatch, CorruptJournal, SnapshotError, Diverged when a recorded hash is another one, Halted when a handler raises. One
    thread at a time.
    """

    def __init__(
        self,
        app: App | str,
        journal: str,
        snapshots: str | Path | None = None,
        *,
        config: Config | None = None,
        report: Callable[[str], None] = lambda line: None,
        progress: Progress | None = None,
    ) -> None:
        self.app = load_app(app) if isinstance(app, str) else app
        self.app.check()
        self.config = config or Config()
        self.store = SnapshotStore(snapshots) if snapshots is not None else None
        if self.store is not None and not self.store.directory.is_dir():
            raise WrongUse(
                f"{snapshots}: there is no such directory of snapshots; leave it out to replay from the first event"
            )
        self.report, self.progress = report, progress
        self.journal = open_journal(
            journal, settings=self.config.journal_settings, allow_finite_retention=self.config.allow_finite_retention
        )
        self._ends: tuple[int, int] | None = None

    # ---- states

    def at(self, moment: When = None) -> Moment:
        """The state as it was at this moment, from the nearest snapshot before."""
        return self._at(target_of(moment), snapshots=True)

    def rebuild(self, moment: When = None) -> Moment:
        """The state at this moment (the end) from the first event, whatever snapshots there are."""
        return self._at(target_of(moment), snapshots=False)

    def query(self, name: str, *arguments: Any, at: When = None) -> Any:
        """The answer of a query that the application declares with @app.query, from the state at this moment."""
        check_arguments(self.app, name, arguments)
        return ask(self.app, self.at(at).state, name, arguments)

    def diff(self, before: When, after: When) -> list[Change]:
        """What changed between two moments. The second may be the earlier one: then it is told backwards."""
        first, second = target_of(before), target_of(after)
        with self.walk(first) as walk:
            walk.to(first, self.progress)
            known = plain(walk.core.state)
            if not _behind(walk, second):
                walk.to(second, self.progress)
                return list(changes(known, plain(walk.core.state)))
        return list(changes(known, plain(self.at(second).state)))

    def write_snapshot(
        self, directory: str | Path, moment: When = None, *, keep: str | None = None
    ) -> tuple[Moment, SnapshotInfo]:
        """Rebuilds from the first event and writes a snapshot into this directory, for a service to begin with."""
        with self.walk(target_of(moment), snapshots=False) as walk:
            walk.to(target_of(moment), self.progress)
            return self._moment(walk), walk.write_snapshot(Path(directory), keep)

    def write_snapshots(self, directory: str | Path, sequences: Iterable[int]) -> list[SnapshotInfo]:
        """Rebuilds once and writes a snapshot of each of these sequences, which rise; all of them stay."""
        targets = [Target(sequence=sequence) for sequence in sequences]
        with self.walk(Target(), snapshots=False) as walk:
            written = []
            for target in targets:
                walk.to(target, self.progress)
                written.append(walk.write_snapshot(Path(directory), snapshots_kept=len(targets)))
            return written

    # ---- events

    def replay(
        self,
        first: When = 1,
        last: When = None,
        *,
        on_output: Callable[[PastOutput], Any] | None = None,
        app: App | str | None = None,
    ) -> Moment:
        """Replays from the event `first` (a time: from the first one that is not earlier) to `last`; returns the
        moment behind.

        `on_output` gets every output on the way, in order. With another `app`, that one has run from the first event
        of the journal.
        """
        other = load_app(app) if isinstance(app, str) else app
        with self._begun(first, other) as walk:
            tap = walk.listen()

            def tell() -> None:
                frames = tap.take()
                if on_output is not None:
                    for output in outputs_of(walk.app.schema, frames):
                        on_output(output)

            def progress(done: int, total: int, events: int) -> None:
                tell()  # in between, too: memory is bounded by a turn's outputs
                if self.progress is not None:
                    self.progress(done, total, events)

            walk.to(target_of(last), progress)
            tell()
            return self._moment(walk)

    def steps(
        self,
        first: When = 1,
        last: When = None,
        *,
        app: App | str | None = None,
        before: Callable[[PastEvent, Any, Callable[[], None]], None] | None = None,
    ) -> Iterator[Step]:
        """The events from `first` to `last`, one by one, each with its outputs and the state behind it.

        `before(event, state, apply)`, if given, is called while the event is in hand and not applied; what it leaves
        to do is done behind it, so it may call `apply` itself, once (a debugger that steps into the handler does).
        """
        other = load_app(app) if isinstance(app, str) else app
        end = target_of(last)
        with self._begun(first, other) as walk:
            tap = walk.listen()
            while (slot := walk.waiting()) is not None:
                event = event_of(walk.app.schema, slot)
                if (end.sequence is not None and event.sequence > end.sequence) or (
                    end.time_ns is not None and event.timestamp > end.time_ns
                ):
                    return
                target = Target(sequence=event.sequence)
                if before is not None:
                    before(event, walk.core.state, lambda target=target: walk.to(target))  # type: ignore[misc]
                walk.to(target)
                yield Step(event, tuple(outputs_of(walk.app.schema, tap.take())), walk.moment())
            if end.sequence is not None and walk.core.sequence < end.sequence:
                walk.to(end)  # raises: it is past the end

    # ---- inside

    def _begun(self, first: When, app: App | None = None) -> Walk:
        """A walk that stands before the event `first`."""
        target = target_of(first)
        if target.sequence == 0:
            raise WrongUse("a replay begins with an event, and they count from 1: 0 is none")
        before = Target(
            None if target.sequence is None else target.sequence - 1,
            None if target.time_ns is None else target.time_ns - 1,
        )
        walk = self.walk(before, snapshots=app is None, app=app)
        try:
            walk.forward(before, self.progress)
            if walk.waiting() is None:
                walk.to(Target(sequence=walk.core.sequence + 1))
        except BaseException:
            walk.close()
            raise
        return walk

    def _at(self, target: Target, *, snapshots: bool) -> Moment:
        with self.walk(target, snapshots=snapshots) as walk:
            walk.to(target, self.progress)
            return self._moment(walk)

    def walk(self, target: Target, *, snapshots: bool = True, app: App | None = None) -> Walk:
        """A walk that begins at the nearest snapshot before the target, or without snapshots before the first event."""
        store = self.store if snapshots else None
        if self._ends is None or (store is not None and self._beyond(store)):
            self._ends = ends_of(self.journal)

        def fits(info: SnapshotInfo) -> bool:
            if target.sequence is not None:
                return info.sequence <= target.sequence
            return target.time_ns is None or info.meta.timestamp <= target.time_ns

        return Walk(
            app or self.app,
            self.journal,
            self.config,
            self._ends,
            store=store,
            settings=self.store,
            fits=fits,
            report=self.report,
            check_hashes=app is None,  # what other logic gives is not what was recorded
        )

    def _beyond(self, store: SnapshotStore) -> bool:
        """Whether there is a snapshot of what the journal has got since we looked where it ends."""
        assert self._ends is not None
        end = self._ends[1]
        return any(isinstance(found.info, SnapshotInfo) and found.info.position > end for found in store.files())

    def _moment(self, walk: Walk) -> Moment:
        self._ends = (walk.first, max(walk.end, walk.plan.position))
        return walk.moment()

    def close(self) -> None:
        """Lets go of the journal; the states that were handed out stay."""
        self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _behind(walk: Walk, target: Target) -> bool:
    """Whether the walk has passed the target."""
    if target.sequence is not None:
        return target.sequence < walk.core.sequence
    return target.time_ns is not None and target.time_ns < walk.core.timestamp


__all__ = ["Change", "History", "Moment", "PastEvent", "PastOutput", "Step", "Target"]
