"""All of it is back after a crash: from a snapshot, from the first event, from the snapshot before a damaged one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.service_process import ROOT, ServiceProcess
from examples.bank import Balance, Deposit, Transfer
from examples.bank import app as bank
from processor import Client
from processor.client import admin
from processor.journal import open_journal
from processor.snapshot.store import SnapshotStore
from tests.service.conftest import Make


def fill(service: ServiceProcess, first: int, count: int) -> None:
    with Client(service.listen, bank) as client:
        client.send_many(Deposit(account % 50, 10) for account in range(first, first + count))
        assert sum(1 for _ in client.answers()) == count


def take(service: ServiceProcess) -> dict[str, Any]:
    answer = admin(service.listen, {"command": "snapshot"})
    assert answer["ok"], answer
    return answer


def hash_now(service: ServiceProcess) -> str:
    return str(take(service)["state_hash"])


@pytest.fixture(params=["embedded", "kafka"])
def url(request: pytest.FixtureRequest, tmp_path: Path, topic: str) -> str:
    if request.param == "embedded":
        return f"embedded:{tmp_path}/journal"
    return f"kafka://{request.getfixturevalue('bootstrap')}/{topic}"


def test_recovery_from_a_snapshot_and_from_the_first_event_give_the_same_state(make: Make, url: str, tmp_path: Path) -> None:
    service = make(journal=url).start()
    fill(service, 0, 300)
    sequence = take(service)["sequence"]
    fill(service, 300, 200)
    expected = hash_now(service)
    service.kill()
    for path in SnapshotStore(service.snapshots).files():
        if path.sequence > sequence:
            path.path.unlink()

    again = make(journal=url).start()
    events, snapshot, _ = again.recovered
    assert snapshot == sequence
    assert events >= 200
    assert hash_now(again) == expected
    again.kill()

    whole = make(journal=url, snapshots=tmp_path / "none").start()
    events, snapshot, _ = whole.recovered
    assert snapshot is None
    assert events >= 500
    assert hash_now(whole) == expected
    with Client(whole.listen, bank) as client:
        assert list(client.request(Transfer(1, 2, 5))) == [Balance(1, 95), Balance(2, 105)]


def test_every_byte_of_the_newest_snapshot_flipped_makes_the_service_begin_with_the_one_before(make: Make, tmp_path: Path) -> None:
    service = make("tests.service.apps:counter").start()
    with Client(service.listen) as client:
        client.request(("Add", {"amount": 5}))
        first = take(service)
        client.request(("Add", {"amount": 6}))
        second = take(service)
    service.kill()
    newest = max(service.snapshots.glob("*.snap"))
    whole = newest.read_bytes()
    assert len(whole) == second["bytes"]
    # Through the service's own choice for each byte; through a whole service for a few of them.
    check = [sys.executable, "-c", CHOOSE, str(service.snapshots), f"embedded:{tmp_path}/journal", str(first["sequence"])]
    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.stdout == f"{len(whole)} bytes, {len(whole)} refused\n", result.stderr
    for at in (0, len(whole) // 2, len(whole) - 1):
        newest.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        again = make("tests.service.apps:counter").start()
        assert again.recovered[1] == first["sequence"]
        assert any(newest.name in line and "is not used" in line for line in again.lines)
        with Client(again.listen) as client:
            assert client.request(("Add", {"amount": 0})).outputs[0].fields == {"total": 11}
        again.kill()


CHOOSE = """
import sys
from pathlib import Path
from processor.journal import open_journal
from processor.recovery.recover import find_beginning
from processor.snapshot.store import SnapshotStore
from tests.service.apps import counter

directory, url, before = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
newest = max(directory.glob("*.snap"))
whole = newest.read_bytes()
refused = 0
with open_journal(url) as journal:
    for at in range(len(whole)):
        newest.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])
        told = []
        snapshot, choice = find_beginning(counter, journal, SnapshotStore(directory), told.append)
        refused += snapshot.info.sequence == before and len(told) == 1 and newest.name in told[0]
newest.write_bytes(whole)
print(f"{len(whole)} bytes, {refused} refused")
"""


def test_a_torn_last_snapshot_and_a_leftover_are_ignored(make: Make) -> None:
    service = make().start()
    fill(service, 0, 10)
    first = take(service)["sequence"]
    fill(service, 10, 10)
    take(service)
    service.kill()
    newest = max(service.snapshots.glob("*.snap"))
    newest.write_bytes(newest.read_bytes()[:-40])
    leftover = newest.with_name(f".{newest.name}.abc.tmp")
    leftover.write_bytes(b"half")
    again = make().start()
    assert again.recovered[1] == first
    assert not leftover.exists()


def test_a_torn_tail_of_the_journal_ends_it_and_what_was_answered_is_there(make: Make, tmp_path: Path) -> None:
    service = make().start()
    fill(service, 0, 20)
    service.kill()
    with open_journal(f"embedded:{tmp_path}/journal") as journal:
        end = journal.ends()[1]
    segment = min((tmp_path / "journal").glob("*.log"))
    with segment.open("r+b") as file:
        file.seek(end)
        file.write(b"PBLK\1\0\1\0 half a block that was being written when the machine stopped")
    again = make().start()
    assert again.recovered[0] >= 20
    with Client(again.listen, bank) as client:
        assert list(client.request(Deposit(1, 1))) == [Balance(1, 11)]


def test_a_changed_byte_in_the_middle_of_the_journal_is_a_refusal_with_the_offset(make: Make, tmp_path: Path) -> None:
    service = make(options=("--snapshot-every", "0")).start()
    fill(service, 0, 20)
    with open_journal(f"embedded:{tmp_path}/journal") as journal:
        damaged = journal.ends()[1]
    fill(service, 20, 20)
    service.kill()
    segment = min((tmp_path / "journal").glob("*.log"))
    with segment.open("r+b") as file:
        file.seek(damaged + 100)
        byte = file.read(1)
        file.seek(damaged + 100)
        file.write(bytes([byte[0] ^ 1]))
    before = segment.read_bytes()
    again = make()
    again.begin()
    assert again.join() == 3
    assert any(str(damaged) in line for line in again.lines), again.lines
    assert segment.read_bytes() == before


def test_a_snapshot_is_taken_when_the_time_has_come_and_something_has_happened(make: Make) -> None:
    service = make(options=("--snapshot-every-s", "0.2", "--snapshot-every", "0")).start()
    fill(service, 0, 3)
    # The clock is the service's own; that one comes at all is what is awaited.
    answer: dict[str, Any] = {"snapshots": 0}
    while answer["snapshots"] == 0:
        answer = admin(service.listen, {"command": "stats"})
    assert answer["snapshot_sequence"] >= 4


def test_a_state_directory_that_was_copied_elsewhere_goes_on_there(make: Make, tmp_path: Path) -> None:
    service = make().start()
    fill(service, 0, 5)
    assert service.stop() == 0
    shutil.copytree(tmp_path / "journal", tmp_path / "copy" / "journal")
    shutil.copytree(service.snapshots, tmp_path / "copy" / "snapshots")
    there = make(journal=f"embedded:{tmp_path}/copy/journal", snapshots=tmp_path / "copy" / "snapshots").start()
    with Client(there.listen, bank) as client:
        assert list(client.request(Deposit(3, 1))) == [Balance(3, 11)]


def test_the_command_that_takes_a_snapshot_prints_what_it_took(make: Make) -> None:
    service = make().start()
    fill(service, 0, 5)
    command = [sys.executable, "-m", "processor", "snapshot", "take", "--to", service.listen, "--keep", "mine", "--json"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(result.stdout)
    assert said["sequence"] >= 6
    assert {"position", "state_hash", "bytes", "seconds"} <= said.keys()
    assert [one.kept for one in SnapshotStore(service.snapshots).files()] == ["mine"]
