"""Services of the tests: real processes on a real journal, each with a directory of its own, all ended when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.service_process import ServiceProcess

Make = Callable[..., ServiceProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a service (not started): application, and what differs from an embedded journal under tmp_path."""
    made: list[ServiceProcess] = []

    def build(application: str = "examples.bank:app", *, name: str = "service", **how: Any) -> ServiceProcess:
        how.setdefault("journal", f"embedded:{tmp_path}/journal")
        how.setdefault("listen", f"unix:{tmp_path}/{name}.socket")
        how.setdefault("snapshots", tmp_path / "snapshots")
        made.append(ServiceProcess(application, **how))
        return made[-1]

    yield build
    for service in made:
        service.kill()
