"""Events and answers between Python's objects and bytes."""

from __future__ import annotations

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from bench import balance, payments
from bench.in_process import array
from bench.ours import FRAME
from processor.client.answers import Decoder
from processor.client.encode import Encoder

EVENTS = 1_000


def test_an_array_of_events_is_checked_and_encoded(benchmark: BenchmarkFixture) -> None:
    encoder, events = Encoder(balance.declared.schema, balance.declared), array(payments.payments(EVENTS))
    kind, rows = benchmark(encoder.array, balance.Deposit, events)
    assert (kind, rows.tobytes()) == (1, events.tobytes())


def test_an_event_object_is_encoded(benchmark: BenchmarkFixture) -> None:
    encoder = Encoder(balance.declared.schema, balance.declared)
    kind, payload = benchmark(encoder.event, balance.Deposit(7, -5))
    assert (kind, np.frombuffer(payload, payments.EVENT)[["account", "amount"]].item()) == (1, (7, -5))


def test_answers_are_decoded_into_output_objects(benchmark: BenchmarkFixture) -> None:
    encoder = Encoder(balance.declared.schema, balance.declared)
    frames = np.zeros(EVENTS, FRAME)
    frames["head"]["request"] = np.arange(1, EVENTS + 1)
    frames["head"]["type"], frames["head"]["length"], frames["head"]["flags"] = 1, payments.OUTPUT.itemsize, 1
    frames["output"]["account"] = np.arange(EVENTS)
    data = frames.tobytes()
    answers = benchmark(lambda: list(Decoder(balance.declared.schema, encoder.output_classes()).answers(data)))
    assert [list(answer) for answer in answers] == [[balance.Balance(k, 0)] for k in range(EVENTS)]
