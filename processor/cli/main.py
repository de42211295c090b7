"""The command `processor`: a table of subcommands, a module each."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from processor.errors import EXIT_WRONG_USE, ProcessorError

# Name: module. Each has HELP, configure(parser) and run(arguments) -> exit code. Only the one that is asked for is imported.
COMMANDS = {
    "run": "processor.cli.run",
    "feed": "processor.cli.feed",
    "journal": "processor.cli.journal",
    "snapshot": "processor.cli.snapshot",
    "rebuild": "processor.cli.rebuild",
    "query": "processor.cli.query",
    "diff": "processor.cli.diff",
    "replay": "processor.cli.replay",
    "verify": "processor.cli.verify",
    "what-if": "processor.cli.what_if",
    "ossandme": "processor.cli.ossandme",
    "demo": "processor.cli.demo",
}
INTERRUPTED = 130

EXIT_CODES = """\
exit codes: 0 done, 1 a check failed, 2 wrong use, 3 cannot start or run (journal, lock, schema),
4 halted by an event, 5 deposed by another writer
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="processor", epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="An in-memory business logic processor with Apache Kafka as its journal.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in given if not word.startswith("-")), None)
    wanted = [asked] if asked in COMMANDS else list(COMMANDS)
    for name in wanted:
        module = importlib.import_module(COMMANDS[name])
        child = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(child)
        child.set_defaults(run=module.run)
    arguments = parser.parse_args(given)
    try:
        return int(arguments.run(arguments))
    except ProcessorError as error:
        if str(error):
            print(f"processor: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Who read our output has gone (head, less): nothing is left to say, nor to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


__all__ = ["COMMANDS", "EXIT_WRONG_USE", "main"]
