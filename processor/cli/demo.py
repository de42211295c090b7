"""`processor demo exchange`, behind `make run`: the exchange as a service in this process, fed by a client process."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from processor.apps.exchange import app
from processor.cli.feed import DRAIN_S, check_flow, flow_options
from processor.cli.lifetime import end_with_parent
from processor.cli.progress import RecoveryBar, say
from processor.config import Config
from processor.errors import EXIT_CANNOT_RUN, EXIT_DONE
from processor.gateway.listener import PATH_BYTES_MAX
from processor.service import Service

NAME = "demo"
HELP = "the exchange as a service, and a client process that feeds it order flow: `make run`"
RATE = 100_000
STATE = "state/exchange"
ENDING = (signal.SIGINT, signal.SIGTERM)
EXAMPLES = """\
examples:
  processor demo exchange                  until Ctrl-C; started again it goes on from there
  processor demo exchange --for 10         stops by itself
  processor demo exchange --rate 0         as fast as it goes
"""
DESCRIPTION = f"""\
Runs the exchange on an embedded journal, in this process, and `processor feed exchange` as a child, which prints one
line a second. Ctrl-C, SIGTERM and --for end it in the same way: the client stops and gets its last answers, the service
takes a snapshot. Started again it recovers from there. Each event takes {app.schema.slot_bytes} bytes of disk: at the
default rate the journal grows by {RATE * app.schema.slot_bytes / 1e6:.1f} MB a second.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("application", choices=("exchange",), help="the only one that there is a generator for")
    parser.add_argument("--state", default=STATE, metavar="DIR",
                        help="where journal and snapshots are (default: %(default)s, below the current directory)")
    parser.add_argument("--snapshot-every", type=int, default=Config.snapshot_every, metavar="N",
                        help="events between two snapshots (default: %(default)s)")
    flow_options(parser, RATE)


def run(arguments: argparse.Namespace) -> int:
    check_flow(arguments)
    directory = Path(arguments.state).absolute()
    with socket_address(directory) as address:
        service = Service(
            app, journal=f"embedded://{directory}/journal", listen=address, snapshots=directory / "snapshots",
            config=Config(snapshot_every=arguments.snapshot_every), report=say,
        )  # fmt: skip
        client = FeedingClient(feed_command(address, arguments), service.stop)
        for number in ENDING:
            signal.signal(number, lambda *_: client.ask())
        if arguments.end_with_parent:
            end_with_parent(signal.SIGTERM)
        with RecoveryBar() as bar:
            service.start(bar)
        client.start()
        code = service.run()
        client.close()
    taken = service.keeper.last
    say(
        f"stopped at sequence {service.core.sequence}, snapshot of sequence {taken.sequence if taken else 'none'}; "
        f"the state is in {arguments.state}: start again to go on from there, remove it to begin anew"
    )
    return code or (EXIT_CANNOT_RUN if client.failure else EXIT_DONE)


@contextlib.contextmanager
def socket_address(directory: Path) -> Iterator[str]:
    """Below the state's directory; in a temporary one where that path is too long for a socket."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "socket"
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield f"unix:{path}"
        return
    with tempfile.TemporaryDirectory(prefix="processor-") as short:
        yield f"unix:{short}/socket"


def feed_command(address: str, arguments: argparse.Namespace) -> list[str]:
    """What feeds the service at `address` as these arguments say."""
    words = [sys.executable, "-m", "processor", "feed", "exchange", "--to", address, "--rate", str(arguments.rate),
             "--seed", str(arguments.seed), "--end-with-parent"]  # fmt: skip
    if arguments.seconds is not None:
        words += ["--for", str(arguments.seconds)]
    return [*words, "--json"] if arguments.json else words


class FeedingClient:
    """The client's process. Whenever it has ended, `when_ended` is called: the service has nothing to do then.

    Asked to end it stops sending, gets its last answers, and ends by itself; if it does not, it is killed. `failure` is
    what went wrong with it, and is said when it happens.
    """

    def __init__(self, command: list[str], when_ended: Callable[[], None]) -> None:
        self._command, self._when_ended = command, when_ended
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = threading.Event()
        self._started = False
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._watch, self._lose_patience)]
        self.failure = ""

    def start(self) -> None:
        """Starts it, unless it has been asked to end already. That it cannot be started is a failure as any other."""
        self._started = True
        # A Ctrl-C is for the whole group. The child inherits the mask, and takes signals when it can do so orderly.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            if self._asked.is_set():
                return
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        except OSError as error:
            self._fail(f"cannot be started ({error})")
            self._when_ended()
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self._asked.is_set():
            self._process.send_signal(signal.SIGTERM)       # asked in between: a handler runs whatever the mask is
        for thread in self._threads:
            thread.start()

    def ask(self) -> None:
        """Asks it to end; from a signal handler, and more than once."""
        self._asked.set()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
        elif not self._started:
            self._when_ended()

    def _watch(self) -> None:
        assert self._process is not None
        code = self._process.wait()
        # A second Ctrl-C ends it at once: that is no failure, either.
        if code and not (self._asked.is_set() and code in (128 + signal.SIGINT, -signal.SIGINT, -signal.SIGTERM)):
            self._fail(f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}")
        self._asked.set()
        self._when_ended()

    def _fail(self, how: str) -> None:
        self.failure = f"the client that feeds the exchange {how}"
        say(f"{self.failure}: stopping")

    def _lose_patience(self) -> None:
        assert self._process is not None
        self._asked.wait()
        try:
            self._process.wait(DRAIN_S + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def close(self) -> None:
        """When the service has ended: nothing that it may still wait for will come."""
        if self._process is not None:
            self._asked.set()
            self._process.kill()
            for thread in self._threads:
                thread.join()
