"""What a row says in the end: one JSON object, when it fails as well; and the file of results."""

from __future__ import annotations

import argparse
import json
import sys
import types
from pathlib import Path

import pytest

from bench import __main__ as command
from bench.results import load, save
from tests.bench.contestants import Told, row

FIELDS = {"ok", "row", "ours", "peers", "limit", "unit", "ratio", "runs", "min", "median", "max", "machine", "versions"}


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ours: Told, *options: str
) -> tuple[int, dict[str, object], str]:
    """Runs a row called sums as from the command line: exit code, the last line of stdout, all of stderr."""
    module = types.ModuleType("row_of_a_test")
    module.ROW = row(ours, Told("b", "peer", [2, 2], []))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(command, "ROWS", {"sums": module.__name__})
    code = command.main(["sums", "--pairs", "2", "--peers", *options])
    said = capsys.readouterr()
    return code, json.loads(said.out.strip().splitlines()[-1]), said.err


def test_the_last_line_holds_the_whole_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result, said = run(monkeypatch, capsys, Told("a", "ours", [1, 3], []))
    assert code == 0
    assert result.keys() >= FIELDS
    assert (result["ok"], result["row"], result["ours"], result["peers"], result["ratio"]) == (
        True,
        "sums",
        2,
        {"b": 2},
        {"b": 1},
    )
    assert result["versions"]["b"] == "1.0"  # type: ignore[index]
    assert "b (peer): told what to say (b)" in said


def test_a_failing_row_says_so_in_the_same_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result, _said = run(monkeypatch, capsys, Told("a", "ours", [1, 3], [], result="sum 4"))
    assert code == 1
    assert (result["ok"], result["row"]) == (False, "sums")
    assert "expected 'sum 3', it came to 'sum 4'" in str(result["error"])


def test_a_failing_row_is_not_saved_and_a_good_one_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    run(monkeypatch, capsys, Told("a", "ours", [1, 3], [], result="sum 4"), "--save", str(path))
    assert load(path) == {}
    run(monkeypatch, capsys, Told("a", "ours", [1, 3], []), "--save", str(path))
    assert load(path)["sums"]["ours"] == 2


def test_a_saved_result_takes_the_place_of_the_rows_last_one_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for result in ({"row": "x", "ours": 1}, {"row": "y", "ours": 2}, {"row": "x", "ours": 3}):
        save(path, result)
    assert {name: result["ours"] for name, result in load(path).items()} == {"x": 3, "y": 2}
    assert [found.name for found in tmp_path.iterdir()] == ["results.json"]


def test_another_file_is_not_taken_for_results(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"name": "x"}')
    with pytest.raises(ValueError, match="expected an object with a result for each row's name"):
        save(path, {"row": "x"})
    assert path.read_text() == '{"name": "x"}'


def test_every_row_of_the_table_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    for name in command.ROWS:
        with pytest.raises(SystemExit) as ended:
            command.main([name, "--help"])
        assert ended.value.code == 0
        assert "--broker-log" in capsys.readouterr().out
        module = __import__(command.ROWS[name], fromlist=["ROW"])
        assert module.ROW.name == name


def test_pairs_below_one_are_refused() -> None:
    from bench.context import Context

    with pytest.raises(ValueError, match="--pairs is at least 1"):
        Context.of(argparse.Namespace(quick=False, peers=False, pairs=0, broker_log=None))
