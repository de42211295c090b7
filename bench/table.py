"""`python -m bench table`: the saved results as the README's table (Markdown), and as a picture (SVG)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.picture import picture
from bench.results import Results, load

RESULTS = Path(__file__).with_name("results.json")
BEGIN, END = "<!-- figures: begin (python -m bench table --into README.md) -->", "<!-- figures: end -->"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FILE", help="the file of results (default %(default)s)"
    )
    parser.add_argument("--into", type=Path, metavar="FILE.md", help="put the table between this file's two marks")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw the ratios there")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """{ok, table, rows}. Raises ValueError when there are no results, or no marks to put the table between."""
    results = load(arguments.results)
    if not results:
        raise ValueError(f"{arguments.results} holds no results yet: make bench-peers saves some there")
    text = table(results)
    if arguments.into is not None:
        arguments.into.write_text(replaced(arguments.into.read_text(), text, str(arguments.into)))
    if arguments.picture is not None:
        arguments.picture.write_text(picture(bars(results)))
    return {"ok": True, "table": text, "rows": list(results)}


def replaced(page: str, text: str, name: str) -> str:
    """The page with the text between its marks. Raises ValueError unless both are there."""
    if BEGIN not in page or END not in page:
        raise ValueError(f"{name} has no place for the table: expected the lines {BEGIN!r} and {END!r}")
    return page[: page.index(BEGIN) + len(BEGIN)] + "\n" + text + page[page.index(END) :]


def table(results: Results) -> str:
    """A Markdown table, a line a case and opponent, and below it what it was measured on and when."""
    lines = ["| row | ours | against | theirs | ratio | goal | |", "| --- | ---: | --- | ---: | ---: | --- | --- |"]
    lines += [f"| {' | '.join(cells)} |" for result in results.values() for cells in _lines_of(result)]
    notes = [_note(result) for result in results.values()]
    return "\n".join([*lines, "", *dict.fromkeys(notes)]) + "\n"


def bars(results: Results) -> list[tuple[str, float, bool]]:
    """(what against whom, how many times better ours is, whether it is better) of every ratio: below 1 we lose."""
    made = []
    for result in results.values():
        for name, case in result["cases"].items():
            for other, ratio in case["ratio"].items():
                times = ratio if case["better"] == "higher" else 1 / ratio
                made.append((f"{name} · {other}", times, times >= 1))
    return made


def _lines_of(result: dict[str, Any]) -> Iterator[Sequence[str]]:
    goals = {(goal["case"], goal["against"]): goal for goal in result["goals"]}
    for name, case in result["cases"].items():
        mine = f"{amount(case['ours'])} {case['unit']}" if case["ours"] is not None else ""
        others = {**case["peers"], **({case["limit_name"]: case["limit"]} if case["limit_name"] else {})}
        for other, value in others.items():
            ratio, goal = case["ratio"].get(other), goals.get((name, other))
            yield (
                name,
                mine,
                other + (" (limit)" if other == case["limit_name"] else ""),
                f"{amount(value)} {case['unit']}",
                f"{ratio:.3g}" if ratio is not None else "",
                goal["wanted"] if goal else "",
                "" if goal is None else "met" if goal["met"] else "**missed**",
            )
        if not others or (name, None) in goals:
            goal = goals.get((name, None))
            wanted = f"{goal['wanted']} {case['unit']}" if goal else ""
            yield name, mine, "", "", "", wanted, "" if goal is None else "met" if goal["met"] else "**missed**"
    for other, why in result["unavailable"].items():
        yield result["row"], "", other, "not measured", "", "", why.splitlines()[0]


def _note(result: dict[str, Any]) -> str:
    at = result["machine"]
    log = f", broker log on {result['broker_log']}" if result["broker_log"] else ""
    quick = "; small runs, their figures are no more than a sign of life" if result["quick"] else ""
    return (
        f"`python -m bench {result['row']} --peers`: {result['date']}, {at['cpu']}, {at['cores']} cores, "
        f"{at['memory_gib']} GiB, Linux {at['kernel']}{log}; medians{quick}.  "
    )


def amount(value: float) -> str:
    """Three significant digits, with thousands and millions as people write them."""
    if value >= 1e6:
        return f"{float(f'{value:.3g}') / 1e6:g} M"
    if value >= 1e3:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.3g}'):g}"
