"""The frame of the comparisons: turns, medians, ratios, and that a wrong result is never a figure."""

from __future__ import annotations

import pytest

from bench.context import Context
from bench.figures import ratio_of
from bench.run_row import run_row
from bench.suite import Figure, Goal, Unavailable, Work, WrongResult, compete, pairs_of
from tests.bench.contestants import WORK, Told, row


def silent(text: str) -> None:
    return None


def test_contestants_alternate_and_every_other_round_runs_in_the_opposite_order() -> None:
    calls: list[str] = []
    compete(WORK, [Told("a", "ours", [1, 2, 3], calls), Told("b", "peer", [4, 5, 6], calls)], 3, silent)
    assert calls == ["a", "b", "b", "a", "a", "b"]


def test_a_result_tells_medians_spreads_and_the_median_of_the_ratios_within_a_round() -> None:
    calls: list[str] = []
    with Context(pairs=3, peers=True) as context:
        result = run_row(
            row(
                Told("a", "ours", [10, 30, 20], calls),
                Told("b", "peer", [10, 10, 40], calls),
                Told("c", "limit", [20, 60, 40], calls),
            ),
            context,
        )
    assert (result["ours"], result["peers"], result["limit"]) == (20, {"b": 10}, 40)
    assert (result["min"], result["median"], result["max"], result["runs"]) == (10, 20, 30, 3)
    assert result["ratio"] == {"b": 1.0, "c": 0.5}  # of 1, 3 and 0.5; the ratio of the medians would be 2
    assert result["spread"]["b"] == [10, 10, 40]


def test_the_ratio_is_taken_round_by_round_so_that_drift_cancels_out() -> None:
    assert ratio_of([2, 20, 200], [1, 10, 100]) == 2


@pytest.mark.parametrize("who", ["ours", "peer", "limit"])
def test_a_wrong_result_of_anybody_fails_the_row(who: str) -> None:
    calls: list[str] = []
    kinds = {kind: "sum 4" if kind == who else "sum 3" for kind in ("ours", "peer", "limit")}
    with (
        Context(pairs=2, peers=True) as context,
        pytest.raises(WrongResult, match=r"expected 'sum 3', it came to 'sum 4'"),
    ):
        run_row(row(*(Told(kind, kind, [1, 1], calls, result=result) for kind, result in kinds.items())), context)


def test_a_measurement_without_one_of_the_figures_is_no_measurement() -> None:
    with pytest.raises(WrongResult, match="expected the figures sums, it measured lone"):
        compete(WORK, [Told("a", "ours", [1], [], figures=("lone",))], 1, silent)


def test_ours_and_the_limit_always_run_and_peers_when_asked_for() -> None:
    for peers, expected in ((False, {"a", "c"}), (True, {"a", "b", "c"})):
        calls: list[str] = []
        with Context(pairs=1, peers=peers) as context:
            run_row(
                row(Told("a", "ours", [1], calls), Told("b", "peer", [1], calls), Told("c", "limit", [1], calls)),
                context,
            )
        assert set(calls) == expected


def test_a_peer_that_cannot_be_had_here_is_named_with_its_reason_and_the_others_go_on() -> None:
    with Context(pairs=1, peers=True) as context:
        result = run_row(row(Told("a", "ours", [1], []), Told("b", "peer", [1], [], missing="no Java here")), context)
    assert result["ok"]
    assert result["peers"] == {}
    assert result["unavailable"] == {"b": "no Java here"}


def test_a_row_without_the_limit_that_it_needs_fails() -> None:
    with Context(pairs=1) as context, pytest.raises(Unavailable, match="no compiler here"):
        run_row(row(Told("a", "ours", [1], []), Told("c", "limit", [1], [], missing="no compiler here")), context)


def test_everybody_is_closed_when_somebody_fails() -> None:
    contestants = [Told("a", "ours", [1], []), Told("b", "limit", [1], [], result="sum 5")]
    with Context(pairs=1) as context, pytest.raises(WrongResult):
        run_row(row(*contestants), context)
    assert [one.closed for one in contestants] == [True, True]


def test_each_figure_of_each_work_is_a_case_of_its_own() -> None:
    work = Work("trips", {"rate": Figure("trips/s"), "p50": Figure("µs", "lower")}, "sum 3")
    with Context(pairs=1) as context:
        contestant = Told("a", "ours", [1, 2], [], figures=("rate", "p50"))
        result = run_row(row(contestant, works=(work,)), context)
    assert {name: (case["unit"], case["better"]) for name, case in result["cases"].items()} == {
        "trips: rate": ("trips/s", "higher"),
        "trips: p50": ("µs", "lower"),
    }


def test_a_goal_is_met_or_missed_by_the_ratio_of_its_case() -> None:
    goals = (Goal("adding", "b", least=2), Goal("adding", "b", most=1.4), Goal("adding", "nobody", least=1))
    with Context(pairs=1, peers=True) as context:
        result = run_row(row(Told("a", "ours", [3], []), Told("b", "peer", [2], []), goals=goals), context)
    assert [(goal["wanted"], goal["ratio"], goal["met"]) for goal in result["goals"]] == [
        (">= 2", 1.5, False),
        ("<= 1.4", 1.5, False),
    ]


def test_a_goal_without_an_opponent_is_met_or_missed_by_ours_itself() -> None:
    goals = (Goal("adding", None, least=3), Goal("adding", None, least=1e6), Goal("nothing", None, least=1))
    with Context(pairs=1) as context:
        result = run_row(row(Told("a", "ours", [3], []), goals=goals), context)
    assert [(goal["against"], goal["wanted"], goal["met"]) for goal in result["goals"]] == [
        (None, ">= 3", True),
        (None, ">= 1e+06", False),
    ]


def test_as_many_pairs_are_run_as_the_claim_needs() -> None:
    near = Work("near", WORK.figures, "sum 3", near_one=True)
    assert [pairs_of(work, Context()) for work in (WORK, near)] == [5, 9]
    assert pairs_of(near, Context(quick=True)) == 2
    assert pairs_of(near, Context(quick=True, pairs=7)) == 7
