"""A torn tail ends the embedded journal, wherever it is torn; it is zeroed before anything is appended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.journal import open_journal
from processor.journal.exercise import append
from tests.journal.files import SEGMENT_BYTES, change, image, make, segment, url_of
from tests.journal.records import fill, read_numbers, record

SIZE = 24
RECORD_BYTES = 64 + SIZE


@pytest.fixture(scope="module")
def killed(quick_folder: Path) -> Iterator[Path]:
    """Records 1 to 3 are acknowledged, 4 and 5 were written and not synced: the files at that moment."""
    with make(quick_folder / "live") as journal:
        fill(journal, range(1, 4), SIZE)
        for number in (4, 5):
            assert append(journal, *record(number, SIZE), number) == 0
        yield image(quick_folder / "live", quick_folder / "killed")


def goes_on_behind(path: Path, kept: list[int]) -> None:
    """Opened for writing it holds `kept` and nothing but zeros behind it, and what is appended then is all there is."""
    end = len(kept) * RECORD_BYTES
    with open_journal(url_of(path)) as journal:
        assert read_numbers(journal) == kept
    with open_journal(url_of(path), write=True) as journal:
        assert journal.ends() == (0, end)
        assert not any(segment(path).read_bytes()[end:])
        assert segment(path).stat().st_size == SEGMENT_BYTES
        fill(journal, range(90, 92), SIZE)
    with open_journal(url_of(path)) as journal:
        assert read_numbers(journal) == [*kept, 90, 91]


@pytest.mark.parametrize("way", ["zeros from there on", "cut off there", "one byte changed", "noise from there on"])
def test_a_tail_torn_at_any_byte_ends_the_log(killed: Path, way: str) -> None:
    whole = segment(killed).read_bytes()
    for at in range(3 * RECORD_BYTES, 5 * RECORD_BYTES):
        path = image(killed, killed.parent / "torn")
        if way == "one byte changed":
            change(segment(path), at)
        elif way == "cut off there":
            segment(path).write_bytes(whole[:at])
        elif way == "zeros from there on":
            segment(path).write_bytes(whole[:at].ljust(SEGMENT_BYTES, b"\0"))
        else:
            segment(path).write_bytes(whole[:at] + bytes(255 - byte for byte in whole[at : 5 * RECORD_BYTES + 200])
                                      + whole[5 * RECORD_BYTES + 200 :])
        goes_on_behind(path, list(range(1, at // RECORD_BYTES + 1)))


def test_a_kill_before_the_sync_keeps_what_is_whole(killed: Path, tmp_path: Path) -> None:
    goes_on_behind(image(killed, tmp_path / "whole"), [1, 2, 3, 4, 5])


def test_a_later_record_of_a_torn_group_does_not_come_back(killed: Path, tmp_path: Path) -> None:
    path = image(killed, tmp_path / "gap")
    change(segment(path), 3 * RECORD_BYTES + 70)
    with open_journal(url_of(path), write=True) as journal:
        fill(journal, range(90, 91), SIZE)           # as long as record 4: record 5 would follow right behind it
    with open_journal(url_of(path)) as journal:
        assert read_numbers(journal) == [1, 2, 3, 90]


@pytest.mark.parametrize("bytes_there", [0, 1, 4095, 4096])
def test_a_kill_while_a_segment_is_begun_costs_nothing(tmp_path: Path, bytes_there: int) -> None:
    with make(tmp_path / "j") as journal:
        last = 1
        while journal.ends()[1] + 64 + 512 <= SEGMENT_BYTES - 16:
            fill(journal, range(last, last + 1), 512)
            last += 1
        end = fill(journal, range(last, last + 1), 512)[0][0]
        path = image(tmp_path / "j", tmp_path / "killed")
    segment(path, SEGMENT_BYTES).write_bytes(bytes(bytes_there))
    with open_journal(url_of(path), write=True) as journal:
        assert journal.ends() == (0, end)
        fill(journal, range(last, last + 3), 512)
        assert read_numbers(journal) == list(range(1, last + 3))


def test_a_kill_between_two_segments_costs_nothing(tmp_path: Path) -> None:
    with make(tmp_path / "j") as journal:
        fill(journal, range(1, 9), 512)
        path = image(tmp_path / "j", tmp_path / "killed")
    segment(path, SEGMENT_BYTES).unlink()             # the first has its trailer, the second was not made yet
    assert segment(path).read_bytes()[-16:-12] == b"PEND"
    with open_journal(url_of(path), write=True) as journal:
        fill(journal, range(8, 10), 512)
        assert read_numbers(journal) == list(range(1, 10))
