"""`processor replay`: events of the past once more, with what they said; step by step, or in the debugger."""

from __future__ import annotations

import argparse
import contextlib
import json
import pdb
import sys
from collections.abc import Callable, Iterator
from typing import Any

from processor.cli.past import MOMENT_HELP, add_journal, described, headline, opened, print_json
from processor.errors import EXIT_DONE, WrongUse
from processor.history.events import PastEvent, PastOutput
from processor.history.history import History, Moment
from processor.history.plain import changes, plain
from processor.history.target import target_of

NAME = "replay"
HELP = "replay events of the past: their outputs, step by step, or in the debugger"


def configure(parser: argparse.ArgumentParser) -> None:
    add_journal(parser)
    parser.add_argument(
        "--from",
        default="1",
        dest="first",
        metavar="A",
        help=f"first event (default: the journal's); {MOMENT_HELP}, and here from the first one not earlier",
    )
    parser.add_argument("--to", default=None, dest="last", metavar="B", help="last event (default: the journal's)")
    parser.add_argument(
        "--with",
        dest="other",
        metavar="OTHER:APP",
        help="another version of the application, which runs from the journal's first event on",
    )
    parser.add_argument("--outputs", metavar="FILE", help="write every output as a JSON line; - is stdout")
    parser.add_argument(
        "--step", action="store_true", help="show each event, what it said and what it changed; Enter goes on, q ends"
    )
    parser.add_argument(
        "--pdb-at",
        type=int,
        metavar="SEQUENCE",
        help="stop in the debugger before this event, with `event` and `state`; s goes into its handler",
    )


def run(arguments: argparse.Namespace) -> int:
    last = target_of(arguments.last)
    if arguments.pdb_at is not None and (
        arguments.pdb_at < 1 or (last.sequence or arguments.pdb_at) < arguments.pdb_at
    ):
        raise WrongUse(f"--pdb-at {arguments.pdb_at} lies outside of what is replayed")
    with opened(arguments, "replaying") as history, sink_to(arguments.outputs) as sink:
        if arguments.step or arguments.pdb_at is not None:
            moment, outputs = _stepped(arguments, history, sink)
        else:
            moment, outputs = _replayed(arguments, history, sink)
        summary = {"ok": True, **described(moment), "outputs": outputs}
        line = headline(moment)
    if arguments.json:
        print_json(summary)
    else:
        print(f"{line}, {outputs} outputs")
    return EXIT_DONE


def _replayed(
    arguments: argparse.Namespace, history: History, sink: Callable[[PastOutput], None]
) -> tuple[Moment, int]:
    count = 0

    def on_output(output: PastOutput) -> None:
        nonlocal count
        count += 1
        sink(output)

    return history.replay(arguments.first, arguments.last, on_output=on_output, app=arguments.other), count


def _stepped(arguments: argparse.Namespace, history: History, sink: Callable[[PastOutput], None]) -> tuple[Moment, int]:
    """One event at a time; with the debugger alone, from the event that it stops before."""
    first = arguments.first if arguments.step else arguments.pdb_at
    moment, count, known = None, 0, None

    def before(event: PastEvent, state: Any, apply: Callable[[], None]) -> None:
        nonlocal known
        if arguments.step:
            known = plain(state)
        if event.sequence == arguments.pdb_at:
            stop_before(event, state, apply)

    for step in history.steps(first, arguments.last, app=arguments.other, before=before):
        moment = step.moment
        count += len(step.outputs)
        for output in step.outputs:
            sink(output)
        if arguments.step:
            found = list(changes(known, plain(moment.state)))
            if arguments.json:
                print_json(
                    {
                        **step.event.as_json(),
                        "outputs": [one.as_json() for one in step.outputs],
                        "changes": [one.as_json() for one in found],
                    }
                )
            else:
                print(f"{step.event.sequence}: {step.event}")
                for line in (*step.outputs, *found):
                    print(f"    {line}")
            if sys.stdin.isatty():
                print("Enter goes on, q ends: ", end="", file=sys.stderr, flush=True)
            if sys.stdin.readline().strip() == "q":
                break
    if moment is None:
        raise WrongUse("there is no event between --from and --to")
    # The walk is over, so this state stays what it is.
    return moment, count


def stop_before(event: PastEvent, state: Any, apply: Callable[[], None]) -> None:
    """The debugger, with the event and the state before it in hand; its command `s` goes into the handler."""
    print(
        f"before sequence {event.sequence}: {event}; the state is `state`, s goes into the handler, c goes on",
        file=sys.stderr,
    )
    debugger = pdb.Pdb(skip=["processor.history.*", "processor.recovery.*"])
    debugger.set_trace()
    apply()


@contextlib.contextmanager
def sink_to(path: str | None) -> Iterator[Callable[[PastOutput], None]]:
    """Where outputs go: nowhere, to stdout, or to a file."""
    if path is None:
        yield lambda output: None
        return
    try:
        file = sys.stdout if path == "-" else open(path, "w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise WrongUse(f"{path}: the outputs cannot be written there: {error.strerror}") from error
    try:
        yield lambda output: print(json.dumps(output.as_json()), file=file)
    finally:
        if path != "-":
            file.close()
