"""`python -m bench peer NAME`: one contestant of a row alone, once for each work, to see that it works."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from bench import context
from bench.run_row import run as run_row
from bench.suite import Row


def configure(parser: argparse.ArgumentParser, rows: Mapping[str, Row]) -> None:
    parser.add_argument("row", choices=sorted(rows), help="the row that it takes part in")
    parser.add_argument("name", help="a part of the contestant's name, for example Disruptor")
    parser.set_defaults(rows=rows)
    context.configure(parser)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """The row's result with the contestants whose names contain NAME. Raises ValueError when there is none."""
    row = arguments.rows[arguments.row]
    arguments.pairs = arguments.pairs or 1
    with context.Context.of(arguments) as probe:
        names = [one.name for one in row.contestants(probe)]
    if not any(arguments.name.lower() in name.lower() for name in names):
        raise ValueError(f"{arguments.row} has no contestant {arguments.name!r}: it has {', '.join(names)}")
    return run_row(row, arguments, lambda one: arguments.name.lower() in one.name.lower())
