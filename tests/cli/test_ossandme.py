"""`processor ossandme`: the smallest example, against a real broker."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.broker import Broker, unused_port
from tests.cli.commands import Command, processor

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A broker of these tests' own, since the topic's name is fixed; five timestamps are in it."""
    with Broker() as broker:
        missing = processor("ossandme", "consume", "--bootstrap", broker.bootstrap)
        assert missing.returncode == 3 and "there is no topic 'ossandme'" in missing.stderr and not missing.stdout
        done = processor("ossandme", "produce", "--count", 5, environment={"KAFKA_BOOTSTRAP": broker.bootstrap})
        assert done.returncode == 0 and "published 5 timestamps" in done.stdout and "offsets 0 to 4" in done.stdout
        yield broker.bootstrap


def consume(address: str, *words: object) -> tuple[subprocess.CompletedProcess[str], list[int]]:
    """What it did, and the offsets that it printed, each with a timestamp."""
    done = processor("ossandme", "consume", "--bootstrap", address, *words)
    assert "Traceback" not in done.stderr
    lines = [line.partition(": ") for line in done.stdout.splitlines()]
    assert all(TIMESTAMP.fullmatch(content) for _, _, content in lines)
    return done, [int(offset) for offset, _, _ in lines]


def test_consume_prints_all_records_in_order_and_ends_by_itself(address: str) -> None:
    done, offsets = consume(address)
    assert done.returncode == 0 and offsets == [0, 1, 2, 3, 4] and done.stderr == ""
    contents = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert contents == sorted(contents)


def test_rewind_processes_all_again_from_the_first_record(address: str) -> None:
    done, offsets = consume(address, "--on-error", "rewind", "--fail-at", 2, "--fail-times", 2)
    assert done.returncode == 0 and offsets == [0, 1, 0, 1, 0, 1, 2, 3, 4]
    assert "rewind 1 of at most 3: record 2 of ossandme" in done.stderr and "rewind 2 of" in done.stderr


def test_rewinds_are_bounded_and_then_it_halts(address: str) -> None:
    done, offsets = consume(address, "--on-error", "rewind", "--fail-at", 1, "--fail-times", 9, "--max-rewinds", 2)
    assert done.returncode == 4 and offsets == [0, 0, 0]
    assert "halted after 2 rewinds (--max-rewinds) at record 1 of ossandme, partition 0" in done.stderr


def test_halt_stops_with_the_record_named(address: str) -> None:
    done, offsets = consume(address, "--on-error", "halt", "--fail-at", 3)
    assert done.returncode == 4 and offsets == [0, 1, 2]
    named = r"halted at record 3 of ossandme, partition 0 \(20[^)]*\): RuntimeError: failed on purpose"
    assert re.search(named, done.stderr)


def test_a_failure_that_never_comes_changes_nothing(address: str) -> None:
    assert consume(address, "--fail-at", 99)[1] == list(range(5))
    assert consume(address, "--fail-at", 2, "--fail-times", 0)[1] == list(range(5))


def test_more_is_published_behind_what_is_there() -> None:
    with Broker() as broker:
        for _ in range(2):
            assert processor("ossandme", "produce", "--count", 1500, "--bootstrap", broker.bootstrap).returncode == 0
        assert consume(broker.bootstrap)[1] == list(range(3000))
        assert consume(broker.bootstrap, "--on-error", "rewind", "--fail-at", 2900)[1] == [*range(2900), *range(3000)]


@pytest.mark.parametrize("words", [("produce", "--count", "1"), ("consume",)])
def test_a_broker_that_is_not_there_is_an_error_within_ten_seconds(words: tuple[str, ...]) -> None:
    bootstrap = f"127.0.0.1:{unused_port()}"
    done = processor("ossandme", *words, "--bootstrap", bootstrap)
    assert done.returncode == 3 and done.stdout == ""
    assert f"no broker answers at {bootstrap} within 8 s" in done.stderr and done.stderr.count("\n") == 1


def test_ctrl_c_ends_it_while_it_waits_for_a_broker() -> None:
    with Command("ossandme", "consume", "--bootstrap", f"127.0.0.1:{unused_port()}") as waiting:
        # It is inside librdkafka when its thread is there.
        while not any(name.startswith("rdk:") for name in _threads(waiting.process.pid)):
            assert waiting.process.poll() is None
            time.sleep(0.01)
        waiting.signal(signal.SIGINT)
        assert waiting.join() == -signal.SIGINT and waiting.text == ""


def _threads(pid: int) -> list[str]:
    return [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/comm")]


@pytest.mark.parametrize("words", [
    ("produce", "--count", "-1"), ("consume", "--fail-at", "-1"), ("consume", "--on-error", "skip"), ("eat",),
])  # fmt: skip
def test_wrong_use_is_told(words: tuple[str, ...]) -> None:
    done = processor("ossandme", *words)
    assert done.returncode == 2 and done.stderr and "Traceback" not in done.stderr
