"""`python -m bench NAME ...`: progress on stderr, and as the last line of stdout ONE JSON object, on failure too."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from typing import Any

# Name: (module, help). A module has configure(parser) and run(args) -> dict, whose "ok" decides the exit code.
BENCHMARKS = {
    "crash": ("bench.crash", "kill -9 at random moments while a workload runs; nothing lost, nothing doubled"),
    "lone": ("bench.lone", "the round trip of one lone request through the whole service"),
    "matching": ("bench.matching", "the published order flow through the exchange, alone or as a whole service"),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, (module, text) in BENCHMARKS.items():
        child = names.add_parser(name, help=text, description=text)
        importlib.import_module(module).configure(child)
    args = parser.parse_args(argv)
    result: dict[str, Any]
    try:
        result = importlib.import_module(BENCHMARKS[args.name][0]).run(args)
    except KeyboardInterrupt:
        result = {"ok": False, "error": "interrupted"}
    except Exception as error:  # a benchmark's reader wants the JSON line whatever happened
        result = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
