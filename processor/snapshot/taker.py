"""Taking a snapshot without stopping the world: a forked child writes what the memory held at the moment of the fork.

The parent is told through a pipe: one line of JSON, then its end. A child that ends without a line has failed.

The child dies with the *thread* that forked it (that is how Linux counts parents): the business logic's thread waits
for a running snapshot, or cancels it, before it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from processor.errors import ProcessorError, SnapshotError
from processor.snapshot.layout import SnapshotInfo, SnapshotMeta
from processor.snapshot.store import SnapshotStore
from processor.wakeup import Wakeup

PR_SET_PDEATHSIG = 1
ERROR_CHARACTERS = 3000  # a line shorter than PIPE_BUF is written whole
NOT_FOR_CHILD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # sent to whole groups; the parent says what they mean
_prctl = ctypes.CDLL(None).prctl  # before any fork: the child loads nothing
_prctl.argtypes = [ctypes.c_int, *4 * [ctypes.c_ulong]]


@dataclass(frozen=True)
class SnapshotFailure:
    """Why a snapshot was not taken. The service goes on, with the snapshots it has."""

    sequence: int
    error: str
    seconds: float


@dataclass
class _Running:
    pid: int
    read_fd: int
    started: float
    fork_seconds: float
    meta: SnapshotMeta
    keep: str | None
    line: bytes = b""
    killed: str = ""  # why we killed it


class Taker:
    """Takes snapshots into a store, at most one at a time.

    Thread safety: `start` and `take_in_process` belong to the thread that changes the state; poll, wait and cancel to
    one thread, that one or another.
    """

    def __init__(self, store: SnapshotStore) -> None:
        self.store = store
        self.skipped = 0  # triggers that came while one was being taken
        self.fork_seconds_max = 0.0
        self._running: _Running | None = None
        self._failed: SnapshotFailure | None = None  # one that never became a child
        self._told = Wakeup()
        # Of one descriptor for all children: whoever waits registers it once, while their pipes come and go.
        self._ready = select.epoll()
        self._ready.register(self._told, select.EPOLLIN)

    @property
    def busy(self) -> bool:
        return self._running is not None or self._failed is not None

    @property
    def running_s(self) -> float:
        """Seconds since the one being taken was begun; 0.0 when none is."""
        return time.perf_counter() - self._running.started if self._running else 0.0

    @property
    def child_pid(self) -> int | None:
        """The process that is writing at the moment."""
        return self._running.pid if self._running else None

    def fileno(self) -> int:
        """A descriptor, always the same, that is readable when poll() has something to say."""
        return self._ready.fileno()

    def start(
        self,
        meta: SnapshotMeta,
        state: Any,
        export_sessions: Callable[[], bytes],
        *,
        timers: bytes = b"",
        quarantine: Sequence[int] = (),
        keep: str | None = None,
    ) -> bool:
        """Forks a child that writes the state as it is now. False: one is being taken already, this trigger is skipped.

        `export_sessions` is called in the child. A fork that fails is told by poll, as every other failure.
        """
        if self.busy:
            self.skipped += 1
            return False
        started = time.perf_counter()
        try:
            read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            self._fail(meta, started, f"cannot make a pipe: {error.strerror}: raise the limit of open files (ulimit -n)")
            return True
        parent = os.getpid()
        # A signal that became an exception in the child before it has its own handlers would make it a second service.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = 0
        try:
            self._ready.register(read_fd, select.EPOLLIN)
            pid = _fork()
            if pid == 0:
                write = functools.partial(self.store.write, timers=timers, quarantine=quarantine, keep=keep)
                _in_child(lambda: write(meta, state, export_sessions()), parent, write_fd)
        except OSError as error:
            os.close(read_fd)
            reason = f"cannot fork: {error.strerror}: there is no memory or room for another process; close others"
            self._fail(meta, started, reason)
            return True
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(write_fd)
        fork_seconds = time.perf_counter() - started
        self.fork_seconds_max = max(self.fork_seconds_max, fork_seconds)
        self._running = _Running(pid, read_fd, started, fork_seconds, meta, keep)
        return True

    def _fail(self, meta: SnapshotMeta, started: float, reason: str) -> None:
        error = f"{reason}; the snapshots taken before stay in use"
        self._failed = SnapshotFailure(meta.sequence, error, time.perf_counter() - started)
        self._told.set()

    def poll(self) -> SnapshotInfo | SnapshotFailure | None:
        """What became of the one being taken; None: still running, or none is. Never waits. Reaps the child."""
        failed, self._failed = self._failed, None
        if failed is not None:
            self._told.clear()
            return failed
        running = self._running
        if running is None:
            return None
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(running.read_fd, 65536):
                running.line += piece
            return self._ended(running)
        return None

    def wait(self, timeout_s: float | None = None) -> SnapshotInfo | SnapshotFailure | None:
        """As poll, but waits for the child (at most timeout_s)."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.busy:
            left_s = None if deadline is None else max(0, deadline - time.monotonic())
            if not self._ready.poll(left_s):
                return None
            result = self.poll()
            if result is not None:
                return result
        return None

    def kill(self, reason: str) -> None:
        """Kills the child, if one is running; poll tells its end, with this reason."""
        if self._running is not None:
            self._running.killed = reason
            with contextlib.suppress(ProcessLookupError):  # ended by itself, and reaped by the kernel
                os.kill(self._running.pid, signal.SIGKILL)

    def cancel(self) -> SnapshotInfo | SnapshotFailure | None:
        """Kills the child, if one is running, and returns what became of its snapshot; what it left is removed."""
        self.kill("it was given up before it was written; those before it are untouched")
        return self.wait()

    def take_in_process(
        self,
        meta: SnapshotMeta,
        state: Any,
        sessions: bytes,
        *,
        timers: bytes = b"",
        quarantine: Sequence[int] = (),
        keep: str | None = None,
    ) -> SnapshotInfo:
        """Writes one here and now, as at shutdown; raises SnapshotError or OverflowError."""
        return self.store.write(meta, state, sessions, timers=timers, quarantine=quarantine, keep=keep)

    def _ended(self, running: _Running) -> SnapshotInfo | SnapshotFailure:
        self._running = None
        self._ready.unregister(running.read_fd)
        os.close(running.read_fd)
        status = 0
        with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored the kernel has reaped it
            status = os.waitpid(running.pid, 0)[1]
        try:
            said = json.loads(running.line)
        except ValueError:
            code = os.waitstatus_to_exitcode(status)
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            error = f"the process that wrote the snapshot {how}; those before it are untouched"
            return self._swept(running, f"{self.store.directory}: {running.killed or error}")
        # When it was written, and not when we came to look: the clock is one for all processes.
        seconds = said["ended"] - running.started
        if not said["ok"]:
            return SnapshotFailure(running.meta.sequence, said["error"], seconds)
        return SnapshotInfo(
            path=Path(said["path"]),
            meta=running.meta,
            state_hash=bytes.fromhex(said["state_hash"]),
            sessions_hash=int(said["sessions_hash"], 16),
            bytes=said["bytes"],
            seconds=seconds,
            kept=running.keep,
            fork_seconds=running.fork_seconds,
        )

    def _swept(self, running: _Running, error: str) -> SnapshotFailure:
        """The failure of a child that was killed, what it left removed: killed one after the other, they fill the disk."""
        try:
            self.store.open()
        except SnapshotError as trouble:
            error = f"{error}; what it left cannot be removed: {trouble}"
        return SnapshotFailure(running.meta.sequence, error, time.perf_counter() - running.started)


def _fork() -> int:
    """os.fork, without the warning about threads of Python 3.12: the child starts none and takes no lock of theirs."""
    if sys.version_info >= (3, 12):
        module = __name__.replace(".", r"\.")
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning, module)
    return os.fork()


def _in_child(take: Callable[[], SnapshotInfo], parent: int, write_fd: int) -> NoReturn:
    """All that the child does. It returns to nobody: no exception, exit handler or buffered output leaves it."""
    code = 1
    try:
        gc.disable()
        gc.freeze()
        _die_with(parent)
        _drop_signals()
        _close_all_but(write_fd)
        said = {"ok": True, **take().summary()}
        code = 0
    except (ProcessorError, OverflowError) as error:
        said = {"ok": False, "error": str(error)}
    except BaseException as error:  # told to the parent, whatever it is
        said = {"ok": False, "error": f"cannot take the snapshot: {type(error).__name__}: {error}"}
    finally:
        try:
            _report(write_fd, said)
        finally:
            os._exit(code)


def _die_with(parent: int) -> None:
    """SIGKILL when the parent dies; and at once, if it has died before this was asked for."""
    if _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
        os._exit(1)


def _drop_signals() -> None:
    """The parent's handlers are not ours."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for number in NOT_FOR_CHILD:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_all_but(write_fd: int) -> None:
    """Sockets, journals and locks belong to the parent alone; the standard three become /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    os.closerange(3, write_fd)
    os.closerange(write_fd + 1, highest + 1)


def _report(write_fd: int, said: dict[str, Any]) -> None:
    if "error" in said:
        said["error"] = said["error"][:ERROR_CHARACTERS]
    os.write(write_fd, json.dumps({**said, "ended": time.perf_counter()}).encode() + b"\n")
