"""What the journals' tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def quick_folder() -> Iterator[Path]:
    """A folder whose syncs cost nothing, where there is one: for tests that open a journal a thousand times."""
    with tempfile.TemporaryDirectory(prefix="journal-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
