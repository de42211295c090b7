"""The service: the stages put together, each on its thread, and their ordered, bounded end.

    recover  ->  claim  ->  gateway | journaler | logic  ->  stop: intake, journal, logic, outputs

The thread that calls `run` keeps house: snapshots that children have finished, people at the admin socket, signals.
"""

from __future__ import annotations

import selectors
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processor.admin import AdminDesk
from processor.affinity import settle
from processor.app import App
from processor.collector import Collector
from processor.config import Config
from processor.counters import Counters
from processor.errors import (
    EXIT_CANNOT_RUN,
    EXIT_DEPOSED,
    EXIT_DONE,
    EXIT_HALTED,
    ClientError,
    ProcessorError,
    SnapshotError,
)
from processor.gateway.gateway import Gateway
from processor.journal import open_journal
from processor.journal.journaler import Journaler
from processor.keeper import SnapshotKeeper
from processor.live_queries import LiveQueries
from processor.local.port import Intake
from processor.local.session import INBOX_BYTES, LocalSession
from processor.logic.core import Core
from processor.logic.live import LiveLogic
from processor.outputs.queue import OutputQueue
from processor.recovery.name_event import name_event
from processor.recovery.recover import Recovered, recover
from processor.ring.buffer import Ring
from processor.ring.control import ControlQueue
from processor.snapshot.store import SnapshotStore
from processor.wakeup import Wakeup

Report = Callable[[str], None]


class Service:
    """One application behind one socket and one journal.

    `journal` is a URL, `listen` is `unix:/path`, `snapshots` a directory. `report` gets one line of text for everything that people
    should know. Raises ProcessorError from `start` when it cannot run; nothing is claimed then.
    """

    def __init__(
        self, app: App, *, journal: str, listen: str, snapshots: str | Path, config: Config | None = None,
        report: Report = print,
    ) -> None:
        self.app = app
        self.config = config or Config()
        self.journal_url = journal
        self.listen = listen
        self.directory = Path(snapshots)
        self.report = report
        self.exit_code = EXIT_DONE
        self.recovered: Recovered | None = None
        self._wakeup = Wakeup()
        self._stop_asked = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._failures: list[tuple[str, BaseException]] = []

    # ---- start

    def start(self, progress: Any = None) -> None:
        """Recovers, claims, and lets the stages run."""
        config, app = self.config, self.app
        app.check()
        SnapshotStore(self.directory).open()
        try:
            self.counters = Counters(str(self.directory / "counters"))
        except OSError as error:
            raise SnapshotError(f"{self.directory}: cannot make the counter page: {error.strerror}: make room there, or name another "
                                "directory with --snapshots") from error
        self.ring = Ring(app.schema.slot_bytes, config.ring_slots, reserved=config.ring_reserved, wait=config.wait)
        self.outputs = OutputQueue(config.output_queue_bytes, self.ring)
        self.control = ControlQueue(self.ring, config.ring_reserved)
        # The socket comes first: a path in use is found out before anything is claimed. Nobody is let in before the end.
        self.gateway = Gateway(
            self.listen, self.ring, self.control, self.outputs, app.schema.lengths(), app.schema.slot_bytes,
            app.schema.fingerprint, connections_max=config.connections_max, hello_s=config.hello_s,
            unsent_pause_bytes=config.unsent_pause_bytes, unsent_close_bytes=config.unsent_close_bytes,
        )
        try:
            self.journal = open_journal(
                self.journal_url, write=True, settings=config.journal_settings,
                allow_finite_retention=config.allow_finite_retention,
            )
            self.journal.check_slot_bytes(app.schema.slot_bytes)
            for warning in getattr(self.journal, "warnings", ()):
                self.report(f"warning: {warning}")
            self.recovered = recover(
                app, self.journal, self.directory, config, counters=self.counters, progress=progress, report=self.report,
                should_stop=self._stop_asked.is_set,
            )
            self._lead(self.recovered)
        except BaseException:
            self.gateway.flush_and_close(timeout_s=0.0)
            if hasattr(self, "journal"):
                self.journal.close()
            raise

    def _lead(self, recovered: Recovered) -> None:
        config, app = self.config, self.app
        self.core: Core = recovered.core
        self.counters.publish()
        self.journaler = Journaler(
            self.ring, self.journal, recovered.log, next_sequence=self.core.sequence + 1, timestamp=self.core.timestamp,
            fingerprint=app.schema.fingerprint, max_block_events=config.max_block_events,
            max_block_bytes=config.max_block_bytes, counters=self.counters,
        )
        self.core.answer_through(self.outputs, self.control, recovered.journal_id)
        self.keeper = SnapshotKeeper(
            app, self.core, self.control, recovered, self.journal_url, config, self.counters, self.report, self._wakeup
        )
        self.queries = LiveQueries(app, self.core, self.control, self._wakeup)
        self.logic = LiveLogic(
            self.ring, self.core, self.journaler, self.keeper, trigger_every=config.snapshot_every, queries=self.queries
        )
        self.desk = AdminDesk(self)
        self.intake = Intake(self.ring, self.core, app.schema.lengths())
        self.collector = Collector(self.counters)
        self.collector.start()
        for name, run in (("logic", self._run_logic), ("journaler", self.journaler.run), ("gateway", self.gateway.run)):
            thread = threading.Thread(target=self._guarded, args=(name, run), name=f"processor-{name}", daemon=True)
            self._threads[name] = thread
            thread.start()
        self.report(f"listening on {self.listen}")

    def _run_logic(self) -> None:
        try:
            self.logic.run()
        finally:
            self.keeper.outlive_child()

    def _guarded(self, name: str, run: Callable[[], None]) -> None:
        try:
            settle(self.config.affinity.get(name))
            run()
        except BaseException as error:
            self._failures.append((name, error))
        finally:
            self._wakeup.set()

    # ---- while it runs

    def session(
        self, *, answers: bool = True, window: int = 8192, inbox_bytes: int = INBOX_BYTES, timeout_s: float = 10.0
    ) -> LocalSession:
        """A session of this process, without a socket, while the service runs; see LocalSession. From any thread."""
        if not hasattr(self, "intake"):
            raise ClientError("the service does not run yet: start it first")
        return LocalSession(
            self.app, self.intake, answers=answers, window=window, inbox_bytes=inbox_bytes, timeout_s=timeout_s
        )

    def run(self, tick: Callable[[], None] | None = None, tick_s: float = 1.0) -> int:
        """Keeps house until stop is asked for or a stage ends; then stops in order. Returns the exit code."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ, self._wakeup.clear)
            selector.register(self.gateway.admin_fd, selectors.EVENT_READ, lambda: self.desk.welcome(selector))
            selector.register(self.keeper, selectors.EVENT_READ, self.keeper.poll)
            try:
                self._keep_house(selector, tick, tick_s)
            except Exception as error:
                # Keeping house must not be what ends a service; if it is, then in order, and not without a word.
                self._failures.append(("housekeeping", error))
            self._shut_down(selector)
        return self.exit_code

    def _keep_house(self, selector: selectors.BaseSelector, tick: Callable[[], None] | None, tick_s: float) -> None:
        next_tick = time.monotonic() + tick_s
        away = False
        while not self._stop_asked.is_set() and all(thread.is_alive() for thread in self._threads.values()):
            for key, _ in selector.select(max(0.0, min(1.0, next_tick - time.monotonic()))):
                key.data()
            self.keeper.poll()
            self.queries.poll()
            if self.journal.away != away:
                away = not away
                self.report(f"the journal {self.journal.url} does not answer: waiting, taking in no more than the ring holds"
                            if away else f"the journal {self.journal.url} answers again")
            if time.monotonic() >= next_tick:
                next_tick += tick_s
                if tick is not None:
                    tick()

    def stop(self) -> None:
        """Asks for the end, from any thread or a signal handler."""
        self._stop_asked.set()
        self._wakeup.set()

    # ---- the ordered end

    def _shut_down(self, selector: selectors.BaseSelector) -> None:
        """Intake, journal, logic, outputs: each drained and closed within `drain_s`, or given up with a message."""
        healthy = all(thread.is_alive() for thread in self._threads.values())
        self.gateway.stop_intake()
        self.intake.close()
        if healthy and self.config.snapshot_at_shutdown:
            self._last_snapshot(selector)
        deadline = time.monotonic() + self.config.drain_s
        if healthy and not self._wait(lambda: self.control.pending == 0, deadline):
            self.report(f"warning: control events were not taken in within {self.config.drain_s:g} s")
        self.journaler.drain()
        if not self._join("journaler", deadline):
            self.report("warning: what is in flight was not acknowledged in time; its clients were not answered")
            self.journaler.abort()
            self.exit_code = EXIT_CANNOT_RUN
        journal_let_go = self._join("journaler", time.monotonic() + 5)
        self.logic.finish()
        if not self._join("logic", deadline):
            self.core.abort()
            if not self._join("logic", time.monotonic() + 5):
                self.report(f"warning: the handler of the event behind sequence {self.counters.get('applied')} has not returned in "
                            f"time: it, and what is durable behind it, was not answered; the next start applies it")
                self.exit_code = EXIT_CANNOT_RUN
        self.intake.finish()
        self.keeper.close(deadline)
        self.gateway.flush_and_close(timeout_s=max(0.1, min(5.0, deadline - time.monotonic())))
        self._join("gateway", time.monotonic() + 10)
        self.queries.close()
        self.desk.close()
        self.collector.stop()
        self._judge()
        if journal_let_go:
            self.journal.close()
        else:
            # Its thread is still inside a call to disk or broker; closing would make another one, and wait as long.
            self.report(f"warning: {self.journal_url} does not let go of a call; it is left to the end of this process")

    def _last_snapshot(self, selector: selectors.BaseSelector) -> None:
        """Triggers the snapshot of the end and waits for it, while the stages still run."""
        if not self.keeper.ask_last():
            return
        deadline = time.monotonic() + self.config.drain_s
        while not self.keeper.last_is_there() and time.monotonic() < deadline:
            if not all(thread.is_alive() for thread in self._threads.values()):
                return
            for key, _ in selector.select(0.1):
                key.data()
            self.keeper.poll()
        if not self.keeper.last_is_there():
            self.report("warning: no snapshot was taken at the end; the next start replays more of the journal")

    def _wait(self, until: Callable[[], bool], deadline: float) -> bool:
        """Waits for something that another thread does without telling; whether it happened before the deadline."""
        while not until():
            if time.monotonic() > deadline or not self._threads["gateway"].is_alive():
                return False
            time.sleep(0.001)
        return True

    def _join(self, name: str, deadline: float) -> bool:
        thread = self._threads[name]
        thread.join(max(0.0, deadline - time.monotonic()))
        return not thread.is_alive()

    def _judge(self) -> None:
        """Why it ended, as a message and an exit code; the first cause wins."""
        outcome, text = self.journaler.outcome
        if self.core.trouble:
            trouble, sequence = self._named_trouble()
            self.report(f"halted: {trouble}; nothing behind sequence {self.core.sequence} was applied. "
                        f"Look at it with: processor journal dump {self.journal_url} --from {sequence} --to {sequence}")
            self.exit_code = EXIT_HALTED
        elif outcome == "deposed":
            self.report(f"deposed: {text}")
            self.exit_code = EXIT_DEPOSED
        elif outcome in ("failed", "log-lost"):
            if text != "aborted":               # that one was told when it was given up
                self.report(f"the journal failed: {text}")
            self.exit_code = EXIT_CANNOT_RUN
        for name, error in self._failures:
            kind = type(error).__name__
            self.report(f"the {name} ended: {error}" if isinstance(error, ProcessorError) else f"the {name} ended: {kind}: {error}")
            if self.exit_code == EXIT_DONE:
                self.exit_code = error.exit_code if isinstance(error, ProcessorError) else EXIT_CANNOT_RUN

    def _named_trouble(self) -> tuple[str, int]:
        """What halted the logic, and the sequence to look at; of many events in hand, the one that raises is found."""
        trouble, sequence = self.core.trouble, self.core.sequence + 1
        if self.core.raised_events > 1:
            self.report(f"{trouble}; replaying these one by one to find the event")
            try:
                return name_event(self.app, self.journal, self.directory, self.config, self.core)
            except ProcessorError as error:
                self.report(f"warning: the event was not found: {error}")
        return trouble, sequence
