"""Snapshots written and loaded: a table of 64 MiB, and a dictionary of Python objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import tables
from bench.rows.snapshot import meta
from processor.snapshot.store import SnapshotStore


@dataclass
class Holder:
    name: str
    cents: int


@dataclass
class Holders:
    by_number: dict[int, Holder] = field(default_factory=dict)


def table() -> Any:
    return tables.Bank(np.arange(8 << 20))


def objects() -> Any:
    return Holders({k: Holder(f"holder {k}", k * 7) for k in range(100_000)})


@pytest.mark.parametrize("make", [table, objects])
def test_a_snapshot_is_written_and_synced(benchmark: BenchmarkFixture, tmp_path: Path, make: Any) -> None:
    store, state = SnapshotStore(tmp_path, keep=1), make()
    store.open()
    info = benchmark.pedantic(store.write, (meta(), state, b""), rounds=5)
    assert store.files()[0].path.stat().st_size == info.bytes


@pytest.mark.parametrize("make", [table, objects])
def test_a_snapshot_is_read_checked_and_loaded(benchmark: BenchmarkFixture, tmp_path: Path, make: Any) -> None:
    store, state = SnapshotStore(tmp_path), make()
    store.open()
    store.write(meta(), state, b"")
    found = store.files()[0]
    loaded = benchmark.pedantic(lambda: found.read().load_state(type(state)), rounds=5)
    if isinstance(state, Holders):
        assert loaded == state
    else:
        assert np.array_equal(loaded.balances, state.balances)
