"""`processor rebuild|query|diff|replay` as people type them, on a journal that a service has written."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from processor.cli.main import main
from processor.errors import EXIT_CANNOT_RUN, EXIT_DONE, EXIT_WRONG_USE
from processor.snapshot.store import SnapshotStore
from tests.history.apps import THRESHOLD
from tests.history.support import EVENTS, Written, embedded


@pytest.fixture
def ask(sound: Written, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(command: str, *words: str) -> list[dict[str, Any]]:
        assert main([command, *sound.arguments, "--json", *words]) == EXIT_DONE
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_rebuild_and_query_agree_with_the_newest_snapshot(ask: Any, sound: Written) -> None:
    newest = SnapshotStore(sound.snapshots).files()[0].read().info
    (rebuilt,) = ask("rebuild")
    (queried,) = ask("query", "--at", str(newest.sequence))
    assert queried["state_hash"] == newest.state_hash.hex()
    assert queried["state"] == {"total": EVENTS * (EVENTS + 1) // 2, "names": []}
    assert rebuilt["sequence"] >= newest.sequence and rebuilt["state_hash"] == newest.state_hash.hex()


def test_rebuild_writes_a_snapshot_that_is_as_good_as_the_services(ask: Any, sound: Written, tmp_path: Path) -> None:
    (rebuilt,) = ask("rebuild", "--write", "--snapshots", str(tmp_path / "new"))
    (found,) = SnapshotStore(tmp_path / "new").files()
    assert found.good and found.sequence == rebuilt["sequence"] and str(found.path) == rebuilt["snapshot"]


def test_a_named_query_gets_its_arguments_by_their_types(ask: Any) -> None:
    (answer,) = ask("query", "--at", "101", "plus", "5", "7")
    (total,) = ask("query", "--at", "101", "total")
    assert answer["answer"] == [total["answer"] + 5, "7"]


def test_diff_tells_each_change_once(ask: Any) -> None:
    (answer,) = ask("diff", "--at", "50", "--and", "51")
    assert [change["path"] for change in answer["changes"]] == ["state.total"]


def test_replay_with_other_logic_ends_elsewhere(ask: Any, sound: Written) -> None:
    (same,) = ask("replay", "--to", str(THRESHOLD + 10))
    (changed,) = ask("replay", "--to", str(THRESHOLD + 10), "--with", "tests.history.apps:other")
    (before,) = ask("replay", "--to", str(THRESHOLD - 1), "--with", "tests.history.apps:other")
    assert same["state_hash"] == ask("query", "--at", str(THRESHOLD + 10))[0]["state_hash"] != changed["state_hash"]
    assert before["state_hash"] == ask("query", "--at", str(THRESHOLD - 1))[0]["state_hash"]


def test_steps_show_each_event_and_end_at_q(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\nq\n"))
    first, second, summary = ask("replay", "--from", "20", "--to", "30", "--step")
    assert [first["sequence"], second["sequence"], summary["sequence"]] == [20, 21, 21]
    assert first["type"] == "Add" and [change["path"] for change in first["changes"]][-1] == "state.total"


def test_the_debugger_stops_before_the_event_and_steps_into_its_handler(
    sound: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("p ('total', state.total)\np event.sequence\ns\nw\nc\n"))
    assert main(["replay", *sound.arguments, "--pdb-at", "20", "--to", "20"]) == EXIT_DONE
    shown = capsys.readouterr().out
    monkeypatch.undo()
    assert main(["query", *sound.arguments, "--at", "19", "total"]) == EXIT_DONE
    before = capsys.readouterr().out.splitlines()[-1]
    assert f"('total', {before})" in shown and "apps.py" in shown and "@sound.on(SoundAdd)" in shown


def test_outputs_go_to_a_file_one_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.history.test_temporal_queries import imported

    url = imported(embedded(tmp_path / "journal"))
    words = ["replay", "--app", "examples.bank:app", "--journal", url, "--outputs", str(tmp_path / "outputs"), "--json"]
    assert main(words) == EXIT_DONE
    lines = [json.loads(line) for line in (tmp_path / "outputs").read_text().splitlines()]
    assert len(lines) == json.loads(capsys.readouterr().out)["outputs"] > 50
    assert lines[0]["type"] == "Balance" and lines[0]["output"] == {"account": 0, "balance": 10}


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["query", "--at", "100000"], EXIT_WRONG_USE, "there is no sequence 100000"),
        (["query", "--at", "1999-01-01"], EXIT_WRONG_USE, "is before the journal's first event"),
        (["query", "nothing"], EXIT_WRONG_USE, "has no query 'nothing'; it has plus, total"),
        (["diff", "--at", "x", "--and", "3"], EXIT_WRONG_USE, "names no moment"),
        (["replay", "--from", "30", "--to", "20"], EXIT_WRONG_USE, "lies before"),
        (["replay", "--with", "tests.history.apps:dice"], EXIT_CANNOT_RUN, "belongs to the application 'sound'"),
        (["replay", "--outputs", "/nowhere/at/all"], EXIT_WRONG_USE, "cannot be written there"),
        (["rebuild", "--snapshots", "/nowhere/at/all"], EXIT_WRONG_USE, "no such directory of snapshots"),
    ],
)
def test_bad_input_is_a_clear_error_with_its_exit_code(
    words: list[str], code: int, text: str, sound: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([words[0], *sound.arguments, *words[1:]]) == code
    assert text in capsys.readouterr().err


def test_a_journal_of_a_running_service_is_asked_without_disturbing_it(tmp_path: Path, ask: Any) -> None:
    from bench.service_process import running
    from processor import History
    from processor.client import Client
    from tests.history.apps import SoundAdd, sound

    url = embedded(tmp_path / "journal")
    with running(
        "tests.history.apps:sound", journal=url, listen=f"unix:{tmp_path}/s", snapshots=tmp_path / "snapshots"
    ) as service:
        with (
            Client(f"unix:{tmp_path}/s", sound, timeout_s=60) as client,
            History(sound, url, tmp_path / "snapshots") as history,
        ):
            for total in (1, 3, 6):
                sequence = client.request(SoundAdd(total - history.at().state.total if total > 1 else 1, "a")).sequence
                assert history.at(sequence).state.total == total == history.at().state.total
        assert service.stop() == 0
