"""`processor verify`: proof that the journal is whole, and that every replay of it gives the same state."""

from __future__ import annotations

import argparse

from processor.cli.past import add_journal, opened, print_json
from processor.errors import EXIT_CHECK_FAILED, EXIT_DONE, ProcessorError
from processor.history.verify import Verification

NAME = "verify"
HELP = "prove that the journal is whole and every replay gives the same state"


def configure(parser: argparse.ArgumentParser) -> None:
    add_journal(parser)
    parser.add_argument("--deep", action="store_true", help="also run all handler tiers against each other")
    parser.epilog = "exit codes: 0 equal, 1 different (the first line says where), 2 wrong use, 3 could not run"


def run(arguments: argparse.Namespace) -> int:
    try:
        with opened(arguments, "verifying") as history:
            verdict = Verification(arguments.app, history).run(deep=arguments.deep)
    except ProcessorError as error:
        if arguments.json:
            print_json({"ok": False, "error": str(error)})
        raise
    if arguments.json:
        print_json(verdict.as_json())
    else:
        for finding in verdict.findings:
            print(finding)
        for note in verdict.notes:
            print(f"note: {note}")
        print(
            f"{'equal' if verdict.ok else 'DIFFERENT'}: {verdict.sequence} events, state hash "
            f"{verdict.state_hash or '-'}, "
            f"{verdict.claims} claims, {verdict.hashes} recorded hashes, {verdict.snapshots} snapshots, "
            f"{verdict.void} void records"
        )
    return EXIT_DONE if verdict.ok else EXIT_CHECK_FAILED
