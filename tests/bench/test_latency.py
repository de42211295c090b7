"""The latency row: percentiles as told, a rate that was not held is no figure, and the C pipeline's own times."""

from __future__ import annotations

import numpy as np
import pytest

from bench import payments, programs
from bench.context import Context
from bench.rows.latency import RateNotHeld, check_rate, percentiles
from bench.suite import Figure, Work

WORK = Work(
    "latency", {"p50": Figure("µs", "lower"), "p99.99": Figure("µs", "lower")}, "", {"rate": 1000, "events": 2000}
)


def test_percentiles_are_those_that_the_figures_name() -> None:
    times = np.arange(1, 10_001, dtype=np.int64) * 1000
    found = percentiles(times, WORK.figures)
    assert found["p50"] == pytest.approx(5000, rel=1 / 128)
    assert found["p99.99"] == pytest.approx(9999, rel=1 / 128)


def test_a_backlog_at_the_end_means_that_the_rate_was_not_held() -> None:
    check_rate("somebody", WORK, 2.2)
    with pytest.raises(RateNotHeld, match=r"due within 2\.000 s and answered within 4\.000 s, 500/s"):
        check_rate("somebody", WORK, 4.0)


def test_lone_requests_have_no_rate_to_hold() -> None:
    lone = Work("lone", {}, "", {"rate": 0, "events": 10})
    check_rate("somebody", lone, 1000.0)
    assert lone.parameters["rate"] == 0


@pytest.mark.parametrize("rate", [0, 20_000])
def test_the_c_pipeline_applies_every_payment_once_and_ends_behind_its_schedule(
    rate: int, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", bootstrap)
    events, warm_up = 2_000, 10_000
    with Context(quick=True) as context, context.topic() as topic:
        numbers = map(str, (events, rate, warm_up, 4096, 16))
        found = programs.outcome([*programs.c("pipeline"), bootstrap, topic, *numbers])
    assert payments.result_text(found["events"], found["sum"], found["checksum"]) == payments.expected(warm_up + events)
    assert 0 < found["p50"] <= found["p90"] <= found["p99"] <= found["p99.9"] <= found["p99.99"]
    assert found["seconds"] >= (events - 1) / rate if rate else found["seconds"] * 1e6 >= found["p50"] * events / 2
