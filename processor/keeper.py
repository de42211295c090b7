"""When a service takes snapshots, and what becomes of them: triggers, the child, the recorded hash, those who asked."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from processor.app import App
from processor.config import Config
from processor.counters import Counters
from processor.journal.url import parse_url
from processor.logic.core import Core
from processor.recovery.recover import Recovered
from processor.ring.control import ControlQueue
from processor.snapshot.layout import NAME, SnapshotInfo, SnapshotMeta
from processor.snapshot.taker import SnapshotFailure, Taker
from processor.wakeup import Wakeup

CONTROL_SNAPSHOT = 0xFF03
CONTROL_STATE_HASH = 0xFF04
TRIGGER = struct.Struct("<QII16x")          # layout.SnapshotTrigger
STATE_HASH = struct.Struct("<Q16sQ")        # layout.StateHash
EVERY_EVENTS, EVERY_SECONDS, BY_COMMAND, AT_SHUTDOWN = 1, 2, 3, 4

Say = Callable[[dict[str, Any]], None]


class SnapshotKeeper:
    """Between the logic's thread (`ask_snapshot`, `on_snapshot`, `on_hash`) and the service's own (all the rest)."""

    def __init__(
        self, app: App, core: Core, control: ControlQueue, recovered: Recovered, journal_url: str, config: Config,
        counters: Counters, report: Callable[[str], None], wakeup: Wakeup,
    ) -> None:
        self._app, self._core, self._control, self._config = app, core, control, config
        self._counters, self._report, self._wakeup = counters, report, wakeup
        self._journal_url, self._partition = journal_url, parse_url(journal_url).partition or 0
        self._journal_id = recovered.journal_id
        self._epoch = (recovered.log.epoch_offset, recovered.log.epoch_writer)
        self._taker = Taker(recovered.store)
        self._lock = threading.Lock()           # the taker is used by both threads
        self._askers: dict[int, tuple[str | None, Say]] = {}
        self._number = 0
        self._running: int = 0                  # the number of the trigger whose child is writing
        self._waiting_again: list[bytes] = []   # triggers that somebody waits for and that came while a child was writing
        self._untaken: list[tuple[int, bytes]] = []     # control events that the queue had no room for
        self._last_number = 0                   # of the one asked for at the end
        self._last_done = False
        self._next_by_time = time.monotonic() + config.snapshot_every_s if config.snapshot_every_s else float("inf")
        self._ended: SnapshotInfo | SnapshotFailure | None = None   # what the logic's thread has found at its own end
        self.last: SnapshotInfo | None = recovered.snapshot
        if recovered.snapshot is not None:
            counters.put("snapshot_sequence", recovered.snapshot.sequence)

    # ---- the logic's thread

    def ask_snapshot(self) -> None:
        """Every N events: puts the trigger among the events; one that is pending already serves for both."""
        self._put(CONTROL_SNAPSHOT, TRIGGER.pack(0, EVERY_EVENTS, 0))

    def on_snapshot(self, payload: bytes, position: int, last_block_offset: int, last_block_checksum: int) -> None:
        """The trigger has been applied: forks the child that writes the state as it is now."""
        number, _, _ = TRIGGER.unpack(payload)
        keep, say = self._askers.get(number, (None, None))
        meta = SnapshotMeta(
            application=self._app.name, application_version=self._app.version, fingerprint=self._app.schema.fingerprint,
            schema=self._app.schema.text, journal_id=self._journal_id, journal_url=self._journal_url,
            partition=self._partition, position=position, next_sequence=self._core.sequence + 1, epoch_offset=self._epoch[0],
            epoch_writer=self._epoch[1], last_block_offset=last_block_offset, last_block_checksum=last_block_checksum,
            timestamp=self._core.timestamp, created=time.time_ns(),
        )
        with self._lock:
            self._counters.put("snapshot_running", 1)
            if self._taker.start(meta, self._core.state, self._core.sessions.export, keep=keep):
                self._running = number
                pause_ns = int(self._taker.fork_seconds_max * 1e9)
                self._counters.put("pause_ns_max", max(pause_ns, self._counters.get("pause_ns_max")))
            elif number and (say is not None or number == self._last_number):
                # One is being written already: asked again when that one is done. Nobody waits for those without a number.
                self._waiting_again.append(payload)
        self._wakeup.set()

    def on_hash(self, payload: bytes) -> None:
        """Our own recorded hash comes by: nothing to compare, the child has computed it from this very state."""

    def outlive_child(self) -> None:
        """Before the logic's thread ends: the child that it has forked would die with it. Waits up to drain_s."""
        with self._lock:
            self._ended = self._taker.wait(self._config.drain_s) or self._taker.cancel()

    def _put(self, kind: int, payload: bytes) -> None:
        """Makes a control event pending, from either thread; one that finds no room is put again by `poll`."""
        with self._lock:
            if (kind, payload) not in self._untaken and (self._untaken or not self._control.put(kind, payload)):
                self._untaken.append((kind, payload))

    # ---- the service's thread

    def fileno(self) -> int:
        """A descriptor that is readable when a child is done and `poll` should be called."""
        return self._taker.fileno()

    def ask(self, keep: str | None, say: Say) -> None:
        """A snapshot by command; `say` gets its summary, or what went wrong."""
        if keep is not None and NAME.fullmatch(f"kept-{keep}-{0:020}.snap") is None:
            rule = "letters, digits, _ . - and no more than 64"
            say({"ok": False, "error": f"{keep!r} cannot be a snapshot's name: {rule}", "wrong_use": True})
            return
        self._number += 1
        self._askers[self._number] = (keep, say)
        if not self._control.put(CONTROL_SNAPSHOT, TRIGGER.pack(self._number, BY_COMMAND, 0)):
            del self._askers[self._number]
            say({"ok": False, "error": "too many control events are pending: try again later"})

    def ask_last(self) -> bool:
        """The snapshot of the end; False when nothing has happened since the last one."""
        if self._nothing_new():
            return False
        self._number += 1
        self._last_number = self._number
        self._put(CONTROL_SNAPSHOT, TRIGGER.pack(self._number, AT_SHUTDOWN, 0))
        return True

    def _nothing_new(self) -> bool:
        """Whether behind the last snapshot there is nothing but the event that records its hash."""
        # The counter: the core's own number is the logic's thread's, and not to be read while it runs.
        return self.last is not None and self._counters.get("applied") <= self.last.sequence + 1

    def last_is_there(self) -> bool:
        return self._last_done

    def poll(self) -> None:
        """Looks whether the child is done; if so, has its hash journaled and tells those who asked. Asks for one when it is time."""
        now = time.monotonic()
        if now >= self._next_by_time:
            self._next_by_time = now + self._config.snapshot_every_s
            if not self._nothing_new():
                self._put(CONTROL_SNAPSHOT, TRIGGER.pack(0, EVERY_SECONDS, 0))
        with self._lock:
            while self._untaken and self._control.put(*self._untaken[0]):
                del self._untaken[0]
            result = self._take_ended() or self._taker.poll()
            limit_s = self._config.snapshot_timeout_s
            if result is None and self._taker.running_s > limit_s:
                self._taker.kill(f"it was not written within {limit_s:g} s (snapshot_timeout_s), its process was killed; look "
                                 "after the disk; those before it are untouched")
            number = self._running
            again: list[bytes] = []
            if result is not None:
                self._running = 0
                self._counters.put("snapshot_running", 0)
                again, self._waiting_again = self._waiting_again, []
        if result is not None:
            self._done(number, result)
        for trigger in again:
            self._put(CONTROL_SNAPSHOT, trigger)

    def _take_ended(self) -> SnapshotInfo | SnapshotFailure | None:
        ended, self._ended = self._ended, None
        return ended

    def _done(self, number: int, result: SnapshotInfo | SnapshotFailure) -> None:
        _, say = self._askers.pop(number, (None, None))
        if number and number == self._last_number:
            self._last_done = True
        if isinstance(result, SnapshotFailure):
            self._report(f"warning: the snapshot of sequence {result.sequence} was not taken: {result.error}")
            if say is not None:
                say({"ok": False, "error": result.error})
            return
        self.last = result
        self._counters.put("snapshots", self._counters.get("snapshots") + 1)
        self._counters.put("snapshot_sequence", result.sequence)
        self._put(CONTROL_STATE_HASH, STATE_HASH.pack(result.sequence, result.state_hash, result.sessions_hash))
        if say is not None:
            say({"ok": True, **result.summary()})

    def close(self, deadline: float) -> None:
        """Waits for a child that still writes, until the deadline (time.monotonic); kills it then."""
        with self._lock:
            result = (self._take_ended() or self._taker.wait(max(0.0, deadline - time.monotonic()))
                      or self._taker.cancel())
            number = self._running
            self._counters.put("snapshot_running", 0)
        if result is not None:
            # Nobody journals its hash any more: it is a good snapshot without a recorded one.
            self._done(number, result)
        if isinstance(result, SnapshotInfo):
            self._report(f"snapshot of sequence {result.sequence} in {result.path}")
        for _, say in self._askers.values():
            say({"ok": False, "error": "the service stopped before the snapshot was taken"})
        self._askers.clear()

