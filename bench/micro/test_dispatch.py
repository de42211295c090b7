"""Core.apply for a block of events of one type, sessions included, outputs made and stored: by tier of handler."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import payments
from bench.in_process import TIERS
from processor.logic.core import Core
from processor.logic.sessions import Sessions

EVENTS, BLOCKS = 4_096, 200


@pytest.mark.parametrize("tier", sorted(TIERS))
def test_a_block_of_payments_is_applied(benchmark: BenchmarkFixture, tier: str) -> None:
    table = Sessions(8_192, 16 << 20, 16)
    table.open_session(bytes(15) + b"1", 0, 1)
    core = Core(TIERS[tier], table)
    core.restore(1, 0)
    # The first sequence is that of the session's opening.
    slots = payments.slots(EVENTS * BLOCKS)
    slots["sequence"] += 1
    blocks = itertools.cycle(np.split(slots.view(np.uint8), BLOCKS))
    applied = benchmark.pedantic(
        core.apply_slots, setup=lambda: ((next(blocks),), {}), rounds=BLOCKS - 1, warmup_rounds=1
    )
    assert applied == EVENTS
    assert not core.trouble
    balances = np.zeros(payments.ACCOUNTS, np.int64)
    np.add.at(balances, slots["account"], slots["amount"])
    assert np.array_equal(core.state.balances, balances)
