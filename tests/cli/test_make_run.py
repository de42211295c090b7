"""`make run`, and the demo in a real terminal: how both end, and that nobody is left behind.

The checkout is made of links to this one's: only make's own part and the state are its own.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import LONG_S, OUTSIDE, PROCESSOR, ROOT, Command, child_of, gone
from tests.cli.test_demo import newest_snapshot


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A Makefile beside links to everything that is built, so that `state/` is its own."""
    made = tmp_path / "checkout"
    made.mkdir()
    for name in ("ext", "processor", "setup.py", "pyproject.toml", ".venv"):
        (made / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Makefile", made)
    yield made


MAKE = ("make", "-o", "build", "run")


def test_make_run_stops_by_itself_and_keeps_its_state_in_the_checkout(checkout: Path) -> None:
    with Command("ARGS=--for 1 --rate 5000", command=MAKE, cwd=checkout) as make:
        assert make.join() == 0
    assert "the state is in state/exchange" in make.lines[-1]
    assert newest_snapshot(checkout / "state" / "exchange") == 5_002


def test_sigterm_to_make_ends_the_demo_orderly(checkout: Path) -> None:
    with Command("ARGS=--rate 5000", command=MAKE, cwd=checkout) as make:
        make.wait_for("events/s")
        make.signal(signal.SIGTERM)
        make.join()
    assert any("the state is in state/exchange" in line for line in make.lines) and "Traceback" not in make.text


def test_when_make_is_killed_the_demo_ends_orderly_and_nobody_is_left(checkout: Path) -> None:
    with Command("ARGS=--rate 5000", command=MAKE, cwd=checkout) as make:
        make.wait_for("events/s")
        service = child_of(make.process.pid)
        client = child_of(service)
        make.signal(signal.SIGKILL)
        assert gone(service) and gone(client)
        make.join()
    assert "the state is in state/exchange" in make.lines[-1] and "Traceback" not in make.text


def test_in_a_terminal_recovery_shows_a_bar_and_ctrl_c_ends_it_orderly(tmp_path: Path) -> None:
    demo = ("demo", "exchange", "--state", str(tmp_path / "state"))
    # Enough to be replayed that it takes more than one turn.
    with Command(*demo, "--rate", 0, "--snapshot-every", 0, "--json") as crashed:
        crashed.wait_for(lambda line: line.startswith("{") and json.loads(line)["sequence"] > 500_000)
        crashed.signal(signal.SIGKILL, group=True)
        crashed.join()
    with terminal([*PROCESSOR, *demo, "--rate", "5000"]) as (process, read_until):
        recovery = read_until(b"listening on")
        assert "recovering:" in recovery and "events=" in recovery
        # The bar is gone when something is said.
        assert re.search(r"(^|[\r\n])recovered \d+ events from the first event", recovery)
        read_until(b"events/s")
        os.write(read_until.master, b"\x03")
        text = read_until(None)
        assert process.wait(LONG_S) == 0
    assert "the state is in" in text and "fed " in text and "Traceback" not in text
    assert f"snapshot of sequence {newest_snapshot(tmp_path / 'state')}" in text


def test_ctrl_c_in_a_terminal_that_runs_make_ends_it_orderly(checkout: Path) -> None:
    make = [str(shutil.which("make")), *MAKE[1:], "ARGS=--rate 5000"]
    with terminal(make, checkout) as (process, read_until):
        read_until(b"events/s")
        os.write(read_until.master, b"\x03")
        text = read_until(None)
        process.wait(LONG_S)
    assert "the state is in state/exchange" in text and "fed " in text and "Traceback" not in text


class Reader:
    """Reads a terminal until something has been shown, or its end."""

    def __init__(self, master: int) -> None:
        self.master = master

    def __call__(self, wanted: bytes | None) -> str:
        shown = b""
        while wanted is None or wanted not in shown:
            assert select.select([self.master], [], [], LONG_S)[0], f"only this was shown: {shown!r}"
            try:
                data = os.read(self.master, 65_536)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                data = b""
            if not data:
                assert wanted is None, f"only this was shown: {shown!r}"
                break
            shown += data
        return shown.decode(errors="replace")


@contextlib.contextmanager
def terminal(command: list[str], cwd: Path = ROOT) -> Iterator[tuple[subprocess.Popen[bytes], Reader]]:
    """The command as the foreground job of a terminal of its own."""
    master, slave = pty.openpty()
    take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", take, *command], stdin=slave, stdout=slave, stderr=slave, cwd=cwd, start_new_session=True,
        env=OUTSIDE,
    )
    os.close(slave)
    try:
        yield process, Reader(master)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)
