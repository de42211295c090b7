"""What every journal promises, asked of all three: memory, embedded, and Kafka on a real broker."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from processor.errors import JournalError
from processor.journal import Journal, open_journal
from processor.journal.exercise import FAILED, FULL, append, data_address, poll, wake_fd
from processor.leadership.claim import build_claim, parse_claim
from tests.journal.records import fill, number_of, read_numbers, read_to, record, same
from tests.test_validity import SCHEMA

KINDS = ["memory", "embedded", "kafka"]
LASTING = ["embedded", "kafka"]


def url_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path, topic: str) -> str:
    if kind == "memory":
        return f"memory:{topic}"
    if kind == "embedded":
        return f"embedded://{tmp_path}/journal?segment_bytes=1048576"
    return f"kafka://{request.getfixturevalue('bootstrap')}/{topic}"


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, topic: str) -> str:
    return url_of(request.param, request, tmp_path, topic)


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    with open_journal(url, write=True) as opened:
        yield opened


def take(journal: Journal, count: int) -> list[tuple[int, int, int]]:
    """Exactly so many acks, waiting on the journal's descriptor where it has one."""
    acks: list[tuple[int, int, int]] = []
    while len(acks) < count:
        acks += poll(journal, count - len(acks), 0)
        if len(acks) < count and wake_fd(journal) >= 0:
            ready, _, _ = select.select([wake_fd(journal)], [], [], 20)
            assert ready, f"{len(acks)} of {count} acknowledgements after 20 s"
    assert len(acks) == count
    return acks


def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert journal.ends() == (0, 0)
    reader = journal.reader(0)
    assert reader.read() is None
    reader.close()


def test_records_are_acknowledged_one_behind_the_other_and_read_back_so(journal: Journal) -> None:
    places = fill(journal, range(1, 21))
    assert places[0][0] == 0
    assert all(before[1] == after[0] < after[1] for before, after in pairwise(places))
    assert journal.ends() == (0, places[-1][1])
    reader = journal.reader(0)
    found = read_to(reader, places[-1][1])
    reader.close()
    assert [(offset, next_offset) for offset, next_offset, _, _ in found] == places
    assert all(same(header, data, number) for number, (_, _, header, data) in enumerate(found, 1))


def test_reading_begins_at_any_records_offset_and_at_the_end(journal: Journal) -> None:
    places = fill(journal, range(1, 8))
    for k, (offset, _) in enumerate(places):
        assert read_numbers(journal, offset) == list(range(k + 1, 8))
    reader = journal.reader(places[-1][1])
    assert reader.read() is None
    assert reader.position == places[-1][1]
    reader.close()


def test_a_reader_at_the_end_goes_on_when_more_is_appended(journal: Journal) -> None:
    end = fill(journal, range(1, 3))[-1][1]
    reader = journal.reader(0)
    read_to(reader, end)
    for number in range(3, 8):
        assert reader.read(timeout_s=0.02) is None
        end = fill(journal, range(number, number + 1))[0][1]
        (found,) = read_to(reader, end)
        assert same(found[2], found[3], number)
    reader.close()


def test_a_position_where_no_record_stands_is_an_error(journal: Journal) -> None:
    end = fill(journal, range(1, 4))[-1][1]
    for wrong in (-1, -2, end + 1, end + 1000):
        with pytest.raises(JournalError):
            journal.reader(wrong).read(timeout_s=20)


def test_several_blocks_in_flight_are_acknowledged_in_order(journal: Journal) -> None:
    blocks = [record(number, 8 * number) for number in range(1, 13)]
    for tag, block in enumerate(blocks, 100):
        assert append(journal, *block, tag) == 0
    acks = take(journal, 5) + take(journal, 7)
    assert [tag for tag, _, _ in acks] == list(range(100, 112))
    assert all(before[2] == after[1] for before, after in pairwise(acks))
    assert poll(journal) == []
    assert read_numbers(journal) == list(range(1, 13))


def test_a_full_journal_says_so_and_takes_more_after_acknowledgements(journal: Journal) -> None:
    block = record(1, 65_536)
    taken = 0
    while (result := append(journal, *block, taken)) == 0 and taken < 5_000:
        taken += 1
    assert result == FULL, "it took 5,000 blocks without an acknowledgement being asked for"
    assert journal.failure == ""
    assert [tag for tag, _, _ in take(journal, taken)] == list(range(taken))
    assert append(journal, *block, 7) == 0
    assert [tag for tag, _, _ in take(journal, 1)] == [7]


def test_every_byte_comes_back(journal: Journal) -> None:
    data = bytes(range(256)) * 16 + b"PBLK" * 32 + bytes(1024)
    header = record(9, len(data))[0]
    journal.append_record(header, data)
    journal.append_record(record(10, 0)[0], b"")
    reader = journal.reader(0)
    found = read_to(reader, journal.ends()[1])
    reader.close()
    assert [one[3] for one in found] == [data, b""]


def test_a_claim_between_blocks_reads_back_as_it_was_built(journal: Journal) -> None:
    header, data = build_claim(0xB2, 0xB2, SCHEMA, "7.1", host="here", pid=12, time_ns=99)
    assert len(data) % 8, "a claim whose length is a multiple of 8 does not try the padding"
    fill(journal, range(1, 3))
    offset, next_offset = journal.append_record(header, data)
    fill(journal, range(3, 5))
    reader = journal.reader(offset)
    at, behind, found_header, found_data = read_to(reader, next_offset)[0]
    assert (at, behind) == (offset, next_offset)
    claim = parse_claim(found_header, found_data)
    assert (claim.writer, claim.host, claim.schema.text) == (0xB2, "here", SCHEMA.text)
    assert number_of(read_to(reader, journal.ends()[1])[0][2]) == 3
    reader.close()


def test_slots_are_handed_out_at_addresses_of_whole_words(journal: Journal) -> None:
    for number in range(1, 20):
        journal.append_record(*record(number, 8 * number))
    reader = journal.reader(0)
    for _ in range(1, 20):
        address = data_address(reader, 20_000)
        assert address > 0
        assert address % 8 == 0
    reader.close()


def test_a_record_that_is_none_is_refused_and_harms_nothing(journal: Journal) -> None:
    header, data = record(1)
    for wrong in ((header[:-1], data), (header, data[:-1]), (header, data + b"x")):
        with pytest.raises(JournalError, match="64 bytes of header and as much data"):
            journal.append_record(*wrong)
    large = journal.data_bytes_max + 8
    if large < 1 << 24:
        with pytest.raises(JournalError, match=f"a record of {large} bytes does not fit"):
            journal.append_record(*record(1, large))
        with pytest.raises(JournalError, match=f"takes {large} bytes"):
            journal.check_slot_bytes(large)
    journal.check_slot_bytes(65_568)
    fill(journal, range(1, 2))
    assert read_numbers(journal) == [1]


def test_a_record_as_large_as_the_journal_takes_fits(journal: Journal) -> None:
    size = min(journal.data_bytes_max, 4_000_000)
    journal.append_record(*record(5, size))
    reader = journal.reader(0)
    (found,) = read_to(reader, journal.ends()[1])
    reader.close()
    assert same(found[2], found[3], 5, size)


def test_who_waits_for_a_record_still_hears_a_signal(journal: Journal) -> None:
    class Heard(Exception):
        pass

    def hear(number: int, frame: object) -> None:
        raise Heard

    before = signal.signal(signal.SIGALRM, hear)
    reader = journal.reader(0)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Heard):
            reader.read(timeout_s=600)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        reader.close()


def test_a_closed_journal_takes_nothing_and_says_so(url: str) -> None:
    journal = open_journal(url, write=True)
    fill(journal, range(1, 3))
    journal.close()
    journal.close()
    assert append(journal, *record(3), 0) == FAILED
    assert journal.failure == "the journal is closed"
    with pytest.raises(JournalError, match="the journal is closed"):
        journal.append_record(*record(3))


@pytest.mark.parametrize("kind", LASTING)
def test_closed_journals_and_readers_hold_nothing_and_say_so(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, topic: str
) -> None:
    url = url_of(kind, request, tmp_path, topic)
    for write in (True, False):
        journal = open_journal(url, write=write)
        if write:
            fill(journal, range(1, 3))
        reader = journal.reader(0)
        reader.close()
        reader.close()
        journal.close()
        with pytest.raises(JournalError, match="the reader is closed"):
            reader.read()
        for ask in (journal.ends, lambda journal=journal: journal.reader(0)):
            with pytest.raises(JournalError, match="the journal is closed"):
                ask()
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        assert not any(str(tmp_path) in os.readlink(link) for link in links if os.path.lexists(link))


@pytest.mark.parametrize("kind", LASTING)
def test_what_was_written_is_there_after_reopening(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, topic: str
) -> None:
    url = url_of(kind, request, tmp_path, topic)
    end = 0
    for first in (1, 11, 21):
        with open_journal(url, write=True) as journal:
            assert journal.ends() == (0, end)
            end = fill(journal, range(first, first + 10))[-1][1]
    with open_journal(url) as journal:
        assert journal.ends() == (0, end)
        assert read_numbers(journal) == list(range(1, 31))


@pytest.mark.parametrize("kind", LASTING)
def test_opened_for_reading_it_cannot_be_written(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, topic: str
) -> None:
    url = url_of(kind, request, tmp_path, topic)
    with open_journal(url, write=True) as journal:
        fill(journal, range(1, 3))
    with open_journal(url) as journal:
        with pytest.raises(JournalError, match="open for reading only"):
            journal.append_record(*record(3))
        assert read_numbers(journal) == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [{}, {"write": True, "create": False}])
def test_a_journal_that_is_not_there_is_made_only_on_request(
    kind: str, how: dict[str, bool], request: pytest.FixtureRequest, tmp_path: Path, topic: str
) -> None:
    url = url_of(kind, request, tmp_path, topic)
    for _ in range(2):                  # the question itself makes none either
        with pytest.raises(JournalError, match="there is no"):
            open_journal(url, **how)
    assert not any(tmp_path.iterdir())
