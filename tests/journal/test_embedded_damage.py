"""A byte that was on disk once and reads differently is a refusal that names the offset and changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from processor.errors import CorruptJournal, JournalError
from processor.journal import open_journal
from processor.journal.base import checksum
from processor.journal.exercise import append
from tests.journal.files import SEGMENT_BYTES, change, contents, image, make, segment, url_of
from tests.journal.records import fill, read_numbers, read_to, record

SIZES = (24, 61, 8, 300)      # one of them is padded


def fill_sizes(path: Path, records: int, close: bool) -> tuple[Path, list[tuple[int, int]]]:
    """A journal of so many records (closed, or as a kill would leave it) and where they stand."""
    with make(path / "live") as journal:
        places = [journal.append_record(*record(number, SIZES[number % 4])) for number in range(1, records + 1)]
        killed = image(path / "live", path / "image")
    return (image(path / "live", path / "image") if close else killed), places


def refused(path: Path, write: bool = False) -> str:
    """The text of the refusal; nothing on disk has changed by it."""
    before = contents(path)
    with pytest.raises(CorruptJournal) as caught, open_journal(url_of(path), write=write) as journal:
        read_to(journal.reader(0), 1 << 40, timeout_s=0)
    assert contents(path) == before
    return str(caught.value)


@pytest.mark.parametrize("close", [True, False])
def test_a_changed_byte_in_anything_synced_is_refused_with_its_records_offset(quick_folder: Path, close: bool) -> None:
    path, places = fill_sizes(quick_folder / str(close), 8, close)
    proven = places if close else places[:-1]     # nothing behind the last one says that it was on disk
    for offset, end in proven:
        for at in range(offset, end):
            change(segment(path), at)
            for write in (False, True):
                text = refused(path, write)
                assert f"offset {offset} " in text
                assert "Nothing was changed: put the file back from a copy" in text
            change(segment(path), at)
    with open_journal(url_of(path)) as journal:
        assert read_numbers(journal) == list(range(1, 9))


def test_a_changed_byte_in_a_finished_segment_is_refused(tmp_path: Path) -> None:
    path, places = fill_sizes(tmp_path, 80, True)
    assert segment(path, 2 * SEGMENT_BYTES).exists()
    inside = [place for place in places if place[1] <= SEGMENT_BYTES]
    last_end = inside[-1][1]
    bytes_tried = [*range(0, last_end, 7), *range(SEGMENT_BYTES - 16, SEGMENT_BYTES)]
    for at in bytes_tried:
        change(segment(path), at)
        offset = next((a for a, b in inside if a <= at < b), last_end)
        assert f"offset {offset} " in refused(path)
        change(segment(path), at)
    with open_journal(url_of(path)) as journal:
        assert read_numbers(journal) == list(range(1, 81))


def test_reading_from_behind_a_damage_is_still_possible(tmp_path: Path) -> None:
    path, places = fill_sizes(tmp_path, 8, True)
    change(segment(path), places[2][0] + 70)
    with open_journal(url_of(path)) as journal:
        reader = journal.reader(places[3][0])
        assert len(read_to(reader, places[-1][1])) == 5


@pytest.mark.parametrize("at", range(48))
def test_a_changed_byte_in_the_file_journal_is_refused(tmp_path: Path, at: int) -> None:
    path, _ = fill_sizes(tmp_path, 2, True)
    change(path / "journal", at)
    before = contents(path)
    if at < 44:
        with pytest.raises(CorruptJournal, match=r"no embedded journal|damaged"):
            open_journal(url_of(path), write=True)
    else:
        open_journal(url_of(path), write=True).close()
    assert {name: text for name, text in contents(path).items() if name != "journal"} == {
        name: text for name, text in before.items() if name != "journal"}


@pytest.mark.parametrize("at", range(512, 524))
def test_a_changed_byte_of_the_note_what_was_synced_costs_nothing(tmp_path: Path, at: int) -> None:
    path, _ = fill_sizes(tmp_path, 3, True)
    change(path / "journal", at)
    with open_journal(url_of(path), write=True) as journal:
        assert read_numbers(journal) == [1, 2, 3]


def test_a_file_of_a_later_format_asks_for_the_version_that_wrote_it(tmp_path: Path) -> None:
    path, _ = fill_sizes(tmp_path, 1, True)
    text = bytearray((path / "journal").read_bytes())
    text[8] = 2
    text[40:44] = checksum(bytes(text[:40])).to_bytes(4, "little")
    (path / "journal").write_bytes(text)
    with pytest.raises(JournalError, match="format 2, this software reads 1: use the version that wrote it"):
        open_journal(url_of(path))


def test_a_missing_segment_is_refused_by_name(tmp_path: Path) -> None:
    path, _ = fill_sizes(tmp_path, 80, True)
    segment(path, SEGMENT_BYTES).rename(tmp_path / "kept")
    before = contents(path)
    for write in (False, True):
        with pytest.raises(CorruptJournal, match=rf"{SEGMENT_BYTES:020d}\.log is missing.*put the file back"):
            read_numbers(open_journal(url_of(path), write=write))
    assert contents(path) == before
    (tmp_path / "kept").rename(segment(path, SEGMENT_BYTES))
    with open_journal(url_of(path), write=True) as journal:
        assert read_numbers(journal) == list(range(1, 81))


def test_a_missing_last_segment_is_refused(tmp_path: Path) -> None:
    path, _ = fill_sizes(tmp_path, 80, True)
    last = max(path.glob("*.log"))
    last.unlink()
    assert "synced up to" in refused(path)
    assert "synced up to" in refused(path, write=True)


def test_a_segment_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path, places = fill_sizes(tmp_path, 80, True)
    whole = segment(path).read_bytes()
    segment(path).write_bytes(whole[:1000])
    with pytest.raises(CorruptJournal, match="has 1000 bytes, expected 4096"):
        open_journal(url_of(path), write=True)
    segment(path).write_bytes(whole)
    last = max(path.glob("*.log"))
    last.write_bytes(last.read_bytes()[:64])
    offset = next(a for a, b in places if b > int(last.stem) + 64)
    assert f"offset {offset} " in refused(path, write=True)


def test_a_missing_file_journal_is_refused(tmp_path: Path) -> None:
    path, _ = fill_sizes(tmp_path, 2, True)
    (path / "journal").unlink()
    before = contents(path)
    for write in (False, True):
        with pytest.raises(CorruptJournal, match="the file `journal` that describes them is missing"):
            open_journal(url_of(path), write=write)
    assert contents(path) == before


def test_a_segment_of_another_journal_is_refused(tmp_path: Path) -> None:
    one, _ = fill_sizes(tmp_path / "a", 3, True)
    other, _ = fill_sizes(tmp_path / "b", 3, True)
    shutil.copy(segment(other), segment(one))
    assert "offset 0 " in refused(one)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "letter.txt").write_text("dear")
    with pytest.raises(JournalError, match=r"holds other files \(letter.txt\): name a new or empty one"):
        open_journal(url_of(tmp_path / "j"), write=True)
    assert [entry.name for entry in (tmp_path / "j").iterdir()] == ["letter.txt"]


def test_a_file_where_the_folder_should_be_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("dear")
    with pytest.raises(JournalError, match="is a file: an embedded journal is a directory"):
        open_journal(url_of(tmp_path / "j"), write=True)
    assert (tmp_path / "j").read_text() == "dear"


def test_a_forged_record_inside_of_a_payload_is_no_evidence(tmp_path: Path) -> None:
    """A client may send the bytes of a record as its text: they must not make a torn tail look like a damage."""
    with make(tmp_path / "other") as other:
        other.append_record(*record(1, 24))
        other.append_record(*record(2, 24))
    forged = segment(tmp_path / "other").read_bytes()[: 2 * 88]
    with make(tmp_path / "j") as journal:
        fill(journal, range(1, 2), 24)
        header = record(2, len(forged))[0]
        assert append(journal, header, forged, 0) == 0
        path = image(tmp_path / "j", tmp_path / "killed")
    change(segment(path), 88)
    with open_journal(url_of(path), write=True) as journal:
        assert read_numbers(journal) == [1]


def test_segments_hold_what_does_not_cross_their_end(tmp_path: Path) -> None:
    with make(tmp_path / "j") as journal:
        for number in range(1, 60):
            journal.append_record(*record(number, 8 + (number * 104) % 2000))
    assert len(list((tmp_path / "j").glob("*.log"))) > 10
    assert all(file.stat().st_size == SEGMENT_BYTES for file in (tmp_path / "j").glob("*.log"))
    with open_journal(url_of(tmp_path / "j"), write=True) as journal:
        reader = journal.reader(0)
        found = read_to(reader, journal.ends()[1])
        assert [len(data) for _, _, _, data in found] == [8 + (number * 104) % 2000 for number in range(1, 60)]
        for offset, next_offset, _, _ in found:
            assert journal.reader(offset).read()[1] == next_offset
            with pytest.raises(JournalError, match="no record stands at offset"):
                journal.reader(offset + 8)


def test_the_checksum_is_castagnolis_in_both_ways() -> None:
    for portable in (False, True):
        assert checksum(b"123456789", portable=portable) == 0xE3069283
        assert checksum(bytes(32), portable=portable) == 0x8A9136AA          # RFC 3720, B.4
        assert checksum(b"", portable=portable) == 0
        assert checksum(b"6789", checksum(b"12345", portable=portable), portable=portable) == 0xE3069283
