"""What people write first: a consume-process-produce loop around confluent-kafka, in Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import programs
from bench.peers.streaming import Streaming


class Loop(Streaming):
    name = "confluent-kafka loop"

    def configuration(self) -> str:
        return "at least once, consume(10,000), acks=all, idempotent, linger 5 ms, commit behind a flush every second"

    def command(self, source: str, target: str, directory: Path) -> Sequence[str]:
        return [sys.executable, str(programs.PEERS / "python" / "loop.py"), self.context.bootstrap(), source, target]
