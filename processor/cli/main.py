"""The command `processor`: a table of subcommands, a module each."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from processor.errors import EXIT_CANNOT_RUN, EXIT_DONE, ProcessorError

# Name: module. Each has HELP, configure(parser), run(arguments) -> exit code, and may have EXAMPLES for its help. Only
# the one that is asked for is imported.
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
    try:
        with _quiet_ctrl_c():
            arguments = _parse(given)
        code = int(arguments.run(arguments))
        if sys.stdout is not None:      # it is None where stdout was closed before we began
            sys.stdout.flush()          # here, where a reader that has gone is no error
        return code
    except ProcessorError as error:
        _flush()
        if str(error):
            print(f"processor: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Who read our output has gone (head, less): nothing is left to say, nor to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:
        # A file, directory or device that the system does not let us use; what it is stands in the system's own words.
        print(f"processor: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED


def _flush() -> None:
    """What was printed before an error stands before it, wherever both go."""
    with contextlib.suppress(OSError):
        if sys.stdout is not None:
            sys.stdout.flush()


@contextlib.contextmanager
def _quiet_ctrl_c() -> Iterator[None]:
    """Ctrl-C ends the process at once, as long as nothing goes on but imports: a traceback of those helps nobody."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield       # whoever calls us has seen to it, or it is ignored
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _parse(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="processor", epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="An in-memory business logic processor with Apache Kafka as its journal.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in given if not word.startswith("-")), None)
    wanted = [asked] if asked in COMMANDS else list(COMMANDS)
    for name in wanted:
        module = importlib.import_module(COMMANDS[name])
        examples = getattr(module, "EXAMPLES", "")
        child = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=f"{examples}\n{EXIT_CODES}".lstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(child)
        child.set_defaults(run=module.run)
    try:
        return parser.parse_args(given)
    except SystemExit:
        sys.stdout.flush()      # the help; here, where a reader that has gone is no error
        raise


__all__ = ["COMMANDS", "main"]
