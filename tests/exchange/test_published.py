"""The published answers: 34 edge cases, ten small files, and the whole `normal` workload."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import tarfile
from typing import Any

import numpy as np
import pytest

from bench.matching import run
from bench.workload import MESSAGE, ReportHasher, read_workload, to_slots
from processor.apps.exchange import app
from processor.apps.exchange.exported import depth
from processor.apps.exchange.reports import report_lines
from processor.logic.bare import Bare
from tests.published import data_folder

TYPES = {"new": 0, "cancel": 1, "modify": 2}
SIDES = {"buy": 0, "sell": 1}
SCENARIOS = ("static", "normal", "swing-25", "swing-40", "flash-crash")
SMALL = [f"{scenario}_seed{seed}_n10000" for scenario in SCENARIOS for seed in (1, 2)]


def conformance_cases() -> list[dict[str, Any]]:
    return json.loads(gzip.decompress((data_folder("matching") / "conformance_cases.json.gz").read_bytes()))


def messages_of(case: dict[str, Any]) -> np.ndarray:
    rows = [
        (TYPES[m["type"]], SIDES[m["side"]], m["ioc"], 0, m["qty"], m["seq"], m["order_id"], m["price"], 0)
        for m in case["messages"]
    ]
    return np.array(rows, MESSAGE)


def lines_of(frames: bytes) -> list[str]:
    text, taken = report_lines(frames, True)
    assert taken == len(frames)
    return text.decode().split("\n")[1:]


def assert_same_lines(found: list[str], expected: list[str]) -> None:
    """Fails with the first line that differs, and the five before it."""
    for at, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert one == other, f"line {at}: {one!r}, expected {other!r}, after {expected[max(0, at - 5) : at]}"
    assert len(found) == len(expected)


def test_every_edge_case_gives_the_published_reports() -> None:
    cases = conformance_cases()
    assert len(cases) == 34
    for case in cases:
        bare = Bare(app)
        bare.run(to_slots(messages_of(case)).reshape(-1))
        found = lines_of(bare.frames())
        assert found == case["expected_reports"], case["name"]
        hasher = ReportHasher()
        hasher.add(bare.frames())
        assert hasher.hexdigest() == case["expected_sha256"], case["name"]


def test_every_edge_case_leaves_the_published_book_after_each_message() -> None:
    cases = [case for case in conformance_cases() if "book_after_each" in case]  # all but the one of 5,001 messages
    assert len(cases) == 33
    for case in cases:
        bare = Bare(app)
        slots = to_slots(messages_of(case))
        for at, book in enumerate(case["book_after_each"]):
            bare.run(slots[at])
            bids, asks = depth(bare.state.export())
            found = {"bids": [list(level) for level in bids], "asks": [list(level) for level in asks]}
            assert found == book, f"{case['name']}, after message {at}"


@pytest.fixture(scope="module")
def small_cases(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("small")
    with tarfile.open(data_folder("matching") / "small_cases.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("name", SMALL)
def test_a_small_file_gives_the_published_report_stream(small_cases: Any, name: str) -> None:
    bare = Bare(app)
    bare.run(to_slots(read_workload(small_cases / f"{name}.bin")).reshape(-1))
    expected = (small_cases / f"{name}.reports.txt").read_text()
    assert_same_lines(lines_of(bare.frames()), expected.removesuffix("\n").split("\n"))


@pytest.mark.parametrize("name", SMALL[::3])
def test_a_restart_from_an_export_in_the_middle_changes_nothing(small_cases: Any, name: str) -> None:
    slots = to_slots(read_workload(small_cases / f"{name}.bin"))
    whole = Bare(app)
    whole.run(slots.reshape(-1))
    hasher = ReportHasher()
    bare = Bare(app)
    for part in np.array_split(slots, 40):
        bare.run(part.reshape(-1))
        hasher.add(bare.frames())
        data = bare.state.export()
        bare = Bare(app)
        bare.state.load(data)
        assert bare.state.export() == data
    assert bare.state.export() == whole.state.export()
    text = "\n".join(lines_of(whole.frames()))
    assert hasher.hexdigest() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("cut", [1, 31, 57, 1000])
def test_the_hash_does_not_depend_on_how_the_frames_are_cut(small_cases: Any, cut: int) -> None:
    bare = Bare(app)
    bare.run(to_slots(read_workload(small_cases / f"{SMALL[0]}.bin"))[:300].reshape(-1))
    frames = bare.frames()
    hasher = ReportHasher()
    for first in range(0, len(frames), cut):
        hasher.add(frames[first : first + cut])
    assert hasher.hexdigest() == hashlib.sha256("\n".join(lines_of(frames)).encode()).hexdigest()


def test_the_whole_normal_workload_gives_the_published_hash() -> None:
    workload = data_folder("matching") / "normal_seed23_n1000000.bin.gz"
    result = run(argparse.Namespace(workload=workload, through="logic", keep=None))
    assert result["sha256"] == "e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e"
    assert result["ok"] and result["messages"] == 1_996_097 and result["journal"] is None
