"""What an encoding or decoding of a state carries along: raw bytes beside the tree, objects seen, paths to misfits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class Misfit(Exception):
    """A value that is not what was declared; collects the path to it on its way up."""

    def __init__(self, text: str, overflow: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.overflow = overflow
        self.path: list[str | int] = []

    def inside(self, step: str | int) -> Misfit:
        self.path.insert(0, step)
        return self

    def where(self, root: str) -> str:
        return root + "".join(f"[{step}]" if isinstance(step, int) else step for step in self.path)


class Chunked(Protocol):
    """Raw bytes that stand behind the tree, given piece by piece."""

    @property
    def nbytes(self) -> int: ...
    def chunks(self) -> Iterator[memoryview]: ...


class Writing:
    """One encoding. `ordered` keeps dicts in insertion order; `canonical` tells whether that made a difference."""

    def __init__(self, ordered: bool) -> None:
        self.ordered = ordered
        self.canonical = True
        self.blobs: list[Chunked] = []
        self.blob_bytes = 0
        self._seen: set[int] = set()

    def once(self, value: Any) -> None:
        """Refuses an object that is in the state twice: after loading there would be two, which change apart."""
        if id(value) in self._seen:
            raise Misfit(
                f"the same {type(value).__name__} object is in the state twice; after recovery they would be two: "
                "keep it in one place and refer to it by key"
            )
        self._seen.add(id(value))

    def put(self, blob: Chunked) -> int:
        """Where among the raw bytes this blob will stand."""
        offset = self.blob_bytes
        self.blobs.append(blob)
        self.blob_bytes += blob.nbytes
        return offset


class Reading:
    """One decoding: the raw bytes behind the tree."""

    def __init__(self, blobs: memoryview) -> None:
        self._blobs = blobs

    def get(self, offset: Any, nbytes: int) -> memoryview:
        if type(offset) is not int or not 0 <= offset <= offset + nbytes <= len(self._blobs):
            raise Misfit(f"{nbytes} raw bytes at {offset!r} are outside of the {len(self._blobs)} that are there")
        return self._blobs[offset : offset + nbytes]
