"""From the values of a run to what is told of it: medians, spreads, ratios, goals."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.suite import Contestant, Goal, Values, Work


def ratio_of(ours: Sequence[float], other: Sequence[float]) -> float:
    """The median, over the rounds, of ours by theirs in the same round: what drifts over the run drifts for both."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, other, strict=True))


def case_of(
    work: Work, figure: str, values: Mapping[str, Sequence[float]], contestants: Sequence[Contestant]
) -> dict[str, Any]:
    """What one figure of one work came to: everybody's median and spread, and the ratio of ours to each."""
    kinds = {one.name: one.kind for one in contestants}
    ours = next((name for name in values if kinds[name] == "ours"), None)
    limit = next((name for name in values if kinds[name] == "limit"), None)
    medians = {name: statistics.median(found) for name, found in values.items()}
    mine = values[ours] if ours else []
    return {
        "ours": rounded(medians[ours]) if ours else None,
        "peers": {name: rounded(medians[name]) for name in values if kinds[name] == "peer"},
        "limit": rounded(medians[limit]) if limit else None,
        "limit_name": limit,
        "unit": work.figures[figure].unit,
        "better": work.figures[figure].better,
        "ratio": {name: rounded(ratio_of(mine, found)) for name, found in values.items() if ours and name != ours},
        "runs": max(len(found) for found in values.values()),
        "min": rounded(min(mine)) if mine else None,
        "median": rounded(medians[ours]) if ours else None,
        "max": rounded(max(mine)) if mine else None,
        "spread": {
            name: [rounded(min(found)), rounded(medians[name]), rounded(max(found))] for name, found in values.items()
        },
    }


def cases_of(work: Work, values: Values, contestants: Sequence[Contestant]) -> dict[str, dict[str, Any]]:
    """All figures of one work, by the names of their cases."""
    return {work.case(figure): case_of(work, figure, found, contestants) for figure, found in values.items()}


def goals_of(goals: Sequence[Goal], cases: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each goal whose case and opponent were measured: what was wanted, what was found, whether that is enough.

    `ratio` is what was found: ours by theirs, or ours itself where `against` is None.
    """
    return [
        {"case": goal.case, "against": goal.against, "wanted": goal.text(), "ratio": found, "met": goal.met(found)}
        for goal in goals
        if (found := _found(goal, cases.get(goal.case, {}))) is not None
    ]


def _found(goal: Goal, case: Mapping[str, Any]) -> float | None:
    return case.get("ours") if goal.against is None else case.get("ratio", {}).get(goal.against)


def rounded(value: float) -> float:
    """Four significant digits: more is noise."""
    return float(f"{value:.4g}")
