"""A taker without descriptors, looked at late, or with a child that hangs: told, and the next snapshot is taken."""

from __future__ import annotations

import os
import resource
import signal
import time
import types

import pytest

from processor.config import Config
from processor.errors import WrongUse
from processor.snapshot import file as snapshot_file
from processor.snapshot import taker as snapshot_taker
from processor.snapshot.file import read_snapshot
from processor.snapshot.layout import SnapshotInfo
from processor.snapshot.taker import SnapshotFailure, Taker
from tests.test_snapshot_taker import Bank, Gate, gate, meta, no_sessions, ready, taker

__all__ = ["gate", "taker"]     # fixtures


def test_no_descriptors_for_a_pipe_is_told_like_any_other_failure(taker: Taker) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert taker.start(meta(2), Bank(), no_sessions)
        assert not taker.start(meta(3), Bank(), no_sessions)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert taker.busy and taker.child_pid is None and ready(taker)
    result = taker.poll()
    assert isinstance(result, SnapshotFailure) and result.sequence == 2
    assert "Too many open files" in result.error and "ulimit -n" in result.error
    assert not taker.busy and not ready(taker)
    assert taker.start(meta(3), Bank(), no_sessions)
    assert isinstance(taker.wait(), SnapshotInfo)


def test_the_descriptor_is_the_same_for_all_children_and_readable_when_one_is_done(taker: Taker, gate: Gate) -> None:
    descriptor = taker.fileno()
    for sequence in (1, 2):
        assert taker.start(meta(sequence), Bank(), lambda: gate.stop() or b"")
        gate.reached()
        assert taker.fileno() == descriptor and not ready(taker)
        gate.release()
        assert ready(taker, timeout_s=60)
        assert isinstance(taker.wait(), SnapshotInfo)


def test_the_seconds_are_those_of_the_child_however_late_the_parent_looks(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taker.start(meta(1), Bank(), no_sessions)
    assert ready(taker, timeout_s=60)
    late = types.SimpleNamespace(perf_counter=lambda: time.perf_counter() + 1000, monotonic=time.monotonic)
    monkeypatch.setattr(snapshot_taker, "time", late)
    result = taker.wait()
    assert isinstance(result, SnapshotInfo)
    assert read_snapshot(result.path).info.seconds < result.seconds < 1000


def test_a_child_that_hangs_can_be_killed_with_a_reason_and_leaves_nothing(
    taker: Taker, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taker.running_s == 0
    with monkeypatch.context() as patched:
        patched.setattr(snapshot_file.os, "replace", gate.before(os.replace))
        assert taker.start(meta(1), Bank(), no_sessions)
        os.kill(gate.reached(), signal.SIGSTOP)
        assert taker.running_s > 0 and len(os.listdir(taker.store.directory)) == 1
        taker.kill("it hung")
        result = taker.wait()
    assert isinstance(result, SnapshotFailure) and result.error.endswith(": it hung")
    assert os.listdir(taker.store.directory) == []


def test_a_time_limit_of_nothing_is_refused() -> None:
    with pytest.raises(WrongUse, match="snapshot_timeout_s is more than 0 seconds, not 0"):
        Config(snapshot_timeout_s=0)
