"""`processor rebuild`: the state from the first event of a journal, whatever snapshots there are."""

from __future__ import annotations

import argparse
from pathlib import Path

from processor.cli.past import add_journal, described, headline, opened, print_json
from processor.errors import EXIT_DONE, WrongUse

NAME = "rebuild"
HELP = "rebuild the state from the first event; print sequence and state hash"


def configure(parser: argparse.ArgumentParser) -> None:
    add_journal(parser)
    parser.add_argument("--write", action="store_true", help="write the state as a snapshot into --snapshots")


def run(arguments: argparse.Namespace) -> int:
    if arguments.write and arguments.snapshots is None:
        raise WrongUse("--write needs --snapshots DIR: where to write the snapshot")
    there = arguments.snapshots is not None and (not arguments.write or Path(arguments.snapshots).is_dir())
    with opened(arguments, "rebuilding", snapshots=there) as history:
        if arguments.write:
            moment, info = history.write_snapshot(arguments.snapshots)
        else:
            moment, info = history.rebuild(), None
    if arguments.json:
        print_json({"ok": True, **described(moment), **({} if info is None else {"snapshot": str(info.path)})})
    else:
        print(headline(moment))
        if info is not None:
            print(f"written as {info.path} ({info.bytes} bytes)")
    return EXIT_DONE
