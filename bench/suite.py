"""The frame of all comparisons: contestants do the same work in turns, every result is checked, and ratios are taken
within one run.

A row is a file of bench/rows/ that declares what is done (works), what is measured (figures), and who does it
(contestants).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.context import Context

PAIRS, PAIRS_NEAR_ONE, PAIRS_QUICK = 5, 9, 2
KINDS = ("ours", "peer", "limit")


class WrongResult(RuntimeError):
    """A contestant's sum, hash or count is not what it must be: its time means nothing, and the row fails."""


class Unavailable(RuntimeError):
    """A contestant cannot be set up here; the message says what is missing. The row goes on without it, and says so."""


@dataclass(frozen=True)
class Figure:
    """What is measured: its unit, and whether more or less of it is better."""

    unit: str
    better: str = "higher"


@dataclass(frozen=True)
class Work:
    """One piece of work that all contestants do. `expected` is the one right result, as text.

    `near_one`: that a ratio near 1 is claimed, so that more pairs are run.
    """

    name: str
    figures: Mapping[str, Figure]
    expected: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    near_one: bool = False

    def case(self, figure: str) -> str:
        """The name under which this figure of this work stands in results."""
        return self.name if len(self.figures) == 1 else f"{self.name}: {figure}"


@dataclass(frozen=True)
class Measurement:
    """One run: a value for each figure, and the result that the contestant came to.

    `expected`: the right result, when this contestant's work is another amount of the same (a slow one gets less of
    it).
    """

    values: Mapping[str, float]
    result: str
    expected: str | None = None


class Contestant:
    """Somebody who can do the work. Subclasses set `name` and `kind`, and implement `run`."""

    name = ""
    kind = "peer"

    def set_up(self, context: Context) -> None:
        """Once, before anything is measured: fetches, compiles, makes input. Raises Unavailable."""
        self.context = context

    def takes(self, work: Work) -> bool:
        """Whether it can do this work; a contestant that cannot is left out of it."""
        return True

    def configuration(self) -> str:
        """How it is set, for people."""
        return ""

    def versions(self) -> dict[str, str]:
        """Of the software it brings."""
        return {}

    def run(self, work: Work) -> Measurement:
        """Does the work once; what is not steady yet (start, warm-up) is not in the values."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends what it has started."""


@dataclass(frozen=True)
class Goal:
    """Ratio of ours to `against` in a case, or ours itself without an opponent: at least `least` or at most `most`."""

    case: str
    against: str | None
    least: float | None = None
    most: float | None = None

    def met(self, ratio: float) -> bool:
        return (self.least is None or ratio >= self.least) and (self.most is None or ratio <= self.most)

    def text(self) -> str:
        return f">= {self.least:,g}" if self.least is not None else f"<= {self.most:,g}"


@dataclass(frozen=True)
class Row:
    """A row of the table. `works` and `contestants` are made when it runs, from its context."""

    name: str
    text: str
    works: Callable[[Context], Sequence[Work]]
    contestants: Callable[[Context], Sequence[Contestant]]
    goals: Sequence[Goal] = ()


Values = dict[str, dict[str, list[float]]]  # figure -> contestant -> a value a round


def pairs_of(work: Work, context: Context) -> int:
    """How many rounds this work gets: what was asked for, else as many as its claim needs."""
    if context.pairs is not None:
        return context.pairs
    if context.quick:
        return PAIRS_QUICK
    return PAIRS_NEAR_ONE if work.near_one else PAIRS


def compete(work: Work, contestants: Sequence[Contestant], pairs: int, log: Callable[[str], None]) -> Values:
    """`pairs` rounds in which everybody does the work once, every other round in the opposite order.

    Raises WrongResult for the first result that is not the expected one, or a measurement without one of the figures.
    """
    values: Values = {figure: {one.name: [] for one in contestants} for figure in work.figures}
    for round_ in range(pairs):
        for one in contestants if round_ % 2 == 0 else reversed(contestants):
            measured = one.run(work)
            expected = work.expected if measured.expected is None else measured.expected
            if measured.result != expected:
                raise WrongResult(f"{one.name}, {work.name}: expected {expected!r}, it came to {measured.result!r}")
            if measured.values.keys() != work.figures.keys():
                raise WrongResult(
                    f"{one.name}, {work.name}: expected the figures {', '.join(work.figures)}, "
                    f"it measured {', '.join(measured.values) or 'none'}"
                )
            for figure, value in measured.values.items():
                values[figure][one.name].append(value)
            log(
                f"{work.name}, {round_ + 1} of {pairs}, {one.name}: "
                + ", ".join(f"{value:,.6g} {work.figures[figure].unit}" for figure, value in measured.values.items())
            )
    return values
