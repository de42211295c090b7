"""`processor diff`: what changed in the state between two moments."""

from __future__ import annotations

import argparse

from processor.cli.past import MOMENT_HELP, add_journal, opened, print_json
from processor.errors import EXIT_DONE

NAME = "diff"
HELP = "what changed in the state between two moments"


def configure(parser: argparse.ArgumentParser) -> None:
    add_journal(parser)
    parser.add_argument("--at", required=True, metavar="A", help=MOMENT_HELP)
    parser.add_argument(
        "--and", required=True, dest="other", metavar="B", help="the other moment; may be the earlier one"
    )


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments, "replaying") as history:
        found = history.diff(arguments.at, arguments.other)
    if arguments.json:
        print_json({"ok": True, "changes": [change.as_json() for change in found]})
    else:
        for change in found:
            print(change)
        if not found:
            print("nothing changed")
    return EXIT_DONE
