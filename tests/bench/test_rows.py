"""The rows as declared: goals that name cases and contestants there are, results that notice what is wrong."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from bench import in_process, payments, tables
from bench.__main__ import ROWS
from bench.context import Context
from bench.rows import growth, snapshot
from bench.suite import Row

NAMES = sorted(ROWS)


def row(name: str) -> Row:
    found: Row = importlib.import_module(ROWS[name]).ROW
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_goals_of_a_row_name_its_cases_and_contestants(name: str) -> None:
    with Context() as context:
        cases = {work.case(figure) for work in row(name).works(context) for figure in work.figures}
        known = {one.name for one in row(name).contestants(context)} | {None}
    assert cases
    assert [goal for goal in row(name).goals if goal.case not in cases or goal.against not in known] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_work_of_a_row_has_one_contestant_of_ours(name: str) -> None:
    with Context(quick=True) as context:
        contestants = row(name).contestants(context)
        for work in row(name).works(context):
            assert [one.name for one in contestants if one.kind == "ours" and one.takes(work)] == ["processor"], (
                work.name
            )


@pytest.mark.parametrize("tier", ["native", "numpy", "python", "tables"])
def test_a_service_fed_within_its_process_tells_what_its_journal_and_state_hold(tier: str, tmp_path: Path) -> None:
    arguments = [tier, f"embedded://{tmp_path}/journal", str(tmp_path), "2000", "500", "256"]
    found = in_process.main([*arguments, "5000"] if tier == "tables" else arguments)
    assert (found["answered"], found["outputs"], found["rejected"]) == (2500, 2500, 0)
    events = tables.spread(2500, 5000) if tier == "tables" else payments.payments(2500)
    balances = np.zeros(payments.ACCOUNTS, np.int64)
    np.add.at(balances, events["account"], events["amount"])
    assert found["checksum"] == int((np.arange(1, payments.ACCOUNTS + 1) * balances).sum())
    assert found["seconds"] > 0


def test_payments_are_spread_over_the_whole_table() -> None:
    events = tables.spread(10_000, 1 << 24)
    assert len(np.unique(events["account"] >> 16)) == 256
    assert events["account"].max() < 1 << 24
    assert np.array_equal(events["amount"], payments.payments(10_000)["amount"])


def test_the_result_under_snapshots_notices_a_lost_and_an_exchanged_output() -> None:
    balances = np.arange(100, dtype=np.int64)
    right = snapshot.outputs_text(balances)
    swapped = balances.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    assert len({right, snapshot.outputs_text(balances[:-1]), snapshot.outputs_text(swapped)}) == 3


def test_clients_pay_to_accounts_of_their_own_and_all_payments_are_shared_out() -> None:
    shares = [growth.of_client(number, 4, 4_000) for number in range(4)]
    accounts = [set(share["account"].tolist()) for share in shares]
    assert set.union(*accounts) <= set(range(payments.ACCOUNTS))
    assert sum(map(len, accounts)) == len(set.union(*accounts))
    assert np.array_equal(np.concatenate([share["amount"] for share in shares]), payments.payments(4_000)["amount"])
    assert growth.clients_text(4_000, 4) != growth.clients_text(4_000, 2)
