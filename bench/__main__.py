"""`python -m bench NAME ...`: progress on stderr, and as the last line of stdout ONE JSON object, on failure too."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

from bench import context, everything, peer, run_row

# Name: (module, help). A module has configure(parser) and run(args) -> dict, whose "ok" decides the exit code.
BENCHMARKS = {
    "crash": ("bench.crash", "kill -9 at random moments while a workload runs; nothing lost, nothing doubled"),
    "lone": ("bench.lone", "the round trip of one lone request through the whole service"),
    "matching": ("bench.matching", "the published order flow through the exchange, alone or as a whole service"),
    "table": ("bench.table", "the saved results as a Markdown table and an SVG picture"),
}

# The rows of the table of comparisons, in its order: each module declares ROW.
ROWS = {
    "ring": "bench.rows.ring",
    "kafka": "bench.rows.kafka",
    "service": "bench.rows.service",
    "python": "bench.rows.python",
    "numpy": "bench.rows.numpy",
    "memory": "bench.rows.memory",
    "embedded": "bench.rows.embedded",
    "brokers": "bench.rows.brokers",
    "latency": "bench.rows.latency",
    "replay": "bench.rows.replay",
    "exchange": "bench.rows.exchange",
    "snapshot": "bench.rows.snapshot",
    "idle": "bench.rows.idle",
    "growth": "bench.rows.growth",
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")

    def command(
        name: str,
        text: str,
        configure: Callable[[argparse.ArgumentParser], None],
        run: Callable[[argparse.Namespace], dict[str, Any]],
    ) -> None:
        child = names.add_parser(name, help=text, description=text)
        configure(child)
        child.set_defaults(run=run)

    for name, (module, text) in BENCHMARKS.items():
        found = importlib.import_module(module)
        command(name, text, found.configure, found.run)
    rows = {name: importlib.import_module(module).ROW for name, module in ROWS.items()}
    for name, row in rows.items():
        command(name, row.text, context.configure, functools.partial(run_row.run, row))
    command("all", "every row, one after the other", lambda child: everything.configure(child, rows), everything.run)
    command("peer", "one contestant of a row alone", lambda child: peer.configure(child, rows), peer.run)
    result: dict[str, Any]
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:
        if end.code:            # wrong use has been told on stderr; the JSON line is there all the same
            print(json.dumps({"ok": False, "error": "wrong use: see the message above, or --help"}), flush=True)
        raise
    try:
        result = args.run(args)
    except KeyboardInterrupt:
        result = {"ok": False, "error": "interrupted"}
    except Exception as error:  # a benchmark's reader wants the JSON line whatever happened
        result = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    # Asked to end, it ends what it has started, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
