"""`processor query`: the state as it was at a moment, or what one of the application's named queries says of it."""

from __future__ import annotations

import argparse
from typing import Any

from processor.app import load_app
from processor.cli.past import MOMENT_HELP, add_journal, described, headline, opened, print_json, shown
from processor.errors import EXIT_DONE, ClientError, WrongUse
from processor.history.target import time_text
from processor.queries import ask, from_texts

NAME = "query"
HELP = "the state as it was at a moment, or the answer of a named query"


def configure(parser: argparse.ArgumentParser) -> None:
    add_journal(parser, required=False)
    parser.add_argument("--to", metavar="ADDR", help="ask the live state of the service there instead of a journal")
    parser.add_argument("--at", metavar="SEQUENCE|TIME", help=f"default: the end; {MOMENT_HELP}")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a query that the application declares with @app.query")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="of that query")


def run(arguments: argparse.Namespace) -> int:
    app = load_app(arguments.app)
    # Whether the query can be asked is known before anything is replayed.
    values = None if arguments.name is None else from_texts(app, arguments.name, arguments.arguments)
    if (arguments.journal is None) == (arguments.to is None):
        raise WrongUse("name either the journal, --journal URL, or the running service, --to ADDR")
    if arguments.to is not None:
        return _live(arguments, values)
    with opened(arguments, "replaying") as history:
        moment = history.at(arguments.at)
    if values is None:
        content, label = moment.state, "state"
    else:
        content, label = ask(app, moment.state, arguments.name, values), "answer"
    if arguments.json:
        print_json({"ok": True, **described(moment), label: content})
    else:
        print(headline(moment))
        print(shown(content))
    return EXIT_DONE


def _live(arguments: argparse.Namespace, values: list[Any] | None) -> int:
    """Asks the service; its answer follows an event that it has journaled after we asked."""
    from processor.client import admin

    if values is None or arguments.at is not None:
        raise WrongUse("a running service answers named queries, as of now: give a NAME, no --at, or its --journal")
    answer = admin(arguments.to, {"command": "query", "name": arguments.name, "arguments": values})
    if not answer.get("ok"):
        raise ClientError(f"{arguments.to}: {answer.get('error', answer)}")
    if arguments.json:
        print_json(answer)
    else:
        print(f"sequence {answer['sequence']} ({time_text(answer['timestamp'])})")
        print(shown(answer["answer"]))
    return EXIT_DONE
