"""`python -m bench all`: every row, each in a process of its own, so that none inherits another's heap or threads."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from bench import context
from bench.suite import Row


def configure(parser: argparse.ArgumentParser, rows: Mapping[str, Row]) -> None:
    context.configure(parser)
    parser.add_argument(
        "--rows", nargs="+", metavar="NAME", choices=sorted(rows), default=list(rows), help="only these"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """{ok, rows: name -> the row's result}; ok when every row is."""
    options = [*(["--peers"] if arguments.peers else []), *(["--quick"] if arguments.quick else [])]
    for name in ("pairs", "broker_log", "save"):
        if getattr(arguments, name) is not None:
            options += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    results: dict[str, Any] = {}
    for name in arguments.rows:
        print(f"== {name}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "bench", name, *options], stdout=subprocess.PIPE, text=True, check=False
        )
        lines = done.stdout.strip().splitlines()
        results[name] = (
            json.loads(lines[-1]) if lines else {"ok": False, "error": f"it ended with exit code {done.returncode}"}
        )
        if not results[name]["ok"]:
            print(f"{name} failed: {results[name]['error']}", file=sys.stderr, flush=True)
    failed = [name for name, result in results.items() if not result["ok"]]
    return {"ok": not failed, **({"error": f"failed: {', '.join(failed)}"} if failed else {}), "rows": results}
