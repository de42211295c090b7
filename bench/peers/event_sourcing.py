"""The eventsourcing library on SQLite: the way that Python people know to keep events and no state."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench import payments, programs
from bench.context import Context
from bench.suite import Contestant, Measurement, Work

SHARE, WARM_UP = 0.01, 500


class EventSourcing(Contestant):
    """`rebuild`: measures how fast all accounts are rebuilt from their events, not how fast payments are saved."""

    name = "eventsourcing on SQLite"

    def __init__(self, rebuild: bool = False) -> None:
        self._rebuild = rebuild

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        self._python = programs.python("eventsourcing")

    def takes(self, work: Work) -> bool:
        return not work.parameters.get("lone")

    def configuration(self) -> str:
        return "one aggregate an account, each payment saved by itself, aggregates cached, the library's SQLite (WAL)"

    def versions(self) -> dict[str, str]:
        return programs.pinned("eventsourcing")

    def run(self, work: Work) -> Measurement:
        events = int(work.parameters["events"] * SHARE)
        found = self.outcome(events)
        seconds = found["rebuild_seconds"] if self._rebuild else found["seconds"]
        done = events + WARM_UP if self._rebuild else events
        result = payments.result_text(found["count"], found["sum"], found["checksum"])
        return Measurement({"events": done / seconds}, result, payments.expected(events + WARM_UP))

    def outcome(self, events: int) -> dict[str, Any]:
        """What the program says of this many payments."""
        program = programs.PEERS / "python" / "eventsourcing_balance.py"
        with tempfile.TemporaryDirectory(dir=self.context.scratch) as directory:
            command = [str(self._python), str(program), str(events), str(WARM_UP), str(Path(directory, "events.db"))]
            return programs.outcome(command)
