"""`processor snapshot list|show|take`: what people and scripts see."""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import processor.client
from processor.cli import snapshot as command
from processor.errors import ClientError, SnapshotError
from processor.snapshot.layout import SnapshotMeta
from processor.snapshot.state import state_hash
from processor.snapshot.store import SnapshotStore

KEYS = {"sequence", "position", "state_hash", "bytes", "seconds"}


@dataclass
class Bank:
    balances: dict[int, int] = field(default_factory=dict)


def meta(sequence: int) -> SnapshotMeta:
    return SnapshotMeta(
        application="bank", application_version="1", fingerprint=5, schema='{"events":[]}', journal_id=7,
        journal_url="memory:", partition=0, position=sequence * 10, next_sequence=sequence + 1, epoch_offset=0,
        epoch_writer=7, last_block_offset=0, last_block_checksum=1, timestamp=1, created=1_700_000_000_000_000_000,
    )  # fmt: skip


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    made = SnapshotStore(tmp_path)
    made.write(meta(1), Bank({1: 1}), b"", keep="mine")
    made.write(meta(2), Bank({2: 2}), b"abc")
    return made


def test_list_prints_newest_first_as_json(store: SnapshotStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", str(store.directory), "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["sequence"], row["position"], row["kept"]) for row in rows] == [(2, 20, None), (1, 10, "mine")]
    assert all(row.keys() >= KEYS and row["ok"] and row["seconds"] > 0 for row in rows)
    assert rows[0]["state_hash"] == state_hash(Bank({2: 2})).hex()


def test_list_prints_a_table_and_tells_damaged_ones(store: SnapshotStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", str(store.directory)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and "2023-11-14 22:13:20Z" in lines[1] and "kept-mine-" in lines[2]
    path = store.files()[0].path
    path.write_bytes(path.read_bytes()[:-1])
    assert run("list", str(store.directory)) == 1
    assert "damaged" in capsys.readouterr().out
    assert run("list", str(store.directory), "--json") == 1
    row = json.loads(capsys.readouterr().out)[0]
    assert not row["ok"] and "torn" in row["error"] and row["sequence"] == 2


def test_list_of_no_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"there is no such directory.*--snapshots"):
        run("list", str(tmp_path / "missing"))


def test_show_tells_everything_of_the_newest_good_one(store: SnapshotStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", str(store.directory), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown.keys() >= KEYS and shown["sequence"] == 2 and shown["schema"] == {"events": []}
    assert (shown["journal"], shown["sessions_bytes"], shown["quarantine"]) == ("memory:", 3, [])
    store.files()[0].path.write_bytes(b"")
    assert run("show", str(store.directory)) == 0
    text = capsys.readouterr().out
    assert "kept                 mine" in text and "every byte is as it was written" in text


def test_show_of_a_named_file_verifies_that_file(store: SnapshotStore, capsys: pytest.CaptureFixture[str]) -> None:
    path = store.files()[0].path
    assert run("show", str(path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["sequence"] == 2
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(SnapshotError, match="damaged"):
        run("show", str(path))


def test_show_without_a_good_one_says_what_was_looked_at(store: SnapshotStore, tmp_path: Path) -> None:
    for found in store.files():
        found.path.write_bytes(b"")
    with pytest.raises(SnapshotError, match=r"(?s)no good snapshot here; 2 were looked at.*is torn.*is torn"):
        run("show", str(tmp_path))


def test_take_asks_the_service_and_prints_its_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    answer = {"ok": True, "sequence": 5, "position": 6, "state_hash": "ab", "bytes": 7, "seconds": 0.25}

    def admin(address: str, request: dict[str, Any]) -> dict[str, Any]:
        asked.append((address, request))
        return answer

    monkeypatch.setattr(processor.client, "admin", admin, raising=False)
    assert run("take", "--to", "unix:/tmp/s", "--keep", "mine", "--json") == 0
    assert json.loads(capsys.readouterr().out) == answer
    assert run("take", "--to", "unix:/tmp/s") == 0
    assert capsys.readouterr().out == "snapshot of sequence 5 at position 6: 7 bytes in 0.250 s, state ab\n"
    assert asked == [
        ("unix:/tmp/s", {"command": "snapshot", "keep": "mine"}),
        ("unix:/tmp/s", {"command": "snapshot", "keep": None}),
    ]


@pytest.mark.parametrize("answer", [{"ok": False, "error": "disk full"}, {"sequence": 1}, {"error": "unknown command"}])
def test_take_that_the_service_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    monkeypatch.setattr(processor.client, "admin", lambda address, request: answer, raising=False)
    with pytest.raises(ClientError, match=r"unix:/tmp/s: no snapshot was taken"):
        run("take", "--to", "unix:/tmp/s")
