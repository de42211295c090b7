"""The README's table and picture: made from saved results, the cases that we lose included."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.context import Context
from bench.results import save
from bench.run_row import run_row
from bench.suite import Figure, Goal, Work
from bench.table import BEGIN, END, amount, bars, replaced, table
from tests.bench.contestants import WORK, Told, row


def saved(path: Path) -> dict[str, dict[str, object]]:
    """A row that is won against b and lost against the limit c; lower is better in its second work."""
    lower = Work("trip", {"sums": Figure("µs", "lower")}, "sum 3")
    contestants = (
        Told("a", "ours", [2_500_000, 50], []),
        Told("b", "peer", [1_000_000, 100], []),
        Told("c", "limit", [5_000_000, 25], []),
        Told("d", "peer", [1, 1], [], missing="no Java here\nand a long story"),
    )
    goals = (Goal("adding", "b", least=2), Goal("adding", "c", least=0.9))
    with Context(pairs=1, peers=True) as context:
        result = run_row(row(*contestants, works=(WORK, lower), goals=goals), context)
    save(path, result)
    return {"sums": result}


def test_the_table_tells_what_is_won_and_what_is_lost(tmp_path: Path) -> None:
    text = table(saved(tmp_path / "results.json"))
    assert "| adding | 2.5 M sums/s | b | 1 M sums/s | 2.5 | >= 2 | met |" in text
    assert "| adding | 2.5 M sums/s | c (limit) | 5 M sums/s | 0.5 | >= 0.9 | **missed** |" in text
    assert "| sums |  | d | not measured |  |  | no Java here |" in text
    assert "`python -m bench sums --peers`" in text


def test_a_bar_is_how_many_times_better_ours_is_even_where_less_is_better(tmp_path: Path) -> None:
    assert bars(saved(tmp_path / "results.json")) == [
        ("adding · b", 2.5, True),
        ("adding · c", 0.5, False),
        ("trip · b", 2.0, True),
        ("trip · c", 0.5, False),
    ]


def test_the_command_puts_the_table_into_a_page_and_draws_the_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "results.json")
    page, drawing = tmp_path / "README.md", tmp_path / "ratios.svg"
    page.write_text(f"before\n{BEGIN}\nold figures\n{END}\nafter\n")
    options = ["--results", str(tmp_path / "results.json"), "--into", str(page), "--picture", str(drawing)]
    assert main(["table", *options]) == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith(f"{END}\nafter\n")
    assert "old figures" not in text and "| adding |" in text
    root = ElementTree.fromstring(drawing.read_text())
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == 4
    assert main(["table", *options]) == 0
    assert page.read_text() == text
    assert '"ok": true' in capsys.readouterr().out


def test_a_page_without_a_place_for_the_table_is_left_alone() -> None:
    with pytest.raises(ValueError, match=r"notes\.md has no place for the table"):
        replaced("some text", "the table", "notes.md")


def test_a_table_of_nothing_is_an_error_that_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", "--results", str(tmp_path / "none.json")]) == 1
    assert "make bench-peers saves some there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "text"), [(5_234_000, "5.23 M"), (157_400, "157,000"), (23.456, "23.5"), (0.81, "0.81"), (999.6, "1000")]
)
def test_amounts_are_rounded_to_three_digits(value: float, text: str) -> None:
    assert amount(value) == text
