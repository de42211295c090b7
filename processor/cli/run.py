"""`processor run MODULE:APP --journal URL --listen ADDR --snapshots DIR`: the service, in the foreground."""

from __future__ import annotations

import argparse
import signal
from typing import Any

from processor.affinity import STAGES, parse_affinity
from processor.app import load_app
from processor.cli.progress import RecoveryBar, say
from processor.config import WAIT_STRATEGIES, Config
from processor.errors import WrongUse
from processor.service import Service

NAME = "run"
HELP = "run an application as a service"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("application", metavar="MODULE:APP", help="for example examples.bank:app")
    parser.add_argument("--journal", required=True, metavar="URL",
                        help="kafka://host:port/topic, embedded:path, embedded:///path or memory:")
    parser.add_argument("--listen", required=True, metavar="ADDR", help="unix:/path")
    parser.add_argument("--snapshots", required=True, metavar="DIR")
    parser.add_argument("--wait", choices=WAIT_STRATEGIES, default="block",
                        help="how stages wait: block costs nothing when idle (default)")
    parser.add_argument("--snapshot-every", type=int, default=Config.snapshot_every, metavar="N",
                        help="events between two snapshots; 0: only by command and at the end (default %(default)s)")
    parser.add_argument("--snapshot-every-s", type=float, default=Config.snapshot_every_s, metavar="S",
                        help="seconds between two snapshots, if anything happened; 0: not by time (default %(default)g)")
    parser.add_argument("--snapshot-timeout-s", type=float, default=Config.snapshot_timeout_s, metavar="S",
                        help="seconds after which a snapshot that is still being written is given up (default %(default)g)")
    parser.add_argument("--max-block-events", type=int, default=Config.max_block_events, metavar="N",
                        help="most events in a block; 1: one Kafka record an event (default %(default)s)")
    parser.add_argument("--max-block-bytes", type=int, default=Config.max_block_bytes, metavar="N",
                        help="most bytes in a block of several events (default %(default)s)")
    parser.add_argument("--window", type=int, default=Config.window, metavar="N",
                        help="most requests in flight in a session (default %(default)s)")
    parser.add_argument("--drain-s", type=float, default=Config.drain_s, metavar="S",
                        help="at the end: seconds until everything must have drained (default %(default)g)")
    parser.add_argument("--affinity", action="append", default=[], metavar="STAGE=CPU[,CPU...]",
                        help=f"processors for the thread of a stage ({', '.join(STAGES)}); once for each stage")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of librdkafka")
    parser.add_argument("--allow-finite-retention", action="store_true",
                        help="accept a topic whose records expire: a rebuild from the first event will not be possible")


def config_of(arguments: argparse.Namespace) -> Config:
    """The Config that these arguments ask for."""
    settings: dict[str, str] = {}
    for item in arguments.set:
        key, equals, value = item.partition("=")
        if not equals:
            raise WrongUse(f"--set takes KEY=VALUE, not {item!r}")
        settings[key] = value
    return Config(
        wait=arguments.wait, snapshot_every=arguments.snapshot_every, snapshot_every_s=arguments.snapshot_every_s,
        snapshot_timeout_s=arguments.snapshot_timeout_s,
        max_block_events=arguments.max_block_events, max_block_bytes=arguments.max_block_bytes, window=arguments.window,
        drain_s=arguments.drain_s, journal_settings=settings, allow_finite_retention=arguments.allow_finite_retention,
        affinity=parse_affinity(arguments.affinity),
    )


def stop_on_signals(service: Service) -> None:
    """SIGINT and SIGTERM ask for the ordered end; a second SIGINT falls back to Python's own."""
    def ask(number: int, frame: Any) -> None:
        service.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)


def run(arguments: argparse.Namespace) -> int:
    service = Service(
        load_app(arguments.application), journal=arguments.journal, listen=arguments.listen,
        snapshots=arguments.snapshots, config=config_of(arguments), report=say,
    )
    stop_on_signals(service)
    with RecoveryBar() as bar:
        service.start(bar)
    code = service.run()
    say(f"stopped at sequence {service.core.sequence}; journal {arguments.journal}, snapshots {arguments.snapshots}")
    return code
