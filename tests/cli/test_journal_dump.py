"""`processor journal dump`: every event of a journal, without the application, as people and scripts see it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from processor.journal import open_journal
from processor.layout import CONTROL_PAYLOADS
from tests.cli.commands import PROCESSOR, ROOT, processor
from tests.journaled import NOON, Writer

SESSION_OPEN, SNAPSHOT, STATE_HASH, TIMER = 0xFF01, 0xFF03, 0xFF04, 0xFF05


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"embedded:{tmp_path}/journal?segment_bytes=65536"


def dumped(url: str, *words: object) -> list[dict]:
    done = processor("journal", "dump", url, "--json", *words)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_events_are_decoded_by_the_schema_of_the_claim_and_say_where_they_stand(url: str) -> None:
    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        claimed = writer.claim(0xABC)
        rename = writer.event("Rename", name="Zoë", key=b"\1\2\3")
        at = writer.block(writer.event("Deposit", account=7, amount=-3), rename)
        later = writer.block(writer.event("Tick"))
    epoch = {"offset": claimed, "writer": "0000000000000abc"}
    common = {"epoch": epoch, "session": 5, "void": False}
    assert dumped(url) == [
        {"offset": at, "sequence": 1, "timestamp": NOON + 1, "request": 100, "type": "Deposit",
         "fields": {"account": 7, "amount": -3}, **common},
        {"offset": at, "sequence": 2, "timestamp": NOON + 2, "request": 101, "type": "Rename",
         "fields": {"name": "Zoë", "key": "010203"}, **common},
        {"offset": later, "sequence": 3, "timestamp": NOON + 3, "request": 100, "type": "Tick", "fields": {}, **common},
    ]  # fmt: skip
    lines = processor("journal", "dump", url).stdout.splitlines()
    assert lines[0] == (
        f"         1  2023-11-14T22:13:20.000000001Z  offset {at}  epoch {claimed}  session 5  request 100  "
        "Deposit account=7 amount=-3"
    )
    assert len(lines) == 3 and lines[2].endswith("  Tick")


def test_control_events_are_named_and_decoded(url: str) -> None:
    def control(kind: int, **values: object) -> tuple[int, bytes]:
        record = np.zeros((), CONTROL_PAYLOADS[kind])
        for name, value in values.items():
            record[name] = value
        return kind, record.tobytes()

    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        writer.block(
            control(SESSION_OPEN, token=b"t" * 16, connection=9, session=4), control(SNAPSHOT, number=2, reason=3),
            control(STATE_HASH, sequence=1, state=b"\xaa" * 16, sessions=255), (TIMER, b"\x01\x02"), (77, b"\xff"),
        )  # fmt: skip
    assert [(event["type"], event["fields"]) for event in dumped(url)] == [
        ("session-open", {"token": "74" * 16, "connection": 9, "session": 4}),
        ("snapshot", {"number": 2, "reason": "command"}),
        ("state-hash", {"sequence": 1, "state": "aa" * 16, "sessions": "00000000000000ff"}),
        ("timer", {"payload": "0102"}),
        ("type-77", {"payload": "ff"}),
    ]


def test_void_events_are_listed_where_they_stand_and_marked(url: str) -> None:
    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        first_epoch = writer.epoch
        writer.block(*writer.deposits(10, 20))
        writer.claim(2)
        writer.block(*writer.deposits(30))
        writer.block(*writer.deposits(666), first=3, epoch=first_epoch)
        writer.block(*writer.deposits(777), first=9)
        writer.block(*writer.deposits(40))
    found = [(event["sequence"], event["fields"]["amount"], event["void"]) for event in dumped(url)]
    assert found == [(1, 10, False), (2, 20, False), (3, 30, False), (3, 666, True), (9, 777, True), (4, 40, False)]
    assert [event["fields"]["amount"] for event in dumped(url, "--from", 3, "--to", 4)] == [30, 666, 40]
    marked = [line for line in processor("journal", "dump", url).stdout.splitlines() if line.endswith("  VOID")]
    assert len(marked) == 2 and all("amount=666" in line or "amount=777" in line for line in marked)


def test_from_and_to_are_both_included_and_cut_blocks(url: str) -> None:
    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        for start in range(0, 50, 10):
            writer.block(*writer.deposits(*range(start, start + 10)))
    assert [event["sequence"] for event in dumped(url, "--from", 9, "--to", 22)] == list(range(9, 23))
    assert [event["sequence"] for event in dumped(url, "--from", 50)] == [50]
    assert [event["sequence"] for event in dumped(url, "--to", 1)] == [1]
    assert dumped(url, "--from", 51) == []


def test_a_journal_without_a_claim_has_no_events(url: str) -> None:
    open_journal(url, write=True).close()
    assert dumped(url) == []


def test_before_a_damage_everything_is_printed_and_then_where_it_is(url: str, tmp_path: Path) -> None:
    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        writer.block(*writer.deposits(1, 2))
        damaged = writer.block(*writer.deposits(3))
        writer.block(*writer.deposits(4))
    segment = tmp_path / "journal" / f"{0:020}.log"
    data = bytearray(segment.read_bytes())
    data[damaged + 70] ^= 1
    segment.write_bytes(data)
    done = processor("journal", "dump", url, "--json")
    assert [json.loads(line)["sequence"] for line in done.stdout.splitlines()] == [1, 2]
    assert done.returncode == 3 and f"offset {damaged} " in done.stderr and "Traceback" not in done.stderr


def test_a_record_of_a_newer_format_ends_the_dump_with_its_offset(url: str) -> None:
    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        writer.block(*writer.deposits(1))
        header = bytearray(64)
        header[0:8] = b"PBLK\x02\x00\x01\x00"
        at, _ = journal.append_record(bytes(header), b"")
    done = processor("journal", "dump", url)
    assert done.returncode == 3 and f"offset {at}: a record of format 2" in done.stderr and "amount=1" in done.stdout


@pytest.mark.parametrize(("words", "code", "said"), [
    (("dump", "embedded:/no/such/place"), 3, "there is no journal here"),
    (("dump", "file:///x"), 2, "names no journal"),
    (("dump", "memory:"), 2, "only the process that holds a memory journal"),
    (("dump", "embedded:x", "--from", "5", "--to", "4"), 2, "the first not above the last"),
    (("info", "embedded:x", "--from", "-1"), 2, "--from and --to are sequences"),
    (("dump", "embedded:x", "--to", "many"), 2, "invalid int value"),
    (("dump",), 2, "URL"),
])  # fmt: skip
def test_wrong_use_and_what_is_not_there_are_told(words: tuple[str, ...], code: int, said: str) -> None:
    done = processor("journal", *words)
    assert (done.returncode, done.stdout) == (code, "") and said in done.stderr and "Traceback" not in done.stderr


def test_a_reader_that_goes_away_ends_it_quietly(url: str) -> None:
    with open_journal(url.replace("65536", "16777216"), write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        for _ in range(20):
            writer.block(*writer.deposits(*range(1000)))
    dump = subprocess.Popen([*PROCESSOR, "journal", "dump", url.partition("?")[0]], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    with dump:
        assert dump.stdout is not None and dump.stderr is not None
        assert "amount=0" in dump.stdout.readline()
        dump.stdout.close()
        assert dump.stderr.read() == "" and dump.wait(60) == 0
