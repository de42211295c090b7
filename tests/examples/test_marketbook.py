"""A trading day in a journal: the state behind each row's event is the row that the exchange published."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from examples.marketbook import app
from examples.marketbook.__main__ import main
from examples.marketbook.check import as_row, row_events
from examples.marketbook.files import read_levels, read_messages
from examples.marketbook.load import load
from processor import History

NAME = "GOOG_2012-06-21_34200000_57600000"


@pytest.fixture(scope="module")
def days(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the unpacked days of 1, 5 and 10 levels."""
    folder = tmp_path_factory.mktemp("lobster")
    for levels in (1, 5, 10):
        with zipfile.ZipFile(data / "lobster" / f"LOBSTER_SampleFile_GOOG_2012-06-21_{levels}.zip") as packed:
            packed.extractall(folder)
    return folder


def files(days: Path, levels: int) -> tuple[str, str]:
    return str(days / f"{NAME}_message_{levels}.csv"), str(days / f"{NAME}_orderbook_{levels}.csv")


def journal_url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    if kind == "embedded":
        return f"embedded://{tmp_path}/journal"
    return f"kafka://{request.getfixturevalue('bootstrap')}/{request.getfixturevalue('topic')}"


@pytest.mark.parametrize("kind", ["embedded", "kafka"])
@pytest.mark.parametrize("levels", [1, 5, 10])
def test_every_state_asked_for_is_the_published_row(
    levels: int,
    kind: str,
    days: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    messages, orderbook = files(days, levels)
    url = journal_url(request, kind, tmp_path)
    assert main(["load", messages, orderbook, "--journal", url]) == 0
    capsys.readouterr()
    assert main(["check", orderbook, "--journal", url, "--rows", "20", "--seed", str(levels)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] and answer["states"] == answer["equal"] >= 20 and answer["by_time"] > 0
    assert answer["query_seconds_median"] > 0 and answer["query_seconds_median_without_snapshots"] > 0


def test_every_row_of_a_day_is_right_and_the_files_times_are_the_events(days: Path, tmp_path: Path) -> None:
    messages, orderbook = files(days, 1)
    url = f"embedded://{tmp_path}/journal"
    rows, _ = load(messages, orderbook, url)
    sequences, times = row_events(url)
    assert len(sequences) == rows and times.tolist() == [row.time_ns for row in read_messages(messages)]
    published = [np.array(row) for row in read_levels(orderbook)]
    asked = 0
    with History(app, url) as history:
        for step in history.steps(int(sequences[-3000])):
            if step.event.name == "Message":
                asked += 1
                assert np.array_equal(as_row(step.moment.state), published[step.event.fields["row"]])
    assert asked == 3000


def test_one_changed_number_is_found(days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages, orderbook = files(days, 1)
    url = f"embedded://{tmp_path}/journal"
    head_messages, head_book = tmp_path / Path(messages).name, tmp_path / Path(orderbook).name
    for source, target in ((messages, head_messages), (orderbook, head_book)):
        target.write_text("".join(Path(source).read_text().splitlines(keepends=True)[:200]))
    load(head_messages, head_book, url)
    lines = head_book.read_text().splitlines()
    numbers = lines[120].split(",")
    lines[120] = ",".join([*numbers[:1], str(int(numbers[1]) + 1), *numbers[2:]])
    changed = tmp_path / "changed.csv"
    changed.write_text("\n".join(lines) + "\n")
    assert main(["check", str(head_book), "--journal", url, "--rows", "1000"]) == 0
    assert main(["check", str(changed), "--journal", url, "--rows", "1000"]) == 1
    assert "row 120" in json.loads(capsys.readouterr().out.splitlines()[-1])["first_different"]


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT"])
def test_other_symbols_and_depths_are_right(symbol: str, data: Path, tmp_path: Path) -> None:
    found = {part: next((data / "lobster").glob(f"{symbol}*_{part}_*.csv.gz")) for part in ("message", "orderbook")}
    url = f"embedded://{tmp_path}/journal"
    assert main(["load", str(found["message"]), str(found["orderbook"]), "--journal", url]) == 0
    assert main(["check", str(found["orderbook"]), "--journal", url, "--rows", "40"]) == 0


def test_files_that_are_no_pair_leave_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "messages.csv").write_text("34200.1,1,7,100,5000000,1\n34200.2,1,8,100,5000000,1\n")
    (tmp_path / "book.csv").write_text("5010000,5,5000000,100\n")
    url = f"embedded://{tmp_path}/journal"
    assert main(["load", str(tmp_path / "messages.csv"), str(tmp_path / "book.csv"), "--journal", url]) == 2
    assert "ends before row 1" in capsys.readouterr().err
    (tmp_path / "book.csv").write_text("5010000,5,5000000\n")
    assert main(["load", str(tmp_path / "messages.csv"), str(tmp_path / "book.csv"), "--journal", url]) == 2
    assert "four whole numbers a level" in capsys.readouterr().err
    assert not (tmp_path / "journal").exists()


def test_the_books_queries_answer_at_a_time(days: Path, tmp_path: Path) -> None:
    messages, orderbook = files(days, 5)
    url = f"embedded://{tmp_path}/journal"
    load(messages, orderbook, url)
    with History(app, url) as history:
        first = next(read_levels(orderbook))
        row = next(iter(read_messages(messages)))
        known = history.query("levels", at=row.time_ns)
        assert known[0][0] == first[0][0] and len(known) == 5
        best = history.query("best", at=row.time_ns)
        assert best["ask"] == known[0][:2] and best["bid"] == known[0][2:]
        assert history.query("orders", "buy", best["bid"][0], at=row.time_ns)
