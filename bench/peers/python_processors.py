"""Stream processors of the Python world, each in a virtual environment of its own with pinned packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import payments, programs
from bench.context import Context
from bench.peers.streaming import Streaming


@dataclass(frozen=True)
class Known:
    """A stream processor: its name for people and for files, its settings in words, its share of the events."""

    name: str
    files: str
    settings: str
    share: float


KNOWN = (
    Known(
        "pathway",
        "pathway",
        "autocommit 100 ms, raw records, a function with the balances for each row, called in its own order",
        1.0,
    ),
    Known("bytewax", "bytewax", "one worker, batch_size=10000, stateful_map, no recovery store", 0.5),
    Known("Quix Streams", "quix", "at least once, RocksDB state with a changelog topic", 0.2),
    Known("Faust", "faust", "at least once, memory table with a changelog topic, stream_buffer_maxsize=16384", 0.02),
)


class PythonProcessor(Streaming):
    """The program bench/peers/python/FILES_balance.py."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.name, self.share = known.name, known.share

    def set_up(self, context: Context) -> None:
        self._python = programs.python(self._known.files)
        super().set_up(context)

    def configuration(self) -> str:
        return f"{self._known.settings}, acks=all, linger 5 ms, one process"

    def versions(self) -> dict[str, str]:
        return programs.pinned(self._known.files)

    def command(self, source: str, target: str, directory: Path) -> Sequence[str]:
        program = programs.PEERS / "python" / f"{self._known.files}_balance.py"
        state = directory / "state"
        state.mkdir()
        return [str(self._python), str(program), self.context.bootstrap(), source, target, str(state)]


class Pathway(PythonProcessor):
    """It applies the rows of a batch in an order of its own: its answers must be right for the order that it tells."""

    ANSWER = np.dtype([("output", payments.OUTPUT), ("sequence", "<u8"), ("turn", "<u8")])

    def results(self, outputs: Sequence[bytes], events: int) -> tuple[str, str]:
        answers = np.sort(np.frombuffer(b"".join(outputs), self.ANSWER), order="turn")
        once = np.array_equal(np.sort(answers["sequence"]), np.arange(1, events + 1))
        right = 0
        if once:
            asked = payments.payments(events)[answers["sequence"] - 1]
            same = (asked["account"] == answers["output"]["account"]) & (
                payments.running_balances(asked) == answers["output"]["balance"]
            )
            right = int(same.sum())
        return f"each event once: {once}, {right} balances right", f"each event once: True, {events} balances right"


def processors() -> list[PythonProcessor]:
    return [(Pathway if known.files == "pathway" else PythonProcessor)(known) for known in KNOWN]
