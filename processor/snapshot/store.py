"""A directory of snapshots: which are there, which are good, which may go."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from processor.errors import SnapshotError, WrongUse
from processor.snapshot.file import Snapshot, read_info, read_snapshot, write_snapshot
from processor.snapshot.layout import NAME, SnapshotInfo, SnapshotMeta
from processor.snapshot.state import encode_state, state_hash

KEEP_DEFAULT = 3


@dataclass(frozen=True)
class Found:
    """A snapshot's file in the directory. Header and content are read when asked for, each once."""

    path: Path
    sequence: int  # by its name
    kept: str | None

    @cached_property
    def info(self) -> SnapshotInfo | SnapshotError:
        """What its header says, or why it cannot be read. Says nothing of the rest of the file."""
        try:
            return read_info(self.path)
        except SnapshotError as error:
            return error

    @cached_property
    def error(self) -> SnapshotError | None:
        """None: the whole file was read and is good; else what is wrong with it."""
        try:
            self.read()
        except SnapshotError as error:
            return error
        return None

    @property
    def good(self) -> bool:
        return self.error is None

    def read(self) -> Snapshot:
        """The checked snapshot; raises SnapshotError."""
        return read_snapshot(self.path)


class SnapshotStore:
    """The snapshots of one processor. `keep`: how many of the newest stay, beside those that were kept by name."""

    def __init__(self, directory: str | os.PathLike[str], keep: int = KEEP_DEFAULT) -> None:
        if keep < 1:
            raise WrongUse(f"at least one snapshot is kept, not {keep}")
        self.directory = Path(directory)
        self.keep = keep

    def open(self) -> list[Path]:
        """Makes the directory where there is none and removes what a killed writer left there; returns what it removed.

        Raises SnapshotError when the directory cannot be made or written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            removed = [path for path in self.directory.glob(".*.tmp") if self._abandoned(path)]
        except OSError as error:
            raise SnapshotError(f"{self.directory}: cannot keep snapshots here: {error.strerror or error}") from error
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise SnapshotError(
                f"{self.directory}: no permission to write snapshots here: name another with --snapshots"
            )
        return removed

    @staticmethod
    def _abandoned(path: Path) -> bool:
        """Removes a temporary file of ours that nobody writes any more."""
        if NAME.fullmatch(path.name[1:].rpartition(".snap.")[0] + ".snap") is None:
            return False
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            path.unlink(missing_ok=True)
        return True

    def files(self) -> list[Found]:
        """All that have a snapshot's name, newest first; temporary ones and other files are not looked at."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SnapshotError(f"{self.directory}: cannot be listed: {error.strerror or error}") from error
        found = [
            Found(self.directory / name, int(match["sequence"]), match["kept"])
            for name in names
            if (match := NAME.fullmatch(name)) is not None
        ]
        return sorted(found, key=lambda one: one.sequence, reverse=True)

    def newest_good(
        self, journal_id: int, skip: Callable[[Found, SnapshotError], Any] = lambda found, error: None
    ) -> Snapshot | None:
        """The newest that reads back whole; `skip` is told of each that does not. None: there is none.

        Raises SnapshotError when it comes upon a whole one of another journal.
        """
        for found in self.files():
            try:
                snapshot = found.read()
            except SnapshotError as error:
                skip(found, error)
                continue
            check_journal(snapshot.info, journal_id)
            return snapshot
        return None

    def write(
        self,
        meta: SnapshotMeta,
        state: Any,
        sessions: bytes,
        *,
        timers: bytes = b"",
        quarantine: Sequence[int] = (),
        keep: str | None = None,
    ) -> SnapshotInfo:
        """Encodes the state, writes the file, and removes what is older than the newest `self.keep`.

        Raises SnapshotError or OverflowError; the snapshots that were there stay.
        """
        started_ns = time.monotonic_ns()
        export = encode_state(state, ordered=True)
        info = write_snapshot(
            self.directory,
            meta,
            export,
            sessions,
            timers=timers,
            quarantine=quarantine,
            keep=keep,
            canonical_hash=None if export.canonical else state_hash(state),
            started_ns=started_ns,
        )
        self.prune(written=info)
        return replace(info, seconds=(time.monotonic_ns() - started_ns) / 1e9)

    def prune(self, written: SnapshotInfo | None = None) -> Sequence[Path]:
        """Removes what is older than the newest `keep`; returns what went.

        Never removed are those kept by name, those of another journal, the one just `written`, and the last good one:
        when none of those that stay is good (`written` counts as good), the newest good one of the others stays, too.
        """
        ours = [found for found in self.files() if found.kept is None]
        headed = [(found, found.info.meta.journal_id) for found in ours if isinstance(found.info, SnapshotInfo)]
        journal_id = written.meta.journal_id if written else headed[0][1] if headed else 0
        newest = [found for found, journal in headed if journal == journal_id][: self.keep]
        if len(newest) < self.keep:
            return []
        foreign = [found for found, journal in headed if journal != journal_id]
        kept = [*newest, *foreign, *(found for found in ours if written and found.path == written.path)]
        old = [found for found in ours if found.sequence < newest[-1].sequence and found not in kept]
        if old and not (written or any(found.good for found in newest)):
            spared = next((found for found in old if found.good), None)
            old = [found for found in old if found is not spared]
        for found in old:
            try:
                found.path.unlink(missing_ok=True)
            except OSError as error:
                raise SnapshotError(
                    f"{found.path}: cannot remove this old snapshot: {error.strerror}; the new one is written"
                ) from error
        return [found.path for found in old]


def check_journal(info: SnapshotInfo, journal_id: int) -> None:
    """Raises SnapshotError when a snapshot belongs to another journal."""
    if info.meta.journal_id != journal_id:
        raise SnapshotError(
            f"{info.path}: is a snapshot of journal {info.meta.journal_id:016x} ({info.meta.journal_url}), this one is "
            f"{journal_id:016x}: name the directory of its own snapshots with --snapshots, or an empty one"
        )
