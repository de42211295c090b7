"""Stream processors of the Python world, each in a virtual environment of its own with pinned packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import programs
from bench.context import Context
from bench.peers.streaming import Streaming


@dataclass(frozen=True)
class Known:
    """A stream processor: its name for people and for files, its settings in words, the share of the events that it gets."""

    name: str
    files: str
    settings: str
    share: float


KNOWN = (
    Known("pathway", "pathway", "autocommit 100 ms, raw records, a function with the balances for each row", 1.0),
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


def processors() -> list[PythonProcessor]:
    return [PythonProcessor(known) for known in KNOWN]
