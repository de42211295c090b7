"""What the commands about the past share: which journal, which application, how answers are printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from processor.app import load_app
from processor.cli.progress import RecoveryBar
from processor.config import Config
from processor.history.history import History, Moment
from processor.history.plain import jsonable
from processor.history.target import FORMS, time_text

MOMENT_HELP = f"a moment is {FORMS}; a time means behind the last event that is not later"


def add_journal(parser: argparse.ArgumentParser, *, snapshots: bool = True, required: bool = True) -> None:
    """--app, --journal, --snapshots, --window, --allow-finite-retention, --json."""
    parser.add_argument("--app", required=True, metavar="MODULE:APP", help="for example examples.bank:app")
    parser.add_argument(
        "--journal",
        required=required,
        metavar="URL",
        help="kafka://host:port/topic, embedded:path or embedded:///path; live or stopped",
    )
    if snapshots:
        parser.add_argument(
            "--snapshots", metavar="DIR", help="the service's; without it all is replayed from the first event"
        )
    parser.add_argument(
        "--window",
        type=int,
        default=Config.window,
        metavar="N",
        help="the service's --window, where neither claims nor snapshots tell it (default %(default)s)",
    )
    parser.add_argument("--allow-finite-retention", action="store_true", help="accept a topic whose records expire")
    parser.add_argument("--json", action="store_true", help="print JSON")


def config_of(arguments: argparse.Namespace) -> Config:
    return Config(window=arguments.window, allow_finite_retention=arguments.allow_finite_retention)


@contextlib.contextmanager
def opened(arguments: argparse.Namespace, title: str, *, snapshots: bool = True) -> Iterator[History]:
    """The history that the arguments name, with a bar on stderr."""
    directory = getattr(arguments, "snapshots", None) if snapshots else None
    app = load_app(arguments.app)
    with (
        RecoveryBar(title, lines=True) as bar,
        History(
            app,
            arguments.journal,
            directory,
            config=config_of(arguments),
            report=lambda line: print(line, file=sys.stderr, flush=True),
            progress=bar,
        ) as history,
    ):
        yield history


def described(moment: Moment) -> dict[str, Any]:
    """A moment in JSON, without the state."""
    return {"sequence": moment.sequence, "timestamp": moment.timestamp, "state_hash": moment.state_hash.hex()}


def headline(moment: Moment) -> str:
    when = time_text(moment.timestamp) if moment.sequence else "before the first event"
    return f"sequence {moment.sequence} ({when}), state hash {moment.state_hash.hex()}"


def print_json(value: Any) -> None:
    """One value, one line."""
    print(json.dumps(jsonable(value)), flush=True)


def shown(value: Any) -> str:
    """A value for people."""
    return json.dumps(jsonable(value), indent=2, ensure_ascii=False)
