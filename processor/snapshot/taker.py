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

from processor.errors import ProcessorError
from processor.snapshot.layout import SnapshotInfo, SnapshotMeta
from processor.snapshot.store import SnapshotStore

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
    pid: int  # 0: the fork itself failed
    read_fd: int
    started: float
    fork_seconds: float
    meta: SnapshotMeta
    keep: str | None
    line: bytes = b""


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

    @property
    def busy(self) -> bool:
        return self._running is not None

    @property
    def child_pid(self) -> int | None:
        """The process that is writing at the moment."""
        return self._running.pid or None if self._running else None

    def fileno(self) -> int:
        """A descriptor that is readable when poll() has something to say; -1 when none is being taken."""
        return self._running.read_fd if self._running else -1

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
        if self._running is not None:
            self.skipped += 1
            return False
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        parent = os.getpid()
        started = time.perf_counter()
        # A signal that became an exception in the child before it has its own handlers would make it a second service.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = 0
        try:
            pid = _fork()
            if pid == 0:
                write = functools.partial(self.store.write, timers=timers, quarantine=quarantine, keep=keep)
                _in_child(lambda: write(meta, state, export_sessions()), parent, write_fd)
        except OSError as error:
            reason = f"cannot fork: {error.strerror}: there is no memory or room for another process; close others"
            _report(write_fd, {"ok": False, "error": f"{reason}; the snapshots taken before stay in use"})
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        fork_seconds = time.perf_counter() - started
        os.close(write_fd)
        self.fork_seconds_max = max(self.fork_seconds_max, fork_seconds)
        self._running = _Running(pid, read_fd, started, fork_seconds, meta, keep)
        return True

    def poll(self) -> SnapshotInfo | SnapshotFailure | None:
        """What became of the one being taken; None: still running, or none is. Never waits. Reaps the child."""
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
        while self._running is not None:
            left_ms = None if deadline is None else max(0, deadline - time.monotonic()) * 1000
            waiter = select.poll()
            waiter.register(self._running.read_fd, select.POLLIN)
            if not waiter.poll(left_ms):
                return None
            result = self.poll()
            if result is not None:
                return result
        return None

    def cancel(self) -> SnapshotInfo | SnapshotFailure | None:
        """Kills the child, if one is running, and returns what became of its snapshot; what it left is removed."""
        if self._running is None:
            return None
        if self._running.pid:
            os.kill(self._running.pid, signal.SIGKILL)
        result = self.wait()
        self.store.open()
        return result

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
        os.close(running.read_fd)
        status = 0
        if running.pid:
            with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored the kernel has reaped it
                status = os.waitpid(running.pid, 0)[1]
        seconds = time.perf_counter() - running.started
        try:
            said = json.loads(running.line)
        except ValueError:
            code = os.waitstatus_to_exitcode(status)
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            error = f"{self.store.directory}: the process that wrote the snapshot {how}; those before it are untouched"
            return SnapshotFailure(running.meta.sequence, error, seconds)
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
    os.write(write_fd, json.dumps(said).encode() + b"\n")
