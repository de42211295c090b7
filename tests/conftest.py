"""What tests share: a real broker, fresh topics, the data with known answers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.broker import Broker, broker
from bench.service_process import ServiceProcess, running
from processor.ring import buffer
from tests.published import data_folder

ROOT = Path(__file__).resolve().parent.parent


def pytest_sessionstart() -> None:
    """The compiled core, this checkout's, or no test at all (a header would not be asked for with -q)."""
    module = Path(str(buffer.__file__))
    if module.suffix != ".so" or not module.is_relative_to(ROOT):
        raise pytest.UsageError(f"the compiled core of {ROOT} did not load, but {module}: run make build")


def pytest_report_header() -> str:
    return f"compiled core: {buffer.__file__}"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with published input and its right answers."""
    return data_folder()


@pytest.fixture(scope="session")
def bootstrap() -> Iterator[str]:
    """The address of a real broker: KAFKA_BOOTSTRAP's, or one started for this run."""
    with broker() as address:
        yield address


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker of this test's own, to be killed and restarted."""
    with Broker() as started:
        yield started


@pytest.fixture
def topic() -> str:
    """A topic's name that nobody has used."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A running exchange, on an embedded journal."""
    place = {"journal": f"embedded:{tmp_path}/journal", "snapshots": tmp_path / "snapshots"}
    # Without snapshots of its own: they are events, too, and the tests count those.
    options = ("--snapshot-every", "0")
    with running("processor.apps.exchange:app", listen=f"unix:{tmp_path}/socket", options=options, **place) as started:
        yield started
