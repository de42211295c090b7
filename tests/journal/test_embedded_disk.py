"""Disks that refuse, for real: a full tmpfs, and a file system whose device is full, so that its sync fails.

Both need mount, so root; without it these tests fail, and say so: there is no other way to see a sync fail.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.errors import JournalError
from processor.journal import open_journal
from processor.journal.exercise import FAILED, append, poll
from tests.journal.files import url_of
from tests.journal.records import fill, read_numbers, record


def command(*words: str) -> None:
    result = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        said = f"{' '.join(words)} failed: {result.stderr}"
        pytest.fail(f"{said}: no full disk can be made without it: run the tests as root")


@contextlib.contextmanager
def mounted(at: Path, *options: str) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    command("mount", *options, str(at))
    try:
        yield at
    finally:
        busy = subprocess.run(["umount", str(at)], capture_output=True, text=True, check=False)
        if busy.returncode:
            command("umount", "--lazy", str(at))      # nothing stays mounted behind us
    assert not busy.returncode, f"something was left open there: {busy.stderr}"


def fill_up(url: str, size: int) -> tuple[int, str]:
    """Appends records until the disk refuses; (the last acknowledged number, what was said)."""
    number = 0
    with open_journal(url, write=True) as journal:
        with pytest.raises(JournalError) as caught:
            while number < 10_000:
                journal.append_record(*record(number + 1, size))
                number += 1
        assert append(journal, *record(1, size), 0) == FAILED
        with pytest.raises(JournalError):
            poll(journal)
    return number, str(caught.value)


def test_a_full_disk_says_what_to_do_and_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
        url = url_of(disk / "j", 262_144)
        number, text = fill_up(url, 10_000)
        assert number >= 3 * 25
        assert "no room for a segment" in text
        assert str(disk) in text
        assert "What was acknowledged is safe: make room there (a segment takes 262144 bytes), then start again" in text
        with open_journal(url) as journal:
            assert read_numbers(journal) == list(range(1, number + 1))
        with pytest.raises(JournalError, match="make room there"):
            open_journal(url, write=True)         # as long as there is no room
        command("mount", "-o", "remount,size=4m", str(disk))
        with open_journal(url, write=True) as journal:
            fill(journal, range(number + 1, number + 60), 10_000)
            assert read_numbers(journal) == list(range(1, number + 60))


def test_a_disk_without_room_for_the_first_segment_refuses_the_start(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as disk:
        with pytest.raises(JournalError, match=r"no room for a segment.*make room there"):
            open_journal(url_of(disk / "j", 262_144), write=True)
        command("mount", "-o", "remount,size=4m", str(disk))
        with open_journal(url_of(disk / "j", 262_144), write=True) as journal:
            assert journal.ends() == (0, 0)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k,nr_inodes=1", "tmpfs") as disk, \
            pytest.raises(JournalError, match="cannot open the journal: No space left on device: make room there"):
        open_journal(url_of(disk / "j"), write=True)


@contextlib.contextmanager
def device_that_is_full(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A file system that believes in 64 MiB, on a device that has 7: it takes writes, and cannot sync them."""
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=7m", "tmpfs") as small:
        device = small / "device"
        with device.open("wb") as file:
            file.truncate(64 << 20)
        command("mkfs.ext4", "-q", "-b", "4096", "-O", "^has_journal", "-E", "lazy_itable_init=1", str(device))
        yield small, device


@contextlib.contextmanager
def disk_on(device: Path, place: Path) -> Iterator[Path]:
    with mounted(place, "-o", "loop", str(device)):
        loop = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if f" {place} " in line)
        # A loop device calls a write good that was cut short. Pages of 4 KiB are written whole or not at all.
        Path(f"/sys/block/{Path(loop).name}/queue/max_sectors_kb").write_text("4")
        yield place


def test_a_failed_sync_is_the_end_and_no_later_sync_makes_it_good(tmp_path: Path) -> None:
    size = 100_000
    place = tmp_path / "disk"
    with device_that_is_full(tmp_path) as (small, device):
        with disk_on(device, place) as disk:
            url = url_of(disk / "j", 16 << 20)
            number, text = fill_up(url, size)
            assert "cannot sync a segment (what was not acknowledged may be lost)" in text
            assert number >= 10
            command("mount", "-o", "remount,size=80m", str(small))
            # The system still has in memory what it could not write, and calls it clean: it reads back.
            with open_journal(url) as journal:
                assert len(read_numbers(journal)) > number, "nothing is left of the failed sync: this tests nothing"
            with open_journal(url, write=True) as journal:
                found = read_numbers(journal)
                assert found == list(range(1, len(found) + 1))
                assert len(found) >= number
                fill(journal, range(len(found) + 1, len(found) + 4), size)
        with disk_on(device, place) as disk, open_journal(url_of(disk / "j"), write=True) as journal:
            assert read_numbers(journal) == list(range(1, len(found) + 4))
