"""Contestants that do nothing, and say what they are told to."""

from __future__ import annotations

from bench.context import Context
from bench.suite import Contestant, Figure, Goal, Measurement, Row, Unavailable, Work

WORK = Work("adding", {"sums": Figure("sums/s")}, "sum 3")


class Told(Contestant):
    """Measures these values, one a run; comes to `result`. `calls` is shared, so that the order of all shows."""

    def __init__(
        self,
        name: str,
        kind: str,
        values: list[float],
        calls: list[str],
        *,
        result: str = "sum 3",
        missing: str = "",
        figures: tuple[str, ...] = ("sums",),
    ) -> None:
        self.name, self.kind = name, kind
        self._values, self._calls, self._result, self._missing, self._figures = (
            list(values),
            calls,
            result,
            missing,
            figures,
        )
        self.closed = False

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        if self._missing:
            raise Unavailable(self._missing)

    def configuration(self) -> str:
        return f"told what to say ({self.name})"

    def versions(self) -> dict[str, str]:
        return {self.name: "1.0"}

    def run(self, work: Work) -> Measurement:
        self._calls.append(self.name)
        value = self._values.pop(0)
        return Measurement({figure: value for figure in self._figures}, self._result)

    def close(self) -> None:
        self.closed = True


def row(*contestants: Contestant, works: tuple[Work, ...] = (WORK,), goals: tuple[Goal, ...] = ()) -> Row:
    return Row("sums", "a row of tests", lambda context: works, lambda context: contestants, goals)
