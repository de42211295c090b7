"""The directory of an embedded journal: what it holds, who writes to it, how far it is known to be on disk.

    DIR/journal                     this format and the journal's identity (below)
    DIR/writer.lock                 locked (flock) by the one process that writes; its text is that process's pid
    DIR/00000000000000000000.log    segments, each named by its first byte's number in the log (see segments.pxd)

    the file `journal`:
    0           8         12       16              24                40      44
    | PJOURNAL  | version | 0      | segment_bytes | identity[16]    | crc32c| 0 ...
    512           520      524
    | synced u64  | crc32c | 0 ...             known to be on disk: written when the journal is opened and closed

`synced` only ever grows, so that what was there at a close can be told from a torn tail after it. It has a sector of
its own: a write of it that is cut off harms nothing else, and what does not check is taken as 0.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import struct
from pathlib import Path

from processor.errors import CorruptJournal, JournalError, JournalLocked, WrongUse
from processor.journal.base import checksum

MAGIC = b"PJOURNAL"
VERSION = 1
META = struct.Struct("<8sIIQ16s")
SYNCED = struct.Struct("<QI")
SYNCED_AT = 512
FILE_BYTES = 1024
SEGMENT_BYTES = 256 << 20
SEGMENT_BYTES_MIN = 4096
SEGMENT_BYTES_MAX = 1 << 32


def segment_name(base: int) -> str:
    return f"{base:020d}.log"


class JournalDirectory:
    """An embedded journal's directory, opened; with `lock`, as the one writer. Close it."""

    def __init__(self, path: Path, segment_bytes: int, identity: bytes, lock_fd: int = -1) -> None:
        self.path = path
        self.segment_bytes = segment_bytes
        self.seed = checksum(identity)
        self.lock_fd = lock_fd

    @classmethod
    def open(cls, path: Path, *, write: bool, create: bool, segment_bytes: int | None = None) -> JournalDirectory:
        """Raises JournalLocked, CorruptJournal, and JournalError when there is none and it may not be made."""
        if segment_bytes is not None and (
            segment_bytes % 4096 or not SEGMENT_BYTES_MIN <= segment_bytes <= SEGMENT_BYTES_MAX
        ):
            raise WrongUse(
                f"segment_bytes is a multiple of 4096 from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}, "
                f"not {segment_bytes}"
            )
        try:
            return cls._open(path.absolute(), write, create, segment_bytes or SEGMENT_BYTES)
        except OSError as error:
            raise JournalError(f"{path}: cannot open the journal: {error.strerror}{_advice(error)}") from error

    @classmethod
    def _open(cls, path: Path, write: bool, create: bool, segment_bytes: int) -> JournalDirectory:
        if path.exists() and not path.is_dir():
            raise JournalError(f"{path} is a file: an embedded journal is a directory; name another path")
        founded = (path / "journal").is_file()
        if not founded and any(path.glob("*.log")):
            raise CorruptJournal(f"{path}: there are segments, but the file `journal` that describes them is missing")
        if not founded and not (write and create):
            raise JournalError(f"{path}: there is no journal here: check the path, or let `processor run` make one")
        if not write:
            return cls(path, *_read_meta(path / "journal"))
        if not founded:
            _check_empty(path)
            _make_directory(path)
        lock_fd = _lock(path)
        try:
            if not (path / "journal").is_file():
                _write_meta(path, segment_bytes)
            return cls(path, *_read_meta(path / "journal"), lock_fd)
        except BaseException:
            os.close(lock_fd)
            raise

    def segments(self) -> list[int]:
        """The first byte's number of each segment; raises CorruptJournal when one is missing between, or cut off."""
        found = {}
        for entry in os.scandir(self.path):
            stem, dot, kind = entry.name.partition(".")
            if dot and kind == "log" and len(stem) == 20 and stem.isdigit():
                found[int(stem)] = entry.stat().st_size
        bases = sorted(found)
        for number, base in enumerate(bases):
            expected = number * self.segment_bytes
            if base != expected:
                raise CorruptJournal(
                    f"{self.path}: the segment {segment_name(expected)} is missing: the log breaks off at offset "
                    f"{expected}, but {segment_name(base)} is there; put the file back"
                )
            if found[base] != self.segment_bytes and (base != bases[-1] or found[base] > self.segment_bytes):
                raise CorruptJournal(
                    f"{self.path / segment_name(base)} has {found[base]} bytes, expected {self.segment_bytes}: the log "
                    f"is damaged from offset {base + min(found[base], self.segment_bytes)} on; put the file back"
                )
        return bases

    def synced(self) -> int:
        """Bytes of the log known to be on disk from the last opening or closing; 0 when that cannot be read."""
        with open(self.path / "journal", "rb") as file:
            text = file.read()[SYNCED_AT : SYNCED_AT + SYNCED.size]
        if len(text) < SYNCED.size:
            return 0
        value, check = SYNCED.unpack(text)
        return int(value) if check == checksum(text[:8], self.seed) else 0

    def note_synced(self, value: int) -> None:
        """Notes that the log's bytes below `value` are on disk (the caller has seen to that)."""
        text = struct.pack("<Q", value)
        try:
            with open(self.path / "journal", "r+b", buffering=0) as file:
                os.pwrite(file.fileno(), text + struct.pack("<I", checksum(text, self.seed)), SYNCED_AT)
                os.fdatasync(file.fileno())
        except OSError as error:
            raise JournalError(f"{self.path / 'journal'}: cannot write: {error.strerror}") from error

    def close(self) -> None:
        """Lets the next writer in."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1


def _read_meta(path: Path) -> tuple[int, bytes]:
    text = path.read_bytes()[: META.size + 4]
    if len(text) < META.size + 4 or text[:8] != MAGIC:
        raise CorruptJournal(f"{path}: this is no embedded journal: expected {MAGIC!r}, found {text[:8]!r}")
    _, version, _, segment_bytes, identity = META.unpack(text[: META.size])
    if checksum(text[: META.size]) != int.from_bytes(text[META.size :], "little"):
        raise CorruptJournal(f"{path}: this file is damaged (its checksum does not fit): put it back from a copy")
    if version != VERSION:
        raise JournalError(f"{path}: format {version}, this software reads {VERSION}: use the version that wrote it")
    return segment_bytes, identity


def _write_meta(directory: Path, segment_bytes: int) -> None:
    text = META.pack(MAGIC, VERSION, 0, segment_bytes, secrets.token_bytes(16))
    text += struct.pack("<I", checksum(text))
    temporary = directory / "journal.tmp"
    with open(temporary, "wb") as file:
        file.write(text.ljust(FILE_BYTES, b"\0"))
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, directory / "journal")
    _sync_directory(directory)


def _check_empty(path: Path) -> None:
    if path.is_dir():
        foreign = {entry.name for entry in os.scandir(path)} - {"writer.lock", "journal.tmp"}
        if foreign:
            raise JournalError(
                f"{path}: this directory holds other files ({', '.join(sorted(foreign)[:3])}): name a new or empty one"
            )


def _make_directory(path: Path) -> None:
    missing = [part for part in (path, *path.parents) if not part.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for part in missing:
        _sync_directory(part.parent)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lock(path: Path) -> int:
    fd = os.open(path / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise JournalLocked(
            f"{path}: process {holder} writes to this journal: stop it first, or name another journal"
        ) from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ": make room there, or name a journal on another disk"
    return ""
