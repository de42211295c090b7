"""Kafka Streams, at least once and exactly once: the Processor API over an in-memory store with a changelog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import programs
from bench.context import Context
from bench.machine import java_version
from bench.peers.streaming import Streaming


class KafkaStreams(Streaming):
    """`guarantee` is a value of processing.guarantee."""

    def __init__(self, guarantee: str) -> None:
        self._guarantee = guarantee
        self.name = f"Kafka Streams {guarantee.removesuffix('_v2').replace('_', ' ')}"

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        self._command = [*programs.java("streams", "-Xms1g", "-Xmx1g"), "bench.BalanceStreams"]

    def configuration(self) -> str:
        return (
            f"processing.guarantee={self._guarantee}, one thread, in-memory store with caching and changelog, "
            "acks=all, batch.size=262144, linger.ms=10, max.poll.records=10000"
        )

    def versions(self) -> dict[str, str]:
        return {"kafka-streams": programs.jar_version("streams", "kafka-streams"), "java": java_version()}

    def command(self, source: str, target: str, directory: Path) -> Sequence[str]:
        return [*self._command, self.context.bootstrap(), source, target, self._guarantee, str(directory / "state")]
