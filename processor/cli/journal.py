"""`processor journal info|dump URL`: what a journal holds, without its application, also while a service writes."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import msgspec
import numpy as np

from processor.errors import EXIT_DONE, CorruptJournal, WrongUse
from processor.journal.dump import SEQUENCE_MAX, Event, events
from processor.journal.inspect import Survey, survey
from processor.journal.records import open_to_look
from processor.journal.url import FORMS

NAME = "journal"
HELP = "show what a journal holds, without its application"
EXAMPLES = """\
examples:
  processor journal info embedded:state/exchange/journal
  processor journal dump embedded:state/exchange/journal --from 1000 --to 1010
  processor journal dump kafka://127.0.0.1:9092/bank --json | jq 'select(.type == "Deposit") | .fields'

Both read up to the end as it is when they start, also of a journal that a service is writing to.
"""
DUMP = """\
One line an event, in the order of the log; with --json one object a line:
  offset     of the block that holds it        request    the client's number of it, 0: none
  epoch      its writer's stretch: {offset of the claim, writer id}
  sequence   its number in the journal         type       its name
  timestamp  ns since the epoch                fields     its values by name; raw bytes as hex
  session    who sent it, 0: the system        void       true: it counts for nobody

Events of void blocks can stand anywhere behind, so the log is read to its end whatever --to says.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="journal_command", metavar="info|dump", required=True)
    info = commands.add_parser("info", help="application, schema, epochs, ends, and how many events of which type")
    dump = commands.add_parser("dump", help="the events, one a line", description=DUMP)
    for command in (info, dump):
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = EXAMPLES
        command.add_argument("url", metavar="URL", help=FORMS.rpartition(", or")[0])
        command.add_argument("--from", type=int, default=1, metavar="N", dest="first",
                             help="first sequence (default: 1)")
        command.add_argument("--to", type=int, default=SEQUENCE_MAX, metavar="N", dest="last",
                             help="last sequence, included (default: the newest)")
        command.add_argument("--json", action="store_true",
                             help="print JSON: one object" + " an event, one a line" * (command is dump))


def run(arguments: argparse.Namespace) -> int:
    first, last = arguments.first, arguments.last
    if not 0 <= first <= last <= SEQUENCE_MAX:
        raise WrongUse(f"--from and --to are sequences, the first not above the last; got {first} and {last}")
    return {"info": _info, "dump": _dump}[arguments.journal_command](arguments)


def _dump(arguments: argparse.Namespace) -> int:
    encode = msgspec.json.Encoder().encode_lines
    with open_to_look(arguments.url) as journal:
        for block in events(journal, arguments.first, arguments.last):
            if arguments.json:
                sys.stdout.buffer.write(encode(block))
            else:
                sys.stdout.writelines(map(_line, block))
    return EXIT_DONE


def _line(event: Event) -> str:
    fields = "".join(f" {name}={value}" for name, value in event["fields"].items())
    return (
        f"{event['sequence']:>10}  {_time(event['timestamp'])}  offset {event['offset']}  "
        f"epoch {event['epoch']['offset']}  session {event['session']}  request {event['request']}  "
        f"{event['type']}{fields}{'  VOID' if event['void'] else ''}\n"
    )


def _info(arguments: argparse.Namespace) -> int:
    with open_to_look(arguments.url) as journal:
        found = survey(journal, arguments.first, arguments.last)
    if arguments.json:
        print(json.dumps(found.summary()))
    else:
        _print(found)
    if found.damage:
        raise CorruptJournal(found.damage)
    return EXIT_DONE


def _print(found: Survey) -> None:
    rows = found.summary()
    for key in ("epochs", "events_by_type", "damage"):
        del rows[key]
    for key, value in rows.items():
        note = f"  ({_time(value)})" if key.endswith("_timestamp") and value is not None else ""
        print(f"{key:<18} {'-' if value is None else value}{note}")
    for name, count in found.events_by_type.most_common():
        print(f"{'  events':<18} {count} {name}")
    for epoch in found.epochs:
        print(f"{'  epoch':<18} {_epoch(epoch)}")


def _epoch(epoch: dict[str, Any]) -> str:
    said = ", ".join(f"{key} {value}" for key, value in (epoch["sessions"] or {}).items())
    return (f"claimed at offset {epoch['offset']} by {epoch['writer']} (process {epoch['pid']} on {epoch['host']}, "
            f"{_time(epoch['time'])}, version {epoch['version']}{', ' + said if said else ''})")


def _time(nanoseconds: int) -> str:
    return f"{np.datetime64(nanoseconds, 'ns')}Z"
