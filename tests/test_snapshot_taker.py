"""Snapshots by a forked child: it sees the old state, touches nothing of the parent's, and may die at any moment."""

import ctypes
import errno
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processor.snapshot import file as snapshot_file
from processor.snapshot import taker as snapshot_taker
from processor.snapshot.file import read_snapshot
from processor.snapshot.layout import SnapshotInfo, SnapshotMeta
from processor.snapshot.state import state_hash
from processor.snapshot.store import SnapshotStore
from processor.snapshot.taker import SnapshotFailure, Taker


@dataclass
class Bank:
    balances: dict[int, int] = field(default_factory=dict)
    table: np.ndarray = field(default_factory=lambda: np.zeros(2, "i8"))


def meta(sequence: int) -> SnapshotMeta:
    return SnapshotMeta(
        application="bank", application_version="1", fingerprint=5, schema="{}", journal_id=7,
        journal_url="memory:", partition=0, position=sequence * 10, next_sequence=sequence + 1, epoch_offset=0,
        epoch_writer=7,
        last_block_offset=0, last_block_checksum=1, timestamp=1, created=2,
    )  # fmt: skip


class Gate:

    """Holds a child at a moment: `stop` in the child tells and waits; `reached` and `release` are for the parent."""

    def __init__(self, directory: Path) -> None:
        self.parent = os.getpid()
        self.here, self.go = directory / "here", directory / "go"
        os.mkfifo(self.here)
        os.mkfifo(self.go)

    def stop(self) -> None:
        if os.getpid() != self.parent:
            self.here.write_text(str(os.getpid()))
            self.go.read_text()

    def reached(self) -> int:
        return int(self.here.read_text())

    def release(self) -> None:
        self.go.write_text("go")

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stopped(*arguments: Any, **named: Any) -> Any:
            self.stop()
            return function(*arguments, **named)

        return stopped


@pytest.fixture
def taker(tmp_path: Path) -> Taker:
    made = Taker(SnapshotStore(tmp_path / "snapshots"))
    made.store.open()
    return made


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def no_sessions() -> bytes:
    return b"none"


def test_a_child_writes_what_the_parent_would(taker: Taker) -> None:
    state = Bank({3: 1, 1: 2}, np.arange(1000))
    assert taker.start(meta(5), state, lambda: b"sessions", keep="mine")
    child = taker.child_pid
    assert child and taker.busy
    result = taker.wait()
    assert isinstance(result, SnapshotInfo), result
    assert result.meta == meta(5) and result.kept == "mine"
    assert result.fork_seconds > 0
    snapshot = read_snapshot(result.path)
    assert bytes(snapshot.sessions) == b"sessions"
    assert (snapshot.info.state_hash, snapshot.info.sessions_hash) == (result.state_hash, result.sessions_hash)
    assert result.state_hash == state_hash(state) and result.bytes == result.path.stat().st_size
    assert list(snapshot.load_state(Bank).balances) == [3, 1]
    assert not taker.busy and not ready(taker) and taker.poll() is None and taker.wait() is None
    assert_gone(child)
    taken = taker.take_in_process(meta(5), state, b"sessions")
    assert taken.state_hash == result.state_hash and not taken.kept


def ready(taker: Taker, timeout_s: float = 0) -> bool:
    return bool(select.select([taker.fileno()], [], [], timeout_s)[0])


def assert_gone(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_snapshot_holds_the_state_of_the_fork_whatever_the_parent_does_after_it(taker: Taker, gate: Gate) -> None:
    state = Bank({number: number for number in range(10_000)}, np.arange(1 << 20))
    before = state_hash(state)

    def sessions() -> bytes:
        gate.stop()
        return b"old"

    assert taker.start(meta(5), state, sessions)
    assert gate.reached() == taker.child_pid
    state.table[:] = -1
    state.balances.clear()
    assert taker.poll() is None and taker.wait(0) is None
    gate.release()
    result = taker.wait()
    assert isinstance(result, SnapshotInfo) and result.state_hash == before != state_hash(state)
    back = read_snapshot(result.path).load_state(Bank)
    assert len(back.balances) == 10_000 and (back.table == np.arange(1 << 20)).all()


def test_a_trigger_while_one_is_being_taken_is_skipped_and_counted(taker: Taker, gate: Gate) -> None:
    assert taker.start(meta(1), Bank(), lambda: gate.stop() or b"")
    gate.reached()
    assert not taker.start(meta(2), Bank(), no_sessions)
    assert not taker.start(meta(3), Bank(), no_sessions)
    assert taker.skipped == 2
    gate.release()
    assert isinstance(taker.wait(), SnapshotInfo)
    assert taker.start(meta(4), Bank(), no_sessions)
    assert isinstance(taker.wait(), SnapshotInfo)
    assert [found.sequence for found in taker.store.files()] == [4, 1]


@pytest.mark.parametrize("moment", ["posix_fallocate", "write", "fsync", "replace", "sync_directory"])
def test_a_child_killed_at_any_moment_leaves_a_usable_directory(
    taker: Taker, gate: Gate, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    taker.take_in_process(meta(1), Bank({1: 1}), b"")
    owner = snapshot_file if moment == "sync_directory" else snapshot_file.os
    with monkeypatch.context() as patched:
        patched.setattr(owner, moment, gate.before(getattr(owner, moment)))
        assert taker.start(meta(2), Bank({2: 2}), no_sessions)
        child = gate.reached()
        temporary = list(taker.store.directory.glob(".*.tmp"))
        assert len(temporary) == (0 if moment == "sync_directory" else 1)
        assert taker.store.open() == [], "removed what a living child writes"
        os.kill(child, signal.SIGKILL)
        result = taker.wait()
    assert isinstance(result, SnapshotFailure) and "was killed by SIGKILL" in result.error and result.sequence == 2
    assert_gone(child)
    assert not temporary or not temporary[0].exists(), "what the killed child left stays"
    assert taker.store.open() == []
    snapshot = taker.store.newest_good(7)
    assert snapshot is not None
    assert snapshot.info.sequence == (2 if moment == "sync_directory" else 1)
    assert taker.start(meta(3), Bank({3: 3}), no_sessions)
    assert isinstance(taker.wait(), SnapshotInfo)


def test_cancel_kills_the_child_and_removes_what_it_left(
    taker: Taker, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taker.cancel() is None
    with monkeypatch.context() as patched:
        patched.setattr(snapshot_file.os, "fsync", gate.before(os.fsync))
        assert taker.start(meta(2), Bank(), no_sessions)
        child = gate.reached()
        assert isinstance(taker.cancel(), SnapshotFailure)
    assert_gone(child)
    assert os.listdir(taker.store.directory) == []


PARENT = """
import os, sys, threading
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_snapshot_taker import Bank, Gate, meta, Taker, SnapshotStore, snapshot_file
directory = Path({directory!r})
gate = Gate.__new__(Gate)
gate.parent, gate.here, gate.go = os.getpid(), directory / "here", directory / "go"
{hold}
taker = Taker(SnapshotStore(directory / "snapshots"))
def run():
    taker.start(meta(2), Bank({{2: 2}}), {sessions})
    {after}
{how}
threading.Event().wait()
"""
HOLDS = {
    "before it begins": ("", "lambda: gate.stop() or b''"),
    "before it is synced": ("snapshot_file.os.fsync = gate.before(os.fsync)", "bytes"),
    "before it is named": ("snapshot_file.os.replace = gate.before(os.replace)", "bytes"),
}


def watched_child(gate: Gate, tmp_path: Path, hold: str, sessions: str, how: str, after: str) -> tuple[Any, int]:
    """A parent process whose child is at its moment, and a descriptor that is readable when that child has died."""
    text = PARENT.format(
        tests=str(Path(__file__).parent), directory=str(tmp_path), hold=hold, sessions=sessions, how=how, after=after
    )
    parent = subprocess.Popen([sys.executable, "-c", text])
    return parent, os.pidfd_open(gate.reached())


def ends_within_10_s(descriptor: int) -> bool:
    waiter = select.poll()
    waiter.register(descriptor, select.POLLIN)
    try:
        return bool(waiter.poll(10_000))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("moment", HOLDS)
def test_the_child_dies_with_a_killed_parent(tmp_path: Path, gate: Gate, moment: str) -> None:
    store = SnapshotStore(tmp_path / "snapshots")
    store.open()
    store.write(meta(1), Bank({1: 1}), b"")
    parent, child = watched_child(gate, tmp_path, *HOLDS[moment], how="run()", after="")
    os.kill(parent.pid, signal.SIGKILL)
    assert parent.wait() == -signal.SIGKILL
    assert ends_within_10_s(child)
    store.open()
    assert [name for name in os.listdir(store.directory)] == ["snapshot-00000000000000000001.snap"]
    snapshot = store.newest_good(7)
    assert snapshot is not None and snapshot.info.sequence == 1


def test_the_child_dies_with_the_thread_that_forked_it(tmp_path: Path, gate: Gate) -> None:
    """As Linux has it; so the business logic's thread waits for the child before it ends."""
    SnapshotStore(tmp_path / "snapshots").open()
    after = f"Path({str(tmp_path / 'end')!r}).read_text()"
    os.mkfifo(tmp_path / "end")
    hold, sessions = HOLDS["before it begins"]
    parent, child = watched_child(gate, tmp_path, hold, sessions, "threading.Thread(target=run).start()", after)
    (tmp_path / "end").write_text("now")
    assert ends_within_10_s(child)
    parent.kill()
    parent.wait()


def test_a_child_whose_parent_is_gone_before_it_began_ends_at_once(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_taker.os, "getppid", lambda: 1)
    assert taker.start(meta(1), Bank(), no_sessions)
    result = taker.wait()
    assert isinstance(result, SnapshotFailure) and "ended with exit code 1" in result.error
    assert taker.store.files() == []


def test_the_child_has_no_descriptor_of_the_parents(taker: Taker, tmp_path: Path) -> None:
    def descriptors() -> bytes:
        links = []
        for name in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{name}"))
            except FileNotFoundError:
                links.append("this listing's own")
        return json.dumps(sorted(links)).encode()

    with socket.socketpair()[0], (tmp_path / "open").open("w"), select.epoll():
        assert taker.start(meta(1), Bank(), descriptors)
        result = taker.wait()
    assert isinstance(result, SnapshotInfo), result
    found = json.loads(bytes(read_snapshot(result.path).sessions))
    assert found[:3] == ["/dev/null"] * 3 and found[3].startswith("pipe:") and found[4:] == ["this listing's own"]


def test_the_child_has_its_own_signal_handlers_and_the_parent_keeps_its_mask(taker: Taker) -> None:
    def signals() -> bytes:
        names = (signal.SIGUSR1, signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ)
        said = {number.name: str(signal.getsignal(number)) for number in names}
        return json.dumps({**said, "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))}).encode()

    old = signal.signal(signal.SIGUSR1, lambda *_: None)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        assert taker.start(meta(1), Bank(), signals)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask | {signal.SIGUSR2}
        result = taker.wait()
    finally:
        signal.signal(signal.SIGUSR1, old)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert isinstance(result, SnapshotInfo), result
    found = json.loads(bytes(read_snapshot(result.path).sessions))
    ignored, default = str(signal.SIG_IGN), str(signal.SIG_DFL)
    assert found == {"SIGUSR1": default, "SIGINT": ignored, "SIGTERM": ignored, "SIGXFSZ": ignored, "blocked": 0}


def test_nothing_of_the_parents_is_run_or_flushed_a_second_time(tmp_path: Path) -> None:
    program = """
import atexit, sys, threading
from test_snapshot_taker import Bank, meta, Taker, SnapshotStore
def end():
    with open(sys.argv[2], "a") as file:
        file.write("at exit ")
atexit.register(end)
print("buffered", end=" ")
taker = Taker(SnapshotStore(sys.argv[1])); taker.store.open()
held = threading.Lock(); held.acquire()
threading.Thread(target=held.acquire, daemon=True).start()
taker.start(meta(1), Bank(), lambda: print("from the child") or b"")
print(type(taker.wait()).__name__)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONWARNINGS": "error"}
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s"), str(tmp_path / "ends")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert (run.stdout, run.stderr, run.returncode) == ("buffered SnapshotInfo\n", "", 0)
    assert (tmp_path / "ends").read_text() == "at exit "


@pytest.mark.parametrize(
    ("state", "sessions", "error"),
    [
        (Bank({1: 2**63}), no_sessions, r"Bank.balances[1] is int"),
        (Bank({1: "x"}), no_sessions, r"Bank.balances[1] is declared int"),  # type: ignore[dict-item]
        (Bank(), lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (Bank(), lambda: sys.exit(3), "SystemExit: 3"),
    ],
)
def test_what_goes_wrong_in_the_child_is_told(taker: Taker, state: Bank, sessions: Any, error: str) -> None:
    assert taker.start(meta(9), state, sessions)
    result = taker.wait()
    assert isinstance(result, SnapshotFailure) and result.sequence == 9
    assert error in result.error
    assert os.listdir(taker.store.directory) == []


def test_a_child_that_crashes_is_told(taker: Taker) -> None:
    assert taker.start(meta(9), Bank(), lambda: ctypes.string_at(0))
    result = taker.wait()
    assert isinstance(result, SnapshotFailure) and "was killed by SIGSEGV" in result.error


def test_a_very_long_error_is_cut_to_what_the_pipe_takes_at_once(taker: Taker) -> None:
    def fail() -> bytes:
        raise ValueError("é" * 100_000)

    assert taker.start(meta(9), Bank(), fail)
    result = taker.wait()
    assert isinstance(result, SnapshotFailure) and "ValueError: éé" in result.error and len(result.error) < 4096


def test_a_disk_that_is_full_for_the_child_is_told(taker: Taker) -> None:
    taker.take_in_process(meta(1), Bank(), b"")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        assert taker.start(meta(2), Bank(table=np.ones(1 << 20)), no_sessions)
        result = taker.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(result, SnapshotFailure) and "File too large" in result.error and "make room" in result.error
    assert os.listdir(taker.store.directory) == ["snapshot-00000000000000000001.snap"]


def test_a_fork_that_fails_is_told_like_any_other_failure(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory() -> int:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr(snapshot_taker, "_fork", no_memory)
        assert taker.start(meta(2), Bank(), no_sessions)
        assert taker.busy and taker.child_pid is None and ready(taker)
        result = taker.poll()
    assert isinstance(result, SnapshotFailure) and "cannot fork: Cannot allocate memory" in result.error
    assert taker.start(meta(3), Bank(), no_sessions)
    assert isinstance(taker.wait(), SnapshotInfo)


def test_the_warning_of_later_pythons_about_threads_is_silenced_for_this_fork_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def warn() -> int:
        warnings.warn(
            "This process (pid=1) is multi-threaded, use of fork() may lead", DeprecationWarning, stacklevel=2
        )
        return 4711

    monkeypatch.setattr(snapshot_taker, "sys", types.SimpleNamespace(version_info=(3, 12)))
    monkeypatch.setattr(snapshot_taker.os, "fork", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert snapshot_taker._fork() == 4711
        with pytest.raises(DeprecationWarning):
            os.fork()


def test_a_child_is_reaped_even_when_the_kernel_does_it(taker: Taker) -> None:
    old = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert taker.start(meta(1), Bank(), no_sessions)
        assert isinstance(taker.wait(), SnapshotInfo)
    finally:
        signal.signal(signal.SIGCHLD, old)


def test_taking_works_while_other_threads_run(taker: Taker) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            json.loads(json.dumps({"a": [1, 2, 3]}))

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for sequence in range(1, 11):
            assert taker.start(meta(sequence), Bank({sequence: 1}), no_sessions)
            assert isinstance(taker.wait(), SnapshotInfo)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [found.sequence for found in taker.store.files()] == [10, 9, 8]
