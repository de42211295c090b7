"""A journal that a service has written, once for all tests that only read it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.support import Written, served


@pytest.fixture(scope="session")
def sound() -> Iterator[Written]:
    with tempfile.TemporaryDirectory(prefix="past-") as directory:
        yield served("sound", Path(directory))
