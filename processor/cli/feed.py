"""`processor feed exchange --to ADDR`: feeds a running exchange with generated order flow, and tells how it answers."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from processor.apps.exchange import Traded, app
from processor.apps.exchange.flow import BLOCK, OrderFlow
from processor.cli.lifetime import end_with_parent
from processor.client import Client, admin
from processor.client.ahead import Ahead
from processor.client.frames import count_type
from processor.client.latency import Latencies
from processor.client.openloop import OpenLoop
from processor.errors import EXIT_DONE, ClientError, ClientTimeout, WrongUse

NAME = "feed"
HELP = "feed a running application with generated events, and tell how it answers"
SYMBOLS = 16
IDS_A_SESSION_BITS = 36         # order ids begin with the session's number: no two sessions ever use the same
CONNECT_S = 2.0                 # for a service that is just starting
RECONNECT_S = 300.0             # for one that restarts, its recovery included
DRAIN_S = 10.0                  # for the last answers
PERCENTS = (50.0, 99.0, 99.9)
PERCENTILE_KEYS = ("p50_us", "p99_us", "p999_us")
EXAMPLES = """\
examples:
  processor run processor.apps.exchange:app --journal embedded:state/exchange/journal \\
      --listen unix:/tmp/exchange --snapshots state/exchange/snapshots
  processor feed exchange --to unix:/tmp/exchange --rate 50000 --for 60
  processor feed exchange --to unix:/tmp/exchange --json | jq .p99_us
"""
DESCRIPTION = """\
Feeds the exchange that listens at ADDR with orders, cancels and modifies, the same ones for the same seed. One line
a second, and a summary at the end, to which Ctrl-C, SIGTERM and --for all lead in the same way: when everything that
was sent is answered.

With --rate events are sent at the times of a schedule, whatever the service does, and a round trip counts from when its
event was due. Without, as many are in flight as the session's window holds, and it counts from when the event was sent.

With --json each line is an object with the keys
  seconds       since the start
  events        answered since the start
  events_per_s  in the last second; in the summary over all
  p50_us p99_us p999_us   of the round trips of the last second, in the summary of all; null: nothing was answered
  trades        since the start
  sequence      of the newest answered event
  snapshot_sequence       of the service's last snapshot; null: none that is known
and the last one, the summary, has also
  summary       true
  unanswered    events that were sent and not answered
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("application", choices=("exchange",), help="the only one that there is a generator for")
    parser.add_argument("--to", required=True, metavar="ADDR",
                        help="the service's address, for example unix:/tmp/exchange")
    flow_options(parser, rate=0)


def flow_options(parser: argparse.ArgumentParser, rate: int) -> None:
    """What to feed, how fast and how long; `rate` is the default. To be checked by `check_flow`."""
    parser.add_argument("--rate", type=float, default=rate, metavar="N",
                        help="events a second; 0: as fast as it goes (default: %(default)s)")
    parser.add_argument("--for", type=float, dest="seconds", metavar="S", help="seconds (default: until Ctrl-C)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the order flow (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="the lines as JSON, one object each")
    parser.add_argument("--end-with-parent", action="store_true",
                        help="end when the process that started this one does")


def check_flow(arguments: argparse.Namespace) -> None:
    """Raises WrongUse for numbers that cannot be."""
    fine = 0 <= arguments.rate < math.inf and arguments.seed >= 0
    if not fine or (arguments.seconds is not None and not 0 < arguments.seconds < math.inf):
        raise WrongUse("--rate and --seed are 0 or more, --for is more than 0")


def run(arguments: argparse.Namespace) -> int:
    check_flow(arguments)
    if arguments.end_with_parent:
        end_with_parent(signal.SIGTERM)
    with Client(arguments.to, app, reconnect_s=RECONNECT_S, connect_s=CONNECT_S) as client, stop_asked() as stop:
        flow = OrderFlow(arguments.seed, SYMBOLS, first_id=(client.session << IDS_A_SESSION_BITS) + 1)
        with Ahead(lambda: flow.take(BLOCK)) as supply, LastSnapshot(arguments.to) as snapshot:
            return Feed(client, supply, snapshot, arguments).run(stop)


@contextlib.contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, which do nothing else meanwhile; a second SIGINT falls back to Python's own."""
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        asked.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    # Whoever started us may have kept signals back until somebody is here to take them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, before)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class LastSnapshot:
    """Asks the service once a second, on a thread and a connection of its own, which snapshot is its last."""

    def __init__(self, address: str) -> None:
        self.sequence: int | None = None
        self._address = address
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-snapshot", daemon=True)

    def _run(self) -> None:
        while True:
            # While the service is away, what was last known stands.
            with contextlib.suppress(ClientError):
                stats = admin(self._address, {"command": "stats"}, timeout_s=1.0)
                self.sequence = stats.get("snapshot_sequence") or None
            if self._done.wait(1.0):
                return

    def __enter__(self) -> LastSnapshot:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()


class Feed:
    """The loop, the line a second, the summary."""

    def __init__(self, client: Client, supply: Ahead, snapshot: LastSnapshot, arguments: argparse.Namespace) -> None:
        self._snapshot, self._json = snapshot, arguments.json
        self._client = client
        self._traded = app.message_of(Traded).number
        self._trades = 0
        self._loop = OpenLoop(client, supply, self._take, rate=arguments.rate, most_s=arguments.seconds)
        self._all = Latencies()
        self._line_at, self._line_events = 0.0, 0

    def run(self, stop: threading.Event) -> int:
        """Until `stop` or the end of --for; then until all is answered. Raises ClientError, after the summary."""
        try:
            while not stop.is_set() and not self._loop.finished:
                self._loop.turn()
                self._line_when_due()
            self._drain()
        finally:
            self._all.take(self._loop.latencies)
            self._print(self._numbers(self._loop.answered, self._now(), self._all), summary=True)
        return EXIT_DONE

    def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_S
        while self._loop.answered < self._loop.sent:
            self._loop.drain()
            self._line_when_due()
            if time.monotonic() > deadline:
                raise ClientTimeout(
                    f"the service did not answer the last {self._client.in_flight} events within {DRAIN_S:g} s: they "
                    "may or may not be applied", self._client.unanswered,
                )  # fmt: skip

    def _take(self, frames: bytes) -> None:
        self._trades += count_type(frames, self._traded)

    def _now(self) -> float:
        return time.perf_counter() - self._loop.started

    def _line_when_due(self) -> None:
        now = self._now()
        if now < self._line_at + 1:
            return
        events = self._loop.answered - self._line_events
        self._print(self._numbers(events, now - self._line_at, self._loop.latencies), summary=False)
        self._all.take(self._loop.latencies)
        # On the second, unless one was missed.
        self._line_at = now if now > self._line_at + 2 else self._line_at + 1
        self._line_events = self._loop.answered

    def _numbers(self, events: int, seconds: float, latencies: Latencies) -> dict[str, Any]:
        return {
            "seconds": round(self._now(), 3), "events": self._loop.answered,
            "events_per_s": round(events / seconds, 1) if seconds > 0 else 0.0,
            **dict(zip(PERCENTILE_KEYS, latencies.percentiles_us(PERCENTS), strict=True)),
            "trades": self._trades, "sequence": self._loop.sequence, "snapshot_sequence": self._snapshot.sequence,
        }  # fmt: skip

    def _print(self, numbers: dict[str, Any], *, summary: bool) -> None:
        if summary:
            numbers = {**numbers, "summary": True, "unanswered": self._loop.sent - self._loop.answered}
        print(json.dumps(numbers) if self._json else _text(numbers), flush=True)


def _text(numbers: dict[str, Any]) -> str:
    names = ("p50", "p99", "p99.9")
    times = "  ".join(f"{n} {_milliseconds(numbers[key])}" for n, key in zip(names, PERCENTILE_KEYS, strict=True))
    snapshot = numbers["snapshot_sequence"]
    begin = f"{numbers['seconds']:>6.0f} s  "
    if "summary" in numbers:
        begin = f"fed {numbers['events']:,} events in {numbers['seconds']:.1f} s: "
    return (
        f"{begin}{numbers['events_per_s']:>11,.0f} events/s  round trip {times}  trades {numbers['trades']:,}  "
        f"sequence {numbers['sequence']:,}  last snapshot {f'{snapshot:,}' if snapshot else 'none'}"
        + (f"  unanswered {numbers['unanswered']:,}" if numbers.get("unanswered") else "")
    )


def _milliseconds(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds / 1000:.3f} ms"
