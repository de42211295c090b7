"""The native handlers say and do what their plain twin says and does, for any stream of events."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.workload import read_workload, to_slots
from processor.apps.exchange import app
from processor.logic.bare import Bare
from tests.exchange import twin as reference
from tests.exchange.drive import native, replies, twin
from tests.exchange.twin import Books, CancelOrder, ModifyOrder, NewOrder
from tests.published import data_folder

I64_MIN, I64_MAX, U64_MAX, U32_MAX = -(2**63), 2**63 - 1, 2**64 - 1, 2**32 - 1

# Few ids, prices and symbols, so that events meet; and now and then the ends of the ranges.
ids = st.one_of(st.integers(1, 12), st.integers(0, 40).map(lambda n: n << 58), st.sampled_from([0, U64_MAX]))
prices = st.one_of(
    st.integers(95, 105),
    st.integers(-130, 130),
    st.integers(0, 62).map(lambda n: -(1 << n)),
    st.integers(0, 62).map(lambda n: 1 << n),
    st.sampled_from([I64_MIN, I64_MIN + 1, I64_MAX]),
)
quantities = st.one_of(st.integers(1, 20), st.sampled_from([0, 1, U32_MAX]))
symbols = st.sampled_from([0, 0, 0, 1, 65535])
seqs = st.integers(0, U64_MAX)
sides = st.sampled_from([0, 0, 0, 1, 1, 1, 2])
iocs = st.sampled_from([0, 0, 0, 1, 9])
news = st.builds(NewOrder, seqs, ids, prices, quantities, symbols, sides, iocs)
cancels = st.builds(CancelOrder, seqs, ids, symbols)
modifies = st.builds(ModifyOrder, seqs, ids, prices, quantities, symbols)


def test_the_twin_has_the_schema_of_the_exchange() -> None:
    assert reference.app.schema.text == app.schema.text
    assert reference.app.schema.fingerprint == app.schema.fingerprint
    assert app.schema.slot_bytes == 64


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(news, news, cancels, modifies), max_size=60))
def test_any_stream_gives_the_same_outputs_and_the_same_books(events: list[Any]) -> None:
    state = Books()
    said = twin(events, state)
    found, bare = native(events)
    assert found == said
    assert bare.state.export() == state.export()
    assert len(bare.state) == sum(len(book.places) for book in state.books.values())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(news, news, cancels, modifies), max_size=60), st.integers(0, 60))
def test_a_book_loaded_from_an_export_goes_on_like_the_one_exported(events: list[Any], cut: int) -> None:
    _, before = native(events[:cut])
    restored = Bare(app)
    restored.state.load(before.state.export())
    assert native(events[cut:], restored)[0] == native(events[cut:], before)[0]
    assert restored.state.export() == before.state.export()


@pytest.mark.parametrize(("seed", "width"), [(1, 4), (2, 50), (3, 5000), (4, 2**40), (5, 2**62)])
def test_a_long_stream_gives_the_same_however_far_apart_the_prices_are(seed: int, width: int) -> None:
    """Long enough for thousands of live orders: the id table grows, levels come and go at every height."""
    draw = random.Random(seed)
    live: list[int] = []
    events: list[Any] = []
    for seq in range(12_000):
        kind = draw.random()
        price = draw.randint(-width, width)
        if kind < 0.6 or not live:
            # A side of its own half, mostly, so that a deep book builds up.
            side = int(price > 0) if draw.random() < 0.95 else draw.randint(0, 1)
            id = draw.choice((seq, seq << 32, draw.getrandbits(64)))
            live.append(id)
            ioc = int(draw.random() < 0.1)
            events.append(NewOrder(seq, id, price, draw.randint(1, 90), draw.randint(0, 1), side, ioc))
        else:
            at = draw.randrange(len(live))
            live[at], live[-1] = live[-1], live[at]
            if kind < 0.9:
                events.append(CancelOrder(seq, live.pop(), draw.randint(0, 1)))
            else:
                events.append(ModifyOrder(seq, live[-1], price, draw.randint(1, 90), draw.randint(0, 1)))
    state = Books()
    said = twin(events, state)
    found, bare = native(events)
    for at, (one, other) in enumerate(zip(found, said, strict=True)):
        assert one == other, f"event {at}: {events[at]}"
    assert bare.state.export() == state.export()


def test_a_part_of_the_published_workload_gives_the_same() -> None:
    messages = read_workload(data_folder("matching") / "normal_seed23_n1000000.bin.gz")[:20_000]
    kinds: tuple[Any, ...] = (
        lambda m: NewOrder(m["seq"], m["id"], m["price"], m["quantity"], 0, m["side"], m["ioc"]),
        lambda m: CancelOrder(m["seq"], m["id"], 0),
        lambda m: ModifyOrder(m["seq"], m["id"], m["price"], m["quantity"], 0),
    )
    names = messages.dtype.names or ()
    rows = (dict(zip(names, row, strict=True)) for row in messages.tolist())
    state = Books()
    said = twin([kinds[row["type"]](row) for row in rows], state)
    bare = Bare(app)
    bare.run(np.ascontiguousarray(to_slots(messages)).reshape(-1))
    assert replies(bare.frames()) == said
    assert bare.state.export() == state.export()
