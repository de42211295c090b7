"""Embedded journals as files: images of a journal at the moment of a kill, changed bytes, what a folder holds."""

from __future__ import annotations

import shutil
from pathlib import Path

from processor.journal import Journal, open_journal
from processor.journal.directory import segment_name

SEGMENT_BYTES = 4096


def make(path: Path, *, segment_bytes: int = SEGMENT_BYTES) -> Journal:
    return open_journal(url_of(path, segment_bytes), write=True)


def url_of(path: Path, segment_bytes: int | None = None) -> str:
    return f"embedded://{path}" + (f"?segment_bytes={segment_bytes}" if segment_bytes else "")


def segment(path: Path, base: int = 0) -> Path:
    return path / segment_name(base)


def image(path: Path, to: Path) -> Path:
    """What a kill at this moment would leave: the files as the system has them, whoever has them open."""
    if to.exists():
        shutil.rmtree(to)
    shutil.copytree(path, to)
    return to


def contents(path: Path) -> dict[str, bytes]:
    """Every file but the lock, whose text is the last locker's pid."""
    return {entry.name: entry.read_bytes() for entry in path.iterdir() if entry.name != "writer.lock"}


def change(file: Path, at: int, mask: int = 0x10) -> None:
    """Flips bits of one byte."""
    with open(file, "r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ mask]))
