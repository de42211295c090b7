"""The published order flow through the exchange: its handlers alone, and with socket and Kafka. The hash is checked.

Handlers alone: slots in, binary reports out, on one core. Making slots and hashing reports is never in the time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.context import Context
from bench.journals import FreshJournal
from bench.matching import BATCH_EVENTS, through_logic
from bench.suite import Contestant, Figure, Goal, Measurement, Row, Unavailable, Work
from bench.through_service import APPLICATION, on_journal
from bench.workload import known_sha256, published

WORKLOAD = "normal_seed23_n1000000"
ALONE, THROUGH = "exchange, handlers alone", "exchange, socket and Kafka"


def works(context: Context) -> Sequence[Work]:
    expected = f"report stream {known_sha256(WORKLOAD)}"
    figures = {"orders": Figure("orders/s")}
    return [
        Work(ALONE, figures, expected, {"through": False}),
        Work(THROUGH, figures, expected, {"through": True}),
    ]


class Exchange(Contestant):
    """The exchange in native handlers. The workload is always the whole file: there is a hash of nothing less."""

    name = "processor"
    kind = "ours"

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        try:
            self._workload = published(WORKLOAD)
        except FileNotFoundError as error:
            raise Unavailable(str(error)) from error
        context.bootstrap()

    def configuration(self) -> str:
        return f"{APPLICATION}; alone in batches of {BATCH_EVENTS}; as a service with wait strategy block, full window"

    def run(self, work: Work) -> Measurement:
        found = self._through() if work.parameters["through"] else through_logic(self._workload)
        return Measurement({"orders": found["messages"] / found["seconds"]}, f"report stream {found['sha256']}")

    def _through(self) -> dict[str, Any]:
        with (
            tempfile.TemporaryDirectory(dir=self.context.scratch) as directory,
            self.context.topic(**{"retention.ms": "-1", "retention.bytes": "-1"}) as topic,
        ):
            return on_journal(
                self._workload, FreshJournal(f"kafka://{self.context.bootstrap()}/{topic}", Path(directory))
            )


ROW = Row(
    "exchange",
    "the published order flow through the exchange, handlers alone and with socket and Kafka",
    works,
    lambda context: [Exchange()],
    goals=[Goal(ALONE, None, least=5e6), Goal(THROUGH, None, least=1e6)],
)
