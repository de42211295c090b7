"""The bar of a recovery: what is done, how fast, and when it will end; nothing where stderr is no terminal."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm


def say(line: str) -> None:
    """One line to people, on stderr, at once; above a bar that is being drawn."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


class RecoveryBar:
    """Called with (done, total) in units of the journal's positions; draws on a terminal only."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None

    def __call__(self, done: int, total: int, events: int) -> None:
        if self._bar is None:
            # Asked for here: a terminal that does not tell its size would get no bar from tqdm, and counts as 80 by 24.
            size = shutil.get_terminal_size()
            self._bar = tqdm(total=total, desc="recovering", unit="B" if total > 10_000 else "records", unit_scale=True,
                             file=sys.stderr, disable=None, leave=False, ncols=size.columns, nrows=size.lines)
        self._bar.total = max(total, done)
        self._bar.update(done - self._bar.n)
        self._bar.set_postfix(events=events, refresh=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
