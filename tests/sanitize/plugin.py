"""For pytest in a sanitised tree: the modules under test must be the tree's; what cannot run there is left out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.sanitize.tree import RUNTIMES, Tree

TREE = Tree(os.environ["PROCESSOR_SANITIZED"], Path(sys.prefix))


def loaded() -> list[Path]:
    """The compiled modules of `processor` in this process, wherever they come from."""
    files = (getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith("processor."))
    return sorted(Path(file) for file in files if file and file.endswith(".so"))


def check() -> str:
    """One line that says what is loaded; raises UsageError for the wrong modules, or when the runtime is not there."""
    runtime = RUNTIMES[TREE.sanitizer]
    if runtime not in Path("/proc/self/maps").read_text():
        raise pytest.UsageError(f"{runtime} is not loaded in {sys.executable}: start it by make sanitize")
    expected = TREE.compiled()
    strangers = [str(module) for module in loaded() if module not in expected]
    if strangers:
        raise pytest.UsageError(f"these modules are not the sanitised ones under {TREE.root}: {', '.join(strangers)}")
    return f"{TREE.sanitizer} sanitizer: {len(loaded())} of {len(expected)} compiled modules loaded, from {TREE.root}"


def pytest_sessionstart() -> None:
    check()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker("not_sanitized")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_sessionfinish() -> None:
    print(f"\n{check()}")
