"""The command `processor` as a process of its own: what it prints, line by line, and how it ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROCESSOR = (sys.executable, "-m", "processor")
LONG_S = 60.0
# As users have it: what is not flushed is not seen; and no make of theirs is a part of the one that may run these tests.
OUTSIDE = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")} | {
    "PYTHONUNBUFFERED": ""
}


def processor(*words: object, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        [*PROCESSOR, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LONG_S,
        check=False, cwd=ROOT, env={**OUTSIDE, **(environment or {})},
    )  # fmt: skip


class Command:
    """It while it runs, as the leader of a process group of its own; stdout and stderr in one stream of `lines`.

    Use it as a context manager: the whole group is killed at the end.
    """

    def __init__(self, *words: object, command: tuple[str, ...] = PROCESSOR, cwd: Path = ROOT) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [*command, *map(str, words)], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True, env=OUTSIDE,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, wanted: str | Callable[[str], object], timeout_s: float = LONG_S) -> str:
        """The first line that contains the text, or for which the function is true; AssertionError when none comes."""
        fits = wanted if callable(wanted) else lambda line: wanted in line
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self.lines if fits(line)]
            return bool(found) or self._ended

        with self._changed:
            self._changed.wait_for(look, timeout_s)
        assert found, f"no such line ({wanted!r}) in:\n" + "\n".join(self.lines)
        return found[0]

    def signal(self, number: int, *, group: bool = False) -> None:
        """To the process alone, or to its whole group as a terminal does."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def join(self, timeout_s: float = LONG_S) -> int:
        """Its exit code, once it and everybody who has its output have ended."""
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        assert not self._reader.is_alive(), "somebody still holds its output"
        return code

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            return          # the group is empty already
        finally:
            self.process.wait()
            self._reader.join(10)
            if self.process.stdout is not None:
                self.process.stdout.close()


def child_of(pid: int) -> int:
    """The one child process, once it is there."""
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        if found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError(f"process {pid} has no child")


def gone(pid: int) -> bool:
    """Whether the process has ended, once it has; False when it still runs after a long time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], LONG_S)[0])
    finally:
        os.close(descriptor)
