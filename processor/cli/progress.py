"""The bar of a replay: what is done, how fast, and when it will end. Where stderr is no terminal, a JSON line now
and then instead.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

LINE_EVERY_S = 5.0


def say(line: str) -> None:
    """One line to people, on stderr, at once; above a bar that is being drawn."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


class RecoveryBar:
    """Called with (done, total, events); done and total are in units of the journal's positions, or of events.

    `lines`: where stderr is no terminal, {"progress": ...} with the seconds left is written there, at most every
    LINE_EVERY_S.
    """

    def __init__(self, title: str = "recovering", *, lines: bool = False) -> None:
        self._title = title
        self._lines = lines and not sys.stderr.isatty()
        self._bar: tqdm[None] | None = None
        self._started = self._told = time.monotonic()

    def __call__(self, done: int, total: int, events: int) -> None:
        if self._lines:
            self._line(done, total, events)
            return
        if self._bar is None:
            # Asked for here: a terminal that does not tell its size would get no bar from tqdm, and counts as 80 by 24.
            size = shutil.get_terminal_size()
            self._bar = tqdm(total=total, desc=self._title, unit="B" if total > 10_000 else "records", unit_scale=True,
                             file=sys.stderr, disable=None, leave=False, ncols=size.columns, nrows=size.lines)
        self._bar.total = max(total, done)
        self._bar.update(done - self._bar.n)
        self._bar.set_postfix(events=events, refresh=False)

    def _line(self, done: int, total: int, events: int) -> None:
        now = time.monotonic()
        if now - self._told < LINE_EVERY_S:
            return
        self._told = now
        left = (now - self._started) * (total - done) / done if done else None
        line = {"progress": self._title, "done": done, "total": max(total, done), "events": events,
                "seconds_left": None if left is None else round(max(0.0, left), 1)}
        print(json.dumps(line), file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
