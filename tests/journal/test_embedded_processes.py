"""The embedded journal between processes: one writes, others read; a killed writer loses nothing it acknowledged."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.errors import JournalError, JournalLocked
from processor.journal import open_journal
from tests.conftest import ROOT
from tests.journal.files import url_of
from tests.journal.records import fill, number_of, read_numbers, read_to, same


@contextlib.contextmanager
def writer(url: str, first: int = 1) -> Iterator[subprocess.Popen[str]]:
    """A real process that writes without end; killed when the `with` is left."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.journal.writer", url, str(first)], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.wait()


def acknowledged(process: subprocess.Popen[str], lines: int | None = None) -> list[tuple[int, int]]:
    """(number, next_offset) of the next lines, or of all that are left when it is dead; a cut line tells nothing."""
    assert process.stdout is not None
    read = process.stdout.readline
    text = process.stdout.read().split("\n")[:-1] if lines is None else [read() for _ in range(lines)]
    return [(int(line.split()[0]), int(line.split()[1])) for line in text]


def test_a_second_writer_is_refused_and_the_first_is_not_disturbed(tmp_path: Path) -> None:
    url = url_of(tmp_path / "j", 65_536)
    with writer(url) as process:
        with pytest.raises(JournalLocked, match=f"process {process.pid} writes to this journal: stop it first"):
            open_journal(url, write=True)
        assert len(acknowledged(process, 50)) == 50
        assert process.poll() is None


def test_a_second_writer_in_the_same_process_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    url = url_of(tmp_path / "j", 65_536)
    with open_journal(url, write=True) as journal:
        fill(journal, range(1, 3))
        with pytest.raises(JournalLocked):
            open_journal(url, write=True)
    with open_journal(url, write=True) as journal:
        assert read_numbers(journal) == [1, 2]


def test_a_refusal_by_damage_lets_go_of_the_lock(tmp_path: Path) -> None:
    url = url_of(tmp_path / "j", 4096)
    with open_journal(url, write=True) as journal:
        fill(journal, range(1, 4))
    text = (tmp_path / "j" / f"{0:020d}.log").read_bytes()
    (tmp_path / "j" / f"{0:020d}.log").write_bytes(b"x" + text[1:])
    with pytest.raises(JournalError, match="corrupt"):
        open_journal(url, write=True)
    (tmp_path / "j" / f"{0:020d}.log").write_bytes(text)
    open_journal(url, write=True).close()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    url = url_of(tmp_path / "j", 65_536)
    with writer(url) as process:
        acknowledged(process, 3)
    assert (tmp_path / "j" / "writer.lock").read_text() == f"{process.pid}\n"
    with open_journal(url, write=True) as journal:
        assert read_numbers(journal)[:3] == [1, 2, 3]


def test_a_reader_beside_a_writer_sees_every_record_once_and_whole(tmp_path: Path) -> None:
    url = url_of(tmp_path / "j", 65_536)
    with writer(url) as process, open_journal(url) as journal:
        reader = journal.reader(0)
        for expected in range(1, 3_001):
            one = reader.read(timeout_s=30)
            assert one is not None
            assert number_of(one[2]) == expected
            assert same(one[2], one[3], expected, len(one[3]))
        assert process.poll() is None
    assert len(list((tmp_path / "j").glob("*.log"))) > 5


def test_what_a_killed_writer_acknowledged_is_there_without_a_gap(tmp_path: Path) -> None:
    chance = random.Random(11)
    url = url_of(tmp_path / "j", 16_384)
    position, number = 0, 1
    for _ in range(30):
        with writer(url, number) as process:
            told = acknowledged(process, chance.randint(0, 120))
            process.kill()
            told += acknowledged(process)
        with open_journal(url) as journal:
            reader = journal.reader(position)
            found = read_to(reader, journal.ends()[1])
            reader.close()
        assert [number_of(header) for _, _, header, _ in found] == list(range(number, number + len(found)))
        places = {number_of(header): next_offset for _, next_offset, header, _ in found}
        assert all(places[one] == next_offset for one, next_offset in told), "an acknowledged one is lost, or elsewhere"
        number += len(found)
        position = found[-1][1] if found else position
    with open_journal(url, write=True) as journal:
        assert read_numbers(journal) == list(range(1, number))
    assert number > 500
