"""LMAX Disruptor 4, as in its own performance tests: one producer, one batch event processor, objects with a long."""

from __future__ import annotations

from bench import programs
from bench.context import Context
from bench.machine import java_version
from bench.suite import Contestant, Measurement, Work

WARM_UP_ROUNDS = 3


class Disruptor(Contestant):
    name = "LMAX Disruptor"

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        self._command = [*programs.java("disruptor", "-Xms256m", "-Xmx256m"), "bench.RingPeer"]

    def configuration(self) -> str:
        return (
            "single producer, BatchEventProcessor, BusySpinWaitStrategy or YieldingWaitStrategy, "
            f"{WARM_UP_ROUNDS} warm-up rounds of the same size in the same JVM"
        )

    def versions(self) -> dict[str, str]:
        return {"disruptor": programs.jar_version("disruptor", "disruptor"), "java": java_version()}

    def run(self, work: Work) -> Measurement:
        asked = work.parameters
        found = programs.outcome(
            [
                *self._command,
                asked["kind"],
                asked["wait"],
                str(asked["slots"]),
                str(asked["events"]),
                str(asked["claim"]),
                str(WARM_UP_ROUNDS + 1),
            ]
        )
        return asked["measure"](found["seconds"], found["sum"])
