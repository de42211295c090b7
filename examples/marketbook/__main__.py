"""`python -m examples.marketbook load|check`."""

from __future__ import annotations

import argparse
import json
import sys

from examples.marketbook.check import check
from examples.marketbook.load import load
from processor.errors import EXIT_CHECK_FAILED, EXIT_DONE, ProcessorError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.marketbook", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    loading = commands.add_parser("load", help="import a LOBSTER pair into a new journal")
    loading.add_argument("messages", metavar="MESSAGE.csv")
    loading.add_argument("orderbook", metavar="ORDERBOOK.csv")
    checking = commands.add_parser("check", help="compare states of the past with the orderbook file")
    checking.add_argument("orderbook", metavar="ORDERBOOK.csv")
    checking.add_argument("--rows", type=int, default=100, metavar="N", help="random rows (default %(default)s)")
    checking.add_argument("--seed", type=int, default=1, metavar="N", help="which ones (default %(default)s)")
    checking.add_argument("--snapshots", metavar="DIR", help="use these; else some are made for the time of the check")
    for command in (loading, checking):
        command.add_argument("--journal", required=True, metavar="URL")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "load":
            rows, sequence = load(arguments.messages, arguments.orderbook, arguments.journal)
            print(json.dumps({"ok": True, "rows": rows, "sequence": sequence, "journal": arguments.journal}))
            return EXIT_DONE
        checked = check(
            arguments.orderbook,
            arguments.journal,
            rows=arguments.rows,
            seed=arguments.seed,
            snapshots=arguments.snapshots,
        )
    except ProcessorError as error:
        print(f"marketbook: {error}", file=sys.stderr)
        return error.exit_code
    summary = checked.summary()
    print(json.dumps(summary))
    return EXIT_DONE if summary["ok"] else EXIT_CHECK_FAILED


if __name__ == "__main__":
    sys.exit(main())
