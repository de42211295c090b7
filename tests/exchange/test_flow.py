"""The generated order flow is the same for a seed, and is flow that an exchange would see."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from processor.apps.exchange import NewOrder, app
from processor.apps.exchange.flow import OrderFlow
from processor.logic.bare import Bare
from tests.exchange.drive import replies


def test_a_seed_gives_the_same_flow_however_it_is_taken() -> None:
    whole = OrderFlow(seed=5, symbols=3).take(30_000)
    flow = OrderFlow(seed=5, symbols=3)
    parts = [flow.take(count) for count in (1, 8191, 8192, 1, 9000, 4615)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(OrderFlow(seed=6, symbols=3).take(30_000), whole)


def test_taking_nothing_gives_no_slots() -> None:
    assert OrderFlow().take(0).shape == (0, app.schema.slot_bytes)


@pytest.mark.parametrize("symbols", [1, 40])
def test_the_book_reaches_its_size_and_keeps_it_and_nothing_is_malformed(symbols: int) -> None:
    flow = OrderFlow(seed=2, symbols=symbols, resting=5_000, first_id=1_000_000)
    bare = Bare(app)
    sizes = []
    for _ in range(40):
        bare.run(flow.take(8192).reshape(-1))
        sizes.append(len(bare.state))
    assert min(sizes[10:]) > 2_500 and max(sizes) < 7_500
    said = Counter(name for outputs in replies(bare.frames()) for name, _ in outputs)
    assert said["reject"] == 0
    assert said["CancelRejected"] < said["Cancelled"] / 2
    assert min(said["Acknowledged"], said["Traded"], said["Cancelled"], said["Modified"]) > 300


def test_ids_and_seqs_count_up_and_every_symbol_is_used() -> None:
    slots = OrderFlow(seed=2, symbols=7, first_id=500).take(20_000).reshape(-1)
    table = slots.view(app.schema.slot_dtype(app.message_of(NewOrder)))
    news = table["payload"][table["type"] == app.message_of(NewOrder).number]
    assert np.array_equal(table["payload"]["seq"], np.arange(500, 20_500))
    assert np.array_equal(news["id"], np.arange(500, 500 + len(news)))
    assert set(news["symbol"].tolist()) == set(range(7))
    assert not table["session"].any() and not table["sequence"].any() and not table["request"].any()


@pytest.mark.parametrize("wrong", [{"symbols": 0}, {"symbols": 65_537}, {"resting": 0}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        OrderFlow(**wrong)
