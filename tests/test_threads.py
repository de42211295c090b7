"""Where a service's threads run, and what Python's garbage collector does meanwhile."""

from __future__ import annotations

import argparse
import gc
import os
from pathlib import Path

import pytest

from bench import balance
from processor import Config
from processor.affinity import parse_affinity
from processor.cli.run import config_of, configure
from processor.collector import THRESHOLDS, Collector
from processor.counters import Counters
from processor.errors import WrongUse
from tests.local.conftest import Running

CPU = min(os.sched_getaffinity(0))


def test_the_threads_of_stages_run_where_they_were_told_to(tmp_path: Path) -> None:
    everywhere = os.sched_getaffinity(0)
    running = Running(balance.native, tmp_path, affinity={"logic": (CPU,), "gateway": (CPU,)})
    try:
        with running.service.session() as session:
            session.request(balance.Deposit(1, 1))
        threads = running.service._threads
        assert os.sched_getaffinity(threads["logic"].native_id or 0) == {CPU}
        assert os.sched_getaffinity(threads["gateway"].native_id or 0) == {CPU}
        assert os.sched_getaffinity(threads["journaler"].native_id or 0) == everywhere
        assert os.sched_getaffinity(0) == everywhere
    finally:
        running.stop()


def test_an_affinity_is_read_from_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    arguments = parser.parse_args(
        ["a:b", "--journal", "memory:", "--listen", "unix:/x", "--snapshots", "/x", "--affinity", f"logic={CPU}"]
    )
    assert config_of(arguments).affinity == {"logic": (CPU,)}


@pytest.mark.parametrize("text", ["logic", "logic=", "logic=x", "broker=0", "logic=100000", "logic=0,"])
def test_an_affinity_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(WrongUse):
        parse_affinity([text])
    with pytest.raises(WrongUse):
        Config(affinity={"broker": (CPU,)})


def test_while_a_service_leads_the_collector_is_frozen_rare_and_timed(tmp_path: Path) -> None:
    before = gc.get_threshold()
    running = Running(balance.python, tmp_path)
    try:
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == THRESHOLDS
        gc.collect()
        counted = running.service.counters.all()
        assert counted["collections"] >= 1
        assert counted["collection_ns_max"] > 1000
    finally:
        running.stop()
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


def test_the_longest_collection_stays_the_longest() -> None:
    counters = Counters()
    collector = Collector(counters)
    collector.start()
    try:
        counters.put("collection_ns_max", 10**15)
        gc.collect()
        assert counters.get("collection_ns_max") == 10**15
        assert counters.get("collections") == 1
    finally:
        collector.stop()
    collector.stop()
    gc.collect()
    assert counters.get("collections") == 1
