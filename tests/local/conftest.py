"""A service in this process, on the memory journal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import balance
from processor import App, Config, Service


class Running:
    """A started service, its house kept by a thread."""

    def __init__(self, app: App, directory: Path, journal: str = "memory:", **config: object) -> None:
        self.lines: list[str] = []
        self.listen = f"unix:{directory}/socket"
        self.service = Service(
            app,
            journal=journal,
            listen=self.listen,
            snapshots=directory / "snapshots",
            config=Config(snapshot_at_shutdown=False, **config),
            report=self.lines.append,  # type: ignore[arg-type]
        )
        self.service.start()
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()

    def stop(self) -> int:
        self.service.stop()
        return self.ended()

    def ended(self) -> int:
        """The exit code, once it has ended."""
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.service.exit_code


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """The balance application, native handlers."""
    made = Running(balance.native, tmp_path)
    yield made
    made.stop()
