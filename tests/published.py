"""The folder with published input and its right answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("PROCESSOR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def data_folder(part: str = "") -> Path:
    """The folder, or that part of it. Where it is absent the test is skipped, but fails in CI, where it has to be there."""
    folder = FOLDER / part
    if not folder.is_dir():
        why = f"the data folder {folder} is not there (PROCESSOR_DATA names another)"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return folder
