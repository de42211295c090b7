"""Round trips through socket and Kafka at given rates, from when each event was due; against a bare C pipeline.

An open loop: event k is due k / rate seconds after the start, whatever became of those before it, and its time counts
from then. A rate that was not held fails the row: its times would be those of another load. The lone ones go one by one.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import payments, programs
from bench.context import Context
from bench.ours import Service, outputs_of
from bench.peers.bare_producer import BLOCK_EVENTS, IN_FLIGHT, SETTINGS
from bench.suite import Contestant, Figure, Goal, Measurement, Row, Work, WrongResult
from processor.client.latency import Latencies

RATES = (10_000, 100_000, 500_000)
LONE, WARM_UP, WARMING = 5_000, 300_000, 100_000
PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99)
LATE, LATE_S = (
    0.05,
    0.25,
)  # the last answer may be late by this part of the run and so many seconds: a stall, no backlog
SET_TIMERSLACK = 29  # prctl: how much later than asked for the kernel may wake a sleeper, 50 µs by default


class RateNotHeld(WrongResult):
    """Fewer events a second were answered than were due."""


def works(context: Context) -> Sequence[Work]:
    seconds = context.size(4, 1)
    figures = {f"p{percent:g}": Figure("µs", "lower") for percent in PERCENTS}
    asked = {"latency, lone": (0, context.size(LONE, LONE // 10))}
    # A small run tells that all works; on a machine that does other things as well the highest rate tells nothing.
    asked |= {f"latency, {rate:,}/s": (rate, rate * seconds) for rate in (RATES[:2] if context.quick else RATES)}
    warm_up = context.size(WARM_UP, WARM_UP // 3)
    return [
        Work(
            name,
            figures,
            payments.expected(warm_up + events),
            {"rate": rate, "events": events, "warm_up": warm_up},
            near_one=True,
        )
        for name, (rate, events) in asked.items()
    ]


def check_rate(name: str, work: Work, seconds: float) -> None:
    """RateNotHeld unless the last answer came soon behind the last due time; `seconds` from the first due."""
    rate, events = work.parameters["rate"], work.parameters["events"]
    if rate and seconds > events / rate * (1 + LATE) + LATE_S:
        raise RateNotHeld(
            f"{name}, {work.name}: the events were due within {events / rate:.3f} s and answered within {seconds:.3f} s, "
            f"{events / seconds:,.0f}/s: this machine, as busy as it is, does not hold {rate:,}/s"
        )


class Pipeline(Contestant):
    """Ring, librdkafka and a sum, a thread each, in one process: no socket, no outputs."""

    name = "bare C pipeline"
    kind = "limit"

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        self._command = programs.c("pipeline")
        # A broker that has just been started is slow with its first thousands of small requests: unmeasured ones.
        self._pipe(context.size(WARMING, WARMING // 10), RATES[0], 0)

    def configuration(self) -> str:
        return (
            f"idempotent, gapless, acks=all, linger 0, blocks of what is there, at most {BLOCK_EVENTS} events, "
            f"{IN_FLIGHT} in flight, no copy, librdkafka's settings as the journal has them; "
            "waits by spin, yield, then naps of 20 µs"
        )

    def run(self, work: Work) -> Measurement:
        asked = work.parameters
        found = self._pipe(asked["events"], asked["rate"], asked["warm_up"])
        check_rate(self.name, work, found["seconds"])
        result = payments.result_text(found["events"], found["sum"], found["checksum"])
        return Measurement({name: found[name] for name in work.figures}, result)

    def _pipe(self, events: int, rate: int, warm_up: int) -> dict[str, Any]:
        numbers = map(str, (events, rate, warm_up, BLOCK_EVENTS, IN_FLIGHT))
        with self.context.topic() as topic:
            return programs.outcome([*self._command, self.context.bootstrap(), topic, *numbers, *SETTINGS])


class Latency(Service):
    """Our service on Kafka, and one client of another process."""

    def __init__(self) -> None:
        super().__init__("kafka")

    def configuration(self) -> str:
        return super().configuration() + "; the client sleeps in ppoll until an event is due or an answer comes"

    def run(self, work: Work) -> Measurement:
        rate, events, warm_up = (work.parameters[name] for name in ("rate", "events", "warm_up"))
        slots = payments.slots(warm_up + events)
        frames: list[bytes] = []
        with self.running() as client, punctual():
            client.stream(slots[:warm_up], frames.append)
            took, answers = client.trips(slots[warm_up:], rate=rate, window=None if rate else 1)
        frames.append(answers)
        if rate:
            check_rate(self.name, work, (events - 1) / rate + float(took[-1]) * 1e-9)
        return Measurement(percentiles(took, work.figures), outputs_of(frames).result())


def percentiles(took_ns: Any, figures: Mapping[str, Figure]) -> dict[str, float]:
    """The percentiles that these figures (p50, p99.9, ...) name, in microseconds."""
    times = Latencies()
    times.add(took_ns.astype(float))
    found = times.percentiles_us(float(name.removeprefix("p")) for name in figures)
    return {name: value for name, value in zip(figures, found, strict=True) if value is not None}


@contextlib.contextmanager
def punctual() -> Iterator[None]:
    """This thread is woken when it asked for, as the limit's are, and not up to 50 µs later."""
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)
    try:
        yield
    finally:
        library.prctl(SET_TIMERSLACK, ctypes.c_ulong(0), 0, 0, 0)  # 0: back to the default


ROW = Row(
    "latency",
    "round trips through socket and Kafka at given rates, from scheduled times, against a bare C pipeline",
    works,
    lambda context: [Latency(), Pipeline()],
    goals=[
        Goal("latency, lone: p50", Pipeline.name, most=1.4),
        *(
            Goal(f"latency, {rate:,}/s: {figure}", Pipeline.name, most=1.5)
            for rate in RATES
            for figure in ("p50", "p99")
        ),
    ],
)
