"""`processor demo exchange`: real processes, real signals; nobody is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from processor.cli.demo import FeedingClient
from processor.cli.feed import stop_asked
from processor.counters import Counters
from processor.snapshot.store import SnapshotStore
from tests.cli.commands import LONG_S, Command, child_of, gone, processor

RATE = ("--rate", "5000")
RECOVERED = re.compile(r"recovered (\d+) events from snapshot (\d+) in [0-9.]+ s")


@pytest.fixture
def demo(tmp_path: Path) -> tuple[str, ...]:
    return ("demo", "exchange", "--state", str(tmp_path / "state"), *RATE)


def newest_snapshot(state: Path) -> int:
    return next(found.sequence for found in SnapshotStore(state / "snapshots").files() if found.good)


def ended_well(command: Command, state: Path) -> None:
    """Orderly: the client's summary, everything answered, a snapshot, and where the state is."""
    summary = next(line for line in command.lines if line.startswith("fed "))
    last = command.lines[-1]
    assert "unanswered" not in summary and "Traceback" not in command.text and "Error" not in command.text
    assert f"snapshot of sequence {newest_snapshot(state)}; the state is in {state}" in last
    assert not (state / "socket").exists()


def test_it_stops_by_itself_and_the_second_run_recovers_and_goes_on(demo: tuple[str, ...], tmp_path: Path) -> None:
    done = processor(*demo, "--for", 1.5, "--json")
    assert done.returncode == 0, done.stderr
    *lines, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines and summary["events"] == 7_500 and summary["unanswered"] == 0
    first = newest_snapshot(tmp_path / "state")
    assert f"snapshot of sequence {first}; the state is in {tmp_path / 'state'}" in done.stderr
    assert first == 7_502       # the session's opening, the events, and the snapshot itself
    again = processor(*demo, "--for", 0.5, "--json")
    found = RECOVERED.search(again.stderr)
    assert again.returncode == 0 and found is not None and int(found[2]) == first
    assert json.loads(again.stdout.splitlines()[-1])["sequence"] > first


@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, True),
                                               (signal.SIGTERM, False)])  # fmt: skip
def test_a_signal_to_it_or_to_its_group_ends_it_orderly(
    demo: tuple[str, ...], tmp_path: Path, number: int, group: bool
) -> None:
    with Command(*demo) as running:
        running.wait_for("events/s")
        running.signal(number, group=group)
        assert running.join() == 0
    ended_well(running, tmp_path / "state")


def test_a_signal_before_anything_is_fed_ends_it_without_a_traceback(demo: tuple[str, ...]) -> None:
    with Command(*demo) as running:
        running.wait_for("listening on")
        running.signal(signal.SIGINT, group=True)
        assert running.join() == 0
    assert "Traceback" not in running.text and "the state is in" in running.lines[-1]


def test_signals_wait_for_the_client_until_it_can_take_them() -> None:
    script = "import signal, sys; sys.exit(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())) != [2, 15])"
    ended = threading.Event()
    client = FeedingClient([sys.executable, "-c", script], ended.set)
    client.start()
    assert ended.wait(LONG_S) and client.failure == "" and not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    client.close()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        with stop_asked() as stop:
            assert stop.is_set() and not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_client_that_is_asked_before_it_is_started_is_not_started() -> None:
    ended = threading.Event()
    client = FeedingClient(["/no/such/program"], ended.set)
    client.ask()
    client.start()
    client.close()
    assert ended.is_set() and client.failure == ""


def test_a_client_that_is_asked_while_it_is_started_ends_before_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import signal; signal.sigwait([signal.SIGTERM])"
    ended = threading.Event()
    client = FeedingClient([sys.executable, "-c", script], ended.set)
    start = subprocess.Popen

    def asked_meanwhile(*words: Any, **how: Any) -> Any:
        client.ask()
        assert not ended.is_set()
        return start(*words, **how)

    monkeypatch.setattr(subprocess, "Popen", asked_meanwhile)
    client.start()
    assert ended.wait(LONG_S) and client.failure == ""
    client.close()


def test_a_client_that_cannot_be_started_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    ended = threading.Event()
    client = FeedingClient(["/no/such/program"], ended.set)
    client.start()
    client.close()
    assert ended.is_set() and "cannot be started" in client.failure and client.failure in capsys.readouterr().err


def test_a_client_that_is_killed_ends_it_orderly_with_exit_code_3(demo: tuple[str, ...], tmp_path: Path) -> None:
    with Command(*demo) as running:
        running.wait_for("events/s")
        os.kill(child_of(running.process.pid), signal.SIGKILL)
        assert running.join() == 3
    assert "the client that feeds the exchange was killed by SIGKILL: stopping" in running.text
    assert f"snapshot of sequence {newest_snapshot(tmp_path / 'state')}" in running.lines[-1]


def test_when_it_is_killed_its_client_ends_too_and_the_next_run_recovers(demo: tuple[str, ...], tmp_path: Path) -> None:
    with Command(*demo, "--snapshot-every", 2_000) as running:
        client = child_of(running.process.pid)
        running.wait_for(lambda line: "last snapshot" in line and "last snapshot none" not in line)
        os.kill(running.process.pid, signal.SIGKILL)
        assert running.join() == -signal.SIGKILL
        assert gone(client) and "Traceback" not in running.text
    done = processor(*demo, "--for", 0.3)
    found = RECOVERED.search(done.stderr)
    assert done.returncode == 0 and found is not None and int(found[2]) >= 2_000


def test_a_second_one_is_refused_and_the_first_one_does_not_notice(demo: tuple[str, ...], tmp_path: Path) -> None:
    page = tmp_path / "state" / "snapshots" / "counters"
    with Command(*demo) as first:
        first.wait_for("events/s")
        inode = page.stat().st_ino
        second = processor(*demo)
        assert second.returncode == 3 and second.stdout == ""
        assert "is in use: another service listens there" in second.stderr
        place = ("--journal", f"embedded:{tmp_path}/state/journal", "--snapshots", page.parent)
        other_socket = processor("run", "processor.apps.exchange:app", "--listen", f"unix:{tmp_path}/other", *place)
        assert other_socket.returncode == 3
        assert f"process {first.process.pid} writes to this journal" in other_socket.stderr
        assert page.stat().st_ino == inode and Counters.read(str(page))["pid"] == first.process.pid
        seen = len(first.lines)
        first.wait_for(lambda line: line in first.lines[seen:] and "events/s" in line)
        first.signal(signal.SIGINT, group=True)
        assert first.join() == 0
    ended_well(first, tmp_path / "state")


def test_a_path_that_is_too_long_for_a_socket_has_it_in_a_temporary_directory(tmp_path: Path) -> None:
    state = tmp_path / ("deep" * 20) / ("deeper" * 10)
    words = ("demo", "exchange", "--state", state, *RATE)
    with Command(*words) as running:
        told = running.wait_for("listening on unix:")
        socket = Path(told.partition("unix:")[2])
        running.wait_for("events/s")
        assert len(str(state)) > 107 > len(str(socket)) and socket.is_socket()
        second = processor(*words)
        assert second.returncode == 3 and "writes to this journal" in second.stderr
        running.signal(signal.SIGTERM)
        assert running.join() == 0
    assert not socket.parent.exists()
    ended_well(running, state)


def test_a_state_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = processor("demo", "exchange", "--state", tmp_path / "file" / "state")
    assert done.returncode == 3 and "Not a directory" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("--for", "-1"), ("--rate", "-5"), ("--seed", "-1"), ("--rate", "much")])
def test_wrong_use_is_told(words: tuple[str, ...], demo: tuple[str, ...]) -> None:
    done = processor(*demo, *words)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "listening" not in done.stderr


def test_the_console_script_is_the_same_command() -> None:
    script = Path(sys.executable).with_name("processor")
    done = subprocess.run([script, "demo", "--help"], capture_output=True, text=True, check=False, timeout=LONG_S)
    assert done.returncode == 0 and done.stdout == processor("demo", "--help").stdout
    assert "6.4 MB a second" in done.stdout and "examples:" in done.stdout and "exit codes:" in done.stdout
    everything = processor("--help").stdout
    assert all(name in everything for name in ("run", "feed", "journal", "snapshot", "ossandme", "demo"))
