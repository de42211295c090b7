"""A service as a process of its own, as users run it: started, waited for, stopped or killed by pid. For benchmarks and tests."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECOVERED = re.compile(r"recovered (\d+) events from (snapshot (\d+)|the first event) in ([0-9.]+) s")


class ServiceEnded(RuntimeError):
    """The service ended before it listened; the message holds what it said."""


class ServiceProcess:
    """`processor run APP ...` as a child; its stderr is kept in `lines`. Use it as a context manager: it is killed at the end."""

    def __init__(
        self, application: str, *, journal: str, listen: str, snapshots: Path | str, options: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.command = [
            sys.executable, "-m", "processor", "run", application, "--journal", journal, "--listen", listen,
            "--snapshots", str(snapshots), *options,
        ]
        self.journal, self.listen, self.snapshots = journal, listen, Path(snapshots)
        self.environment = {**os.environ, **(environment or {})}
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()

    def start(self, timeout_s: float = 120.0) -> ServiceProcess:
        """Starts it and waits until it listens; raises ServiceEnded when it does not come to that."""
        self.begin()
        self.wait_for(lambda line: line.startswith("listening on"), timeout_s)
        return self

    def begin(self) -> None:
        """Starts it without waiting."""
        self.lines.clear()
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        process.wait()
        process.stderr.close()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, wanted: object, timeout_s: float = 60.0) -> str:
        """The first line for which `wanted(line)` is true (or that contains the text `wanted`); raises ServiceEnded."""
        matches = wanted if callable(wanted) else lambda line: str(wanted) in line
        assert self.process is not None
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for line in self.lines:
                    if matches(line):
                        return line
                if self.process.poll() is not None and self.process.stderr is not None and self.process.stderr.closed:
                    raise ServiceEnded(f"exit code {self.process.returncode}:\n" + "\n".join(self.lines))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ServiceEnded(f"said nothing of the kind within {timeout_s:g} s:\n" + "\n".join(self.lines))
                self._changed.wait(min(left, 0.5))

    @property
    def recovered(self) -> tuple[int, int | None, float]:
        """(events, snapshot's sequence or None, seconds) of the recovery that it told of."""
        match = RECOVERED.search(self.wait_for(lambda line: RECOVERED.search(line)))
        assert match is not None
        return int(match[1]), int(match[3]) if match[3] else None, float(match[4])

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGTERM, and its exit code; raises subprocess.TimeoutExpired (after killing it) when it does not end."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.join(timeout_s)

    def join(self, timeout_s: float = 60.0) -> int:
        """Its exit code, once it has ended by itself and all that it said is in `lines`."""
        assert self.process is not None
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        with self._changed:
            self._changed.wait_for(lambda: self.process.stderr.closed, 10)
        return code

    def kill(self) -> None:
        """SIGKILL, and reaped."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()


@contextlib.contextmanager
def running(application: str, **how: object) -> Iterator[ServiceProcess]:
    """A started service for the time of the `with`."""
    with ServiceProcess(application, **how) as service:
        yield service.start()
