"""A directory of snapshots in memory: what recovery asks of a SnapshotStore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from processor.errors import SnapshotError
from processor.snapshot.file import Snapshot
from processor.snapshot.layout import SnapshotInfo

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass
class SimulatedFile:
    """As processor.snapshot.store.Found: header and content are read when asked for."""

    snapshot: Snapshot
    torn: bool = False
    removed: bool = False
    kept: str | None = None

    @property
    def path(self) -> Path:
        return self.snapshot.info.path

    @property
    def sequence(self) -> int:
        return self.snapshot.info.sequence

    @property
    def info(self) -> SnapshotInfo | SnapshotError:
        return SnapshotError(f"{self.path} is gone") if self.removed else self.snapshot.info

    def read(self) -> Snapshot:
        if self.torn or self.removed:
            raise SnapshotError(f"{self.path} is {'torn' if self.torn else 'gone'}")
        return self.snapshot


class SimulatedStore:
    """`keep` of the newest good ones stay; a torn one stays until it is old."""

    def __init__(self, world: World, keep: int) -> None:
        self.world = world
        self.keep = keep
        self._files: list[SimulatedFile] = []

    def files(self) -> list[SimulatedFile]:
        found = sorted(self._files, key=lambda file: file.sequence, reverse=True)
        self.world.meanwhile()
        return found

    def write(self, snapshot: Snapshot, *, torn: bool) -> None:
        self.world.count("snapshots-while-another-starts", self.world.nested)
        self._files = [file for file in self._files if file.sequence != snapshot.info.sequence]
        self._files.append(SimulatedFile(snapshot, torn))
        self._files.sort(key=lambda file: file.sequence, reverse=True)
        good = [file for file in self._files if not file.torn]
        if len(good) > self.keep:
            oldest = good[self.keep - 1].sequence
            for file in self._files:
                file.removed = file.sequence < oldest
            self._files = [file for file in self._files if not file.removed]
