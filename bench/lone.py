"""The round trip of one lone request: the next one is sent when the answer to the one before has come.

Through the whole service with the exchange application, its socket and a fresh journal, durable before it is answered. What is timed
is `Client.trips`: from before the request is sent until its whole answer has been read, without Python's time.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import numpy as np

from bench import journals
from bench.service_process import ServiceProcess
from processor.apps.exchange import NewOrder, app
from processor.client import Client
from processor.client.wire import split

APPLICATION = "processor.apps.exchange:app"
PERCENTILES = (50, 90, 99, 99.9)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--through", required=True, choices=("memory", "embedded", "kafka"))
    parser.add_argument("--requests", type=int, default=20_000, metavar="N", help="how many (default %(default)s)")
    parser.add_argument("--wait", choices=("block", "yield", "spin"), default="block", help="how the stages wait (default block)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    warm_up = min(1000, args.requests)
    slots = one_order_each(warm_up + args.requests)
    with journals.fresh(args.through) as journal:
        socket = f"unix:{journal.directory}/socket-{os.getpid()}"
        with ServiceProcess(
            APPLICATION, journal=journal.url, listen=socket, snapshots=journal.directory / "snapshots",
            options=("--wait", args.wait),
        ) as service:
            service.start()
            with Client(socket, timeout_s=60) as client:
                client.trips(slots[:warm_up], window=1)
                taken_ns, frames = client.trips(slots[warm_up:], window=1)
            code = service.stop()
    # Every order rests: one acknowledgement each, and nothing else.
    answers = split(frames)
    kinds = {(kind, len(payload)) for _, _, _, _, kind, _, payload in answers}
    ok = code == 0 and len(answers) == args.requests and len(kinds) == 1
    figures = {f"p{p:g}_us".replace(".", ""): round(float(np.percentile(taken_ns, p)) / 1000, 1) for p in PERCENTILES}
    print(f"{args.requests} lone requests through {args.through}: {figures}", file=sys.stderr)
    result: dict[str, Any] = {
        "ok": ok, "through": args.through, "wait": args.wait, "requests": args.requests, **figures,
        "min_us": round(int(taken_ns.min()) / 1000, 1), "max_us": round(int(taken_ns.max()) / 1000, 1),
    }
    if not ok:
        result["error"] = f"exit code {code}, {len(answers)} frames, (type, bytes) {sorted(kinds)}, to {args.requests} requests"
    return result


def one_order_each(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Slots, shape (count, slot_bytes), uint8: buy orders, each at a price of its own, so that none ever trades."""
    message = app.message_of(NewOrder)
    slots = np.zeros((count, app.schema.slot_bytes), np.uint8)
    orders = slots.reshape(-1).view(app.schema.slot_dtype(message))
    orders["type"], orders["length"] = message.number, message.length
    payload = orders["payload"]
    payload["id"] = np.arange(1, count + 1)
    payload["price"] = 1000 + np.arange(count) % 1000
    payload["quantity"] = 1
    return slots
