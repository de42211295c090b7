"""One snapshot's file: written whole or not at all, read only when every byte is as it was written (see layout.py)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from processor.errors import SnapshotError, WrongUse
from processor.snapshot.arrays import Bytes
from processor.snapshot.layout import (
    END,
    END_DIGESTED_BYTES,
    END_MAGIC,
    HEADER,
    MAGIC,
    NAME,
    SECTIONS,
    STATE_IS_CANONICAL,
    VERSION,
    SnapshotInfo,
    SnapshotMeta,
    crc32c,
    file_name,
    meta_of,
    pack_end,
    pack_header,
    sessions_hash,
)
from processor.snapshot.state import Export, decode_state, state_hash

PIECE_BYTES = 1 << 20
DIGEST_BYTES = 16
TEXT_BYTES_MAX = 16 << 20

State = TypeVar("State")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was read and found whole. The sections are views of one buffer."""

    info: SnapshotInfo
    state: memoryview
    sessions: memoryview
    timers: memoryview
    quarantine: tuple[int, ...]

    def load_state(self, state_type: type[State]) -> State:
        """The state; raises SnapshotError when it is not of this type, or does not have the hash that was written."""
        try:
            state = decode_state(state_type, self.state)
        except SnapshotError as error:
            raise SnapshotError(f"{self.info.path}: {error}") from error
        found = state_hash(state)
        if found != self.info.state_hash:
            raise SnapshotError(
                f"{self.info.path}: the state read from it has the hash {found.hex()}, the one written had "
                f"{self.info.state_hash.hex()}: {state_type.__name__} does not come back as it was written; "
                "report this, and recover from the first event"
            )
        return state


def write_snapshot(
    directory: str | os.PathLike[str],
    meta: SnapshotMeta,
    state: Export | bytes,
    sessions: bytes,
    *,
    timers: bytes = b"",
    quarantine: Sequence[int] = (),
    keep: str | None = None,
    canonical_hash: bytes | None = None,
    started_ns: int | None = None,
) -> SnapshotInfo:
    """Writes one file, syncs it, gives it its name, syncs the directory; an older file of that name is replaced.

    `canonical_hash` is the state's hash, needed when its bytes are not the canonical form. `started_ns` (monotonic) is
    when taking it began. Raises SnapshotError naming the directory when it cannot be written: nothing is left behind
    then, and what was there before stays; as when a file of that name is another journal's.
    """
    started_ns = time.monotonic_ns() if started_ns is None else started_ns
    export = state if isinstance(state, Export) else Export([Bytes(state)], canonical=True)
    if not export.canonical and canonical_hash is None:
        raise WrongUse("a state that is not in its canonical form is written with its hash")
    path = Path(directory) / file_name(meta.sequence, keep)
    sections = {"sessions": sessions, "timers": timers, "quarantine": np.array(quarantine, "<u8").tobytes()}
    lengths = {"state": len(export), **{name: len(data) for name, data in sections.items()}}
    header = pack_header(meta, lengths, export.canonical)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _refuse_to_replace(path, meta)
    try:
        with _Writer(temporary) as writer:
            writer.reserve(len(header) + sum(lengths.values()) + END.itemsize)
            digest = hashlib.blake2b(header, digest_size=DIGEST_BYTES)
            state_digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
            writer.write(header)
            for piece in export:
                state_digest.update(piece)
                writer.write(piece)
            for data in sections.values():
                digest.update(data)
                writer.write(data)
            found = state_digest.digest()
            hashed = found if export.canonical else canonical_hash or b""
            end = pack_end(hashed, found, sessions_hash(sessions), time.monotonic_ns() - started_ns)
            digest.update(end)
            writer.write(end + digest.digest() + bytes(4))
            writer.write(writer.checksum.to_bytes(4, "little"))
            _refuse_to_replace(path, meta)      # writing takes a while
            writer.finish(path)
    except OSError as error:
        raise SnapshotError(
            f"{directory}: cannot write the snapshot of sequence {meta.sequence}: {error.strerror or error}; the ones "
            "before it are untouched: make room there, or name another directory with --snapshots"
        ) from error
    seconds = (time.monotonic_ns() - started_ns) / 1e9
    return SnapshotInfo(path, meta, hashed, sessions_hash(sessions), writer.bytes, seconds, keep)


def _refuse_to_replace(path: Path, meta: SnapshotMeta) -> None:
    """Raises SnapshotError when a snapshot of another journal has this name; a damaged file may be replaced."""
    try:
        there = read_info(path).meta
    except SnapshotError:
        return      # nothing there that anybody could use
    if there.journal_id != meta.journal_id:
        raise SnapshotError(
            f"{path}: is there already, as a snapshot of journal {there.journal_id:016x} ({there.journal_url}), and is not "
            f"replaced by one of journal {meta.journal_id:016x} ({meta.journal_url}): two services share this directory; give "
            "each its own with --snapshots"
        )


class _Writer:
    """A temporary file that becomes the real one, or goes away. Its lock says that it is still being written."""

    def __init__(self, temporary: Path) -> None:
        self._temporary = temporary
        self.checksum = 0
        self.bytes = 0

    def __enter__(self) -> _Writer:
        self._file = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._named = False
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._named:
            self._temporary.unlink(missing_ok=True)
        os.close(self._file)

    def reserve(self, size: int) -> None:
        """Takes the room at once, so that a full disk is known before the work is done."""
        os.posix_fallocate(self._file, 0, size)

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        self.bytes += len(view)
        for first in range(0, len(view), PIECE_BYTES):
            piece = view[first : first + PIECE_BYTES]
            self.checksum = crc32c(piece, self.checksum)
            while len(piece):
                piece = piece[os.write(self._file, piece) :]

    def finish(self, path: Path) -> None:
        os.fsync(self._file)
        os.replace(self._temporary, path)
        self._named = True
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Makes the names in it durable."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def read_info(path: str | os.PathLike[str]) -> SnapshotInfo:
    """What header and end mark say, without reading what lies between: quick, and no proof that the file is whole.

    Raises SnapshotError when the header is damaged or the file is not as long as it says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEADER.itemsize)
            text_bytes = int(np.frombuffer(head, HEADER)[0]["text_bytes"]) if len(head) == HEADER.itemsize else 0
            header, text = _checked_header(path, head + file.read(min(text_bytes, TEXT_BYTES_MAX)), size)
            file.seek(-END.itemsize, os.SEEK_END)
            return _info(path, header, text, file.read(END.itemsize))
    except OSError as error:
        raise _unreadable(path, error) from error


def read_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """Reads and checks the whole file; raises SnapshotError, naming what is wrong, unless every byte is right."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = np.empty(os.fstat(file.fileno()).st_size, np.uint8).data
            length = file.readinto(data)
    except OSError as error:
        raise _unreadable(path, error) from error
    header, text = _checked_header(path, data[:length], length)
    end_at = length - END.itemsize
    if crc32c(data[: length - 4]) != int.from_bytes(data[length - 4 :], "little"):
        raise _bad(path, "is damaged: its checksum is not that of its bytes")
    at = int(header["header_bytes"])
    digest = hashlib.blake2b(data[:at], digest_size=DIGEST_BYTES)
    sections = {}
    for name in SECTIONS:
        sections[name] = data[at : at + int(header[f"{name}_bytes"])]
        at += len(sections[name])
        if name != "state":
            digest.update(sections[name])
    digest.update(data[end_at : end_at + END_DIGESTED_BYTES])
    end = np.frombuffer(data[end_at:], END)[0]
    state_digest = hashlib.blake2b(sections["state"], digest_size=DIGEST_BYTES).digest()
    info = _info(path, header, text, data[end_at:])
    checks = {
        "end mark": end["magic"].tobytes() == END_MAGIC and end["reserved"] == 0,
        "digest": digest.digest() == end["digest"].tobytes(),
        "digest of the state": state_digest == end["state_digest"].tobytes(),
        "hash of the state": not header["flags"] & STATE_IS_CANONICAL or state_digest == info.state_hash,
        "hash of the sessions": sessions_hash(sections["sessions"]) == info.sessions_hash,
    }
    for what, right in checks.items():
        if not right:
            raise _bad(path, f"is damaged: its {what} is not that of its bytes")
    quarantine = tuple(np.frombuffer(sections["quarantine"], "<u8").tolist())
    return Snapshot(info, sections["state"], sections["sessions"], sections["timers"], quarantine)


def _bad(path: Path, what: str) -> SnapshotError:
    return SnapshotError(f"{path}: {what}; recovery uses the snapshot before it, this file can be removed")


def _unreadable(path: Path, error: OSError) -> SnapshotError:
    return SnapshotError(f"{path}: cannot be read: {error.strerror or error}; look after the disk and its permissions")


def _checked_header(path: Path, data: bytes | memoryview, size: int) -> tuple[np.void, bytes]:
    """Header and text, given at least them and the file's size; raises SnapshotError unless they are right."""
    if len(data) < HEADER.itemsize:
        raise _bad(path, f"is torn: {size} bytes are there, a header has {HEADER.itemsize}")
    header = np.frombuffer(data[: HEADER.itemsize], HEADER)[0]
    if header["magic"].tobytes() != MAGIC:
        raise _bad(path, "is no snapshot")
    if header["version"] != VERSION:
        raise _bad(path, f"has format version {header['version']}, this program reads {VERSION}")
    text = bytes(data[HEADER.itemsize : HEADER.itemsize + int(header["text_bytes"])])
    if crc32c(text, crc32c(bytes(data[: HEADER.itemsize - 4]))) != header["header_checksum"]:
        raise _bad(path, "is torn or damaged: the header's checksum is not that of its bytes")
    expected = int(header["header_bytes"]) + sum(int(header[f"{name}_bytes"]) for name in SECTIONS) + END.itemsize
    if not size == expected == header["file_bytes"]:
        raise _bad(path, f"is torn: {size} bytes are there, {expected} were written")
    if header["next_sequence"] != header["sequence"] + 1:
        raise _bad(path, f"ends at sequence {header['sequence']}, with next sequence {header['next_sequence']}")
    named = NAME.fullmatch(path.name)
    if named is not None and int(named["sequence"]) != header["sequence"]:
        raise _bad(path, f"was renamed: it is the snapshot of sequence {header['sequence']}")
    return header, text


def _info(path: Path, header: np.void, text: bytes, end_bytes: bytes | memoryview) -> SnapshotInfo:
    end = np.frombuffer(end_bytes, END)[0]
    try:
        meta = meta_of(header, text)
    except (ValueError, KeyError, TypeError) as error:
        raise _bad(path, f"has names that cannot be read: {error}") from None
    named = NAME.fullmatch(path.name)
    return SnapshotInfo(
        path=path,
        meta=meta,
        state_hash=end["state_hash"].tobytes(),
        sessions_hash=int(end["sessions_hash"]),
        bytes=int(header["file_bytes"]),
        seconds=int(end["taken_ns"]) / 1e9,
        kept=named["kept"] if named else None,
    )
