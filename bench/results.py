"""The file of results: one JSON object, row by row, the newest result of each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

Results = dict[str, dict[str, Any]]


def load(path: Path) -> Results:
    """The saved results by row; none when there is no such file. Raises ValueError for any other file."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no file of results: {error}") from error
    if not isinstance(found, dict) or not all(
        isinstance(one, dict) and one.get("row") == name for name, one in found.items()
    ):
        raise ValueError(f"{path} is no file of results: expected an object with a result for each row's name")
    return found


def save(path: Path, result: dict[str, Any]) -> None:
    """Puts a result in the place of the row's last one. Raises ValueError as `load` does, OSError."""
    everything = load(path) | {result["row"]: result}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")
    beside.replace(path)
