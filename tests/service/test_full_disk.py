"""A disk that runs full under the journal or under the snapshots: told, bounded, and nothing that was answered is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor import Client
from processor.client import admin
from processor.errors import ClientError
from tests.service.conftest import Make


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 3 MiB; mounting one takes root, as CI is."""
    where = tmp_path / "small"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(where)], check=True)
    yield where
    subprocess.run(["umount", "--lazy", str(where)], check=True)


def test_a_full_disk_under_the_journal_stops_the_service_and_what_was_answered_is_there_with_more_room(
    make: Make, small: Path
) -> None:
    url = f"embedded:{small}/journal?segment_bytes=1048576"
    service = make(journal=url, options=("--snapshot-every", "0")).start()
    amounts = np.zeros(1000, bank.message_of(Deposit).dtype)
    amounts["account"], amounts["amount"] = 1, 1
    answered = 0
    with Client(service.listen, bank, timeout_s=60, reconnect_s=0) as client, pytest.raises(ClientError):
        while True:
            client.send_array(Deposit, amounts)
            for answer in client.answers():
                answered += 1
                assert answer.outputs == [Balance(1, answered)]
    assert answered > 1000
    assert service.join() == 3
    said = next(line for line in service.lines if line.startswith("the journal failed"))
    assert "No space left on device" in said and str(small) in said and "make room" in said

    still_full = make(journal=url)
    still_full.begin()
    assert still_full.join() == 3, still_full.lines
    assert any("make room" in line for line in still_full.lines), still_full.lines

    subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
    again = make(journal=url).start()
    with Client(again.listen, bank) as client:
        balance = client.request(Deposit(1, 1)).outputs[0].balance
    assert answered < balance <= answered + 1001


def test_a_full_disk_under_the_snapshots_is_told_and_disturbs_nobody(make: Make, small: Path) -> None:
    service = make(snapshots=small / "snapshots", options=("--snapshot-every", "0")).start()
    with Client(service.listen, bank) as client:
        assert list(client.request(Deposit(1, 10))) == [Balance(1, 10)]
        assert admin(service.listen, {"command": "snapshot"})["ok"]
        with (small / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space left"):
            while True:
                ballast.write(bytes(4096))
        refused = admin(service.listen, {"command": "snapshot"})
        assert not refused["ok"]
        assert "No space left" in refused["error"] and "make room" in refused["error"]
        assert list(client.request(Deposit(1, 10))) == [Balance(1, 20)]
        # Also the one at the end fails, and is told; the journal has everything.
        assert service.stop() == 0
    assert any("was not taken" in line and "No space left" in line for line in service.lines), service.lines
    (small / "ballast").unlink()
    again = make(snapshots=small / "snapshots").start()
    with Client(again.listen, bank) as client:
        assert list(client.request(Deposit(1, 10))) == [Balance(1, 30)]
