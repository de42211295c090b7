"""Percentiles of the client's buckets, against NumPy's of the same times."""

import numpy as np
import pytest

from processor.client.latency import Latencies

PERCENTS = (0.1, 50.0, 99.0, 99.9, 100.0)


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_those_of_the_times_within_half_a_percent(seed: int) -> None:
    draw = np.random.default_rng(seed)
    times_ns = np.exp(draw.normal(12, 3, 50_000)).clip(1, 1e14)
    latencies = Latencies()
    for part in np.array_split(times_ns, 77):
        latencies.add(part)
    expected = np.percentile(times_ns, PERCENTS, method="inverted_cdf") / 1000
    assert latencies.percentiles_us(PERCENTS) == pytest.approx(expected, rel=0.005, abs=0.001)
    assert len(latencies) == 50_000


def test_one_known_time_comes_back_in_microseconds() -> None:
    latencies = Latencies()
    latencies.add(np.full(10, 250e3))
    latencies.add(np.array([40e6]))
    assert latencies.percentiles_us((50, 99.9)) == pytest.approx([250.0, 40_000.0], rel=0.005)


def test_without_any_time_there_is_no_percentile() -> None:
    latencies = Latencies()
    assert latencies.percentiles_us(PERCENTS) == [None] * len(PERCENTS)
    latencies.add(np.zeros(0))
    assert latencies.percentiles_us((50,)) == [None]


def test_times_below_one_and_beyond_all_buckets_are_counted() -> None:
    latencies = Latencies()
    latencies.add(np.array([-5.0, 0.0, 1e30]))
    assert len(latencies) == 3
    low, high = latencies.percentiles_us((50, 100))
    assert low is not None and low < 0.01 and high is not None and high > 1e12


def test_a_second_is_moved_to_the_whole() -> None:
    second, whole = Latencies(), Latencies()
    for value in (1e3, 2e3, 3e3):
        second.add(np.array([value]))
        whole.take(second)
        assert len(second) == 0
    assert len(whole) == 3 and whole.percentiles_us((50,)) == pytest.approx([2.0], rel=0.005)
