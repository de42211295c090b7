"""`processor verify` finds what is not as it was, and the first sequence where it shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processor.cli.main import main
from processor.snapshot.layout import SnapshotInfo
from processor.snapshot.store import SnapshotStore
from tests.history.apps import THRESHOLD
from tests.history.support import Record, Written, block_holding, first_sequence, records, rewritten, served

Verify = Callable[[Written], tuple[int, dict[str, Any]]]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    def run(written: Written, *more: str) -> tuple[int, dict[str, Any]]:
        code = main(["verify", *written.arguments, "--json", *more])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_a_sound_journal_is_equal_from_the_first_event_and_from_every_snapshot(sound: Written, verify: Verify) -> None:
    code, verdict = verify(sound)
    assert code == 0 and verdict["ok"] and verdict["findings"] == []
    assert verdict["sequence"] > 600 and verdict["snapshots"] == 3 and verdict["hashes"] == 4


def test_the_other_logic_is_found_at_the_first_recorded_hash_behind_its_change(sound: Written, verify: Verify) -> None:
    code, verdict = verify(replace(sound, name="tests.history.apps:other"))
    assert code == 1
    recorded = next(one for one in verdict["findings"] if "recorded another state hash" in one["what"])
    assert recorded["sequence"] >= THRESHOLD and recorded["expected"] != recorded["found"]


@pytest.mark.parametrize("name", ["dice", "clock", "ordered"])
def test_a_handler_that_is_not_deterministic_is_found_at_the_first_event_where_it_shows(
    name: str, tmp_path: Path, verify: Verify
) -> None:
    code, verdict = verify(served(name, tmp_path))
    assert code == 1
    parted = next(one for one in verdict["findings"] if "two replays of the same events differ" in one["what"])
    assert parted["sequence"] == THRESHOLD and parted["expected"] != parted["found"]


def test_a_handler_that_keeps_something_outside_of_the_state_is_found_behind_the_snapshot(
    tmp_path: Path, verify: Verify
) -> None:
    written = served("hidden", tmp_path)
    code, verdict = verify(written)
    oldest = min(found.sequence for found in SnapshotStore(written.snapshots).files())
    assert code == 1
    finding = verdict["findings"][0]
    assert "uses something that is not in the state" in finding["what"]
    # The next event behind the oldest snapshot; the state hash that was recorded there may stand between.
    assert oldest < finding["sequence"] <= oldest + 2


def test_a_changed_byte_below_what_was_synced_is_found_with_the_sequence_of_its_block(
    sound: Written, tmp_path: Path, verify: Verify
) -> None:
    shutil.copytree(sound.url.partition("://")[2].partition("?")[0], tmp_path / "journal")
    found = records(sound.url)
    number = block_holding(found, 200)
    path = tmp_path / "journal" / f"{0:020}.log"
    data = bytearray(path.read_bytes())
    at = data.index(found[number][1])
    data[at + 40] ^= 1
    path.write_bytes(data)
    code, verdict = verify(replace(sound, url=f"embedded://{tmp_path}/journal"))
    assert code == 1
    assert verdict["findings"][0]["sequence"] == first_sequence(found[number])
    assert "does not read back as it was written" in verdict["findings"][0]["what"]


def dropped(found: list[Record], number: int) -> list[Record]:
    return [*found[:number], *found[number + 1 :]]


def doubled(found: list[Record], number: int) -> list[Record]:
    return [*found[: number + 1], *found[number:]]


def swapped(found: list[Record], number: int) -> list[Record]:
    return [*found[:number], found[number + 1], found[number], *found[number + 2 :]]


@pytest.mark.parametrize("change", [dropped, doubled, swapped])
def test_a_dropped_doubled_or_swapped_block_is_found_where_it_shows(
    change: Callable[[list[Record], int], list[Record]], sound: Written, tmp_path: Path, verify: Verify
) -> None:
    found = records(sound.url)
    number = block_holding(found, 200)
    code, verdict = verify(rewritten(sound, tmp_path / "journal", lambda whole: change(whole, number)))
    expected = first_sequence(found[number] if change is not doubled else found[number + 1])
    assert code == 1
    assert verdict["findings"][0]["sequence"] == expected
    assert f"{expected} was expected" in verdict["findings"][0]["what"]


def test_a_block_of_a_writer_that_never_claimed_is_found(sound: Written, tmp_path: Path, verify: Verify) -> None:
    def forged(found: list[Record]) -> list[Record]:
        number = block_holding(found, 200)
        header = bytearray(found[number][0])
        header[16:24] = (12345).to_bytes(8, "little")
        return [*found[:number], (bytes(header), found[number][1]), *found[number:]]

    code, verdict = verify(rewritten(sound, tmp_path / "journal", forged))
    assert code == 1 and "claim is nowhere before it" in verdict["findings"][0]["what"]


def test_one_bit_in_a_snapshots_file_is_found(sound: Written, tmp_path: Path, verify: Verify) -> None:
    snapshots = Path(shutil.copytree(sound.snapshots, tmp_path / "snapshots"))
    found = SnapshotStore(snapshots).files()[1]
    data = bytearray(found.path.read_bytes())
    state = bytes(found.read().state)
    data[data.index(state) + len(state) - 1] ^= 1
    found.path.write_bytes(data)
    code, verdict = verify(replace(sound, snapshots=snapshots))
    assert code == 1
    assert [(one["sequence"], "damaged" in one["what"]) for one in verdict["findings"]] == [(found.sequence, True)]


def test_another_state_in_a_snapshot_whose_checksums_are_right_is_found(
    sound: Written, tmp_path: Path, verify: Verify
) -> None:
    snapshots = Path(shutil.copytree(sound.snapshots, tmp_path / "snapshots"))
    store = SnapshotStore(snapshots, keep=10)
    found = store.files()[1].read()
    state = found.load_state(sound.app.state_type)
    right = found.info.state_hash.hex()
    state.total ^= 1
    info = store.write(found.info.meta, state, bytes(found.sessions))
    assert isinstance(info, SnapshotInfo)
    code, verdict = verify(replace(sound, snapshots=snapshots))
    assert code == 1
    first = verdict["findings"][0]
    assert (first["sequence"], first["expected"], first["found"]) == (info.sequence, right, info.state_hash.hex())


def test_events_that_are_missing_at_the_end_are_found_by_the_snapshot_behind_them(
    sound: Written, tmp_path: Path, verify: Verify
) -> None:
    code, verdict = verify(rewritten(sound, tmp_path / "journal", lambda found: found[: block_holding(found, 200)]))
    assert code == 1 and all("events are missing" in one["what"] for one in verdict["findings"])


def test_what_cannot_be_verified_ends_with_3(
    sound: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = replace(sound, url=f"embedded://{tmp_path}/nothing")
    assert main(["verify", *missing.arguments, "--json"]) == 3
    assert "there is no journal here" in json.loads(capsys.readouterr().out)["error"]
    foreign = replace(sound, name="tests.history.apps:dice")
    assert main(["verify", *foreign.arguments]) == 3
    assert "belongs to the application 'sound'" in capsys.readouterr().err
    raising = replace(sound, name="tests.history.apps:touchy")
    assert main(["verify", *raising.arguments]) == 3
    assert f"raised at sequence {THRESHOLD}" in capsys.readouterr().err
