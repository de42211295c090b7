"""The ring in one thread: what claiming, publishing and passing slots costs, without anybody to wait for."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from processor.ring.buffer import Ring
from processor.ring.throughput import receive, send

SLOTS = 4_096


@pytest.mark.parametrize("claim", [1, 10, 100])
def test_a_ring_full_of_slots_is_sent_and_received(benchmark: BenchmarkFixture, claim: int) -> None:
    ring = Ring(64, SLOTS, reserved=0, stages=2)

    def there_and_away() -> int:
        send(ring, SLOTS, claim)
        return receive(ring, SLOTS)

    assert benchmark(there_and_away) == SLOTS * (SLOTS - 1) // 2
