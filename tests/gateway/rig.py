"""A gateway with the double behind it, whose journal can be held; and a whole service in a thread."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from examples.bank import app as bank
from processor.app import App
from processor.config import Config
from processor.gateway.double import Double
from processor.gateway.gateway import Gateway
from processor.outputs.queue import OutputQueue
from processor.ring.buffer import Ring
from processor.ring.control import ControlQueue
from processor.service import Service
from tests.gateway.echo import app as echo

WINDOW = 4096


class Rig:
    """Ring, output queue, gateway and double, running; `double.hold()` is a journal that does not answer."""

    def __init__(
        self,
        address: str,
        *,
        double: Double | None = None,
        ring_slots: int = 4096,
        queue_bytes: int = 1 << 20,
        wait: str = "block",
        **settings: object,
    ) -> None:
        schema = echo.schema
        self.address = address
        self.ring = Ring(schema.slot_bytes, ring_slots, reserved=16, wait=wait)
        self.outputs = OutputQueue(queue_bytes, self.ring)
        self.control = ControlQueue(self.ring, 16)
        self.double = double or Double(schema, WINDOW)
        self.double.attach(self.ring, self.outputs)
        self.gateway = Gateway(
            address,
            self.ring,
            self.control,
            self.outputs,
            schema.lengths(),
            schema.slot_bytes,
            schema.fingerprint,
            **settings,
        )
        self._threads = [threading.Thread(target=run) for run in (self.gateway.run, self.double.run)]
        for thread in self._threads:
            thread.start()

    def counts(self, name: str) -> int:
        return self.gateway.counts[name]

    def stop(self) -> bool:
        """Stops in order; whether everything was sent."""
        assert self.gateway.stop_intake()
        self.double.hold(False)
        self.double.stop()
        self._threads[1].join()
        flushed = self.gateway.flush_and_close(timeout_s=5)
        self._threads[0].join()
        return flushed


@contextlib.contextmanager
def socket_directory() -> Iterator[Path]:
    """A folder with a path short enough for a socket, whatever TMPDIR and the test's name are."""
    with tempfile.TemporaryDirectory(prefix="gate-", dir="/tmp") as directory:
        yield Path(directory)


@contextlib.contextmanager
def rig(**settings: object) -> Iterator[Rig]:
    with socket_directory() as directory:
        made = Rig(f"unix:{directory}/socket", **settings)
        try:
            yield made
        finally:
            made.stop()


@contextlib.contextmanager
def serving(app: App = bank, *, journal: str = "memory:", **config: object) -> Iterator[Service]:
    """A whole service in a thread of this process; it must end with exit code 0."""
    with socket_directory() as directory:
        lines: list[str] = []
        service = Service(
            app,
            journal=journal,
            listen=f"unix:{directory}/socket",
            snapshots=directory / "snapshots",
            config=Config(snapshot_every=0, snapshot_at_shutdown=False, **config),
            report=lines.append,
        )
        service.start()
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            yield service
        finally:
            service.stop()
            thread.join()
        assert service.exit_code == 0, lines


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Waits for what another thread does without telling; the time only bounds a failing test."""
    done = threading.Event()
    for _ in range(int(timeout_s / 0.002)):
        if condition():
            return
        done.wait(0.002)
    raise AssertionError(f"it did not happen within {timeout_s:g} s")
