"""`processor what-if`: the same journal with other events, or with other logic, beside the original."""

from __future__ import annotations

import argparse

from processor.app import load_app
from processor.cli.past import add_journal, described, headline, opened, print_json
from processor.cli.replay import sink_to
from processor.errors import EXIT_DONE, WrongUse
from processor.history.edits import FORM, read_edits
from processor.history.what_if import WhatIf

NAME = "what-if"
HELP = "replay with other events or other logic, and show where it parts from the original"


def configure(parser: argparse.ArgumentParser) -> None:
    add_journal(parser)
    parser.add_argument("--edits", metavar="FILE", help=f"JSON lines; {FORM}")
    parser.add_argument("--with", dest="other", metavar="OTHER:APP", help="another version of the application")
    parser.add_argument(
        "--outputs", metavar="FILE", help="write what is said from the first edit on, as JSON lines; - is stdout"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.edits is None and arguments.other is None:
        raise WrongUse("name what is different: --edits FILE, or --with OTHER:APP")
    other = None if arguments.other is None else load_app(arguments.other)
    edits = [] if arguments.edits is None else read_edits(arguments.edits, load_app(arguments.app).schema)
    with opened(arguments, "replaying") as history, sink_to(arguments.outputs) as sink:
        outcome = WhatIf(history, edits, other).run(sink)
    if arguments.json:
        print_json(
            {
                "ok": True,
                "states_part": outcome.states_part,
                "outputs_part": outcome.outputs_part,
                "said_then": [one.as_json() for one in outcome.said_then],
                "said_now": [one.as_json() for one in outcome.said_now],
                "original": described(outcome.original),
                "edited": described(outcome.edited),
                "changes": [change.as_json() for change in outcome.changes],
            }
        )
        return EXIT_DONE
    print(f"original: {headline(outcome.original)}")
    print(f"edited:   {headline(outcome.edited)}")
    print(
        "the states never part" if outcome.states_part is None else f"the states part at sequence {outcome.states_part}"
    )
    if outcome.outputs_part is None:
        print("the outputs never part")
    else:
        print(f"the outputs part at sequence {outcome.outputs_part}")
        for label, said in (("then", outcome.said_then), ("now", outcome.said_now)):
            for output in said:
                print(f"    {label}: {output}")
    for change in outcome.changes:
        print(change)
    return EXIT_DONE
