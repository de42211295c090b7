"""The state at any moment is the one that a plain computation gives, from snapshots or without, for sequences and
for times.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.bank import Deposit, Transfer, app
from processor import History
from processor.errors import JournalError, QueryError, WrongUse
from processor.history.target import time_text
from processor.journal.importer import JournalImport

START = 1_340_236_800_000_000_000  # 2012-06-21T00:00:00Z
SECOND = 1_000_000_000
EVENTS = 60
BLOCK_EVENTS = 7


def event(number: int) -> Deposit | Transfer:
    return Transfer(number % 5, (number + 1) % 5, number) if number % 4 == 3 else Deposit(number % 5, 10 + number)


def time_of(number: int) -> int:
    """Three events share each second."""
    return START + number // 3 * SECOND


def states() -> list[dict[int, int]]:
    """The balances behind each sequence, by hand: sequence 1 opens the session, then follow the events from 0 on."""
    balances: dict[int, int] = {}
    found = [{}, {}]
    for number in range(EVENTS):
        one = event(number)
        if isinstance(one, Deposit):
            balances[one.account] = balances.get(one.account, 0) + one.amount
        elif balances.get(one.source, 0) >= one.amount > 0:
            balances[one.source] -= one.amount
            balances[one.target] = balances.get(one.target, 0) + one.amount
        found.append(dict(balances))
    return found


def imported(url: str) -> str:
    with JournalImport(app, url, block_events=BLOCK_EVENTS) as out:
        for number in range(EVENTS):
            assert out.add(event(number), time_of(number)) == number + 2
    return url


@pytest.fixture(params=["memory", "embedded", "kafka"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return imported(f"memory:{secrets.token_hex(8)}")
    if request.param == "embedded":
        return imported(f"embedded://{tmp_path}/journal")
    return imported(f"kafka://{request.getfixturevalue('bootstrap')}/{request.getfixturevalue('topic')}")


@pytest.fixture
def embedded(tmp_path: Path) -> str:
    return imported(f"embedded://{tmp_path}/journal")


def test_the_state_behind_every_sequence_is_the_one_computed_by_hand(url: str, tmp_path: Path) -> None:
    known = states()
    with History(app, url) as history:
        history.write_snapshots(tmp_path / "snapshots", [10, 15, 30])
    for snapshots in (None, tmp_path / "snapshots"):
        with History(app, url, snapshots) as history:
            asked = range(len(known)) if not url.startswith("kafka") else (0, 1, 2, 8, 9, 14, 15, 16, 31, 61)
            for sequence in asked:
                moment = history.at(sequence)
                assert (moment.sequence, moment.state.balances) == (sequence, known[sequence])
            assert history.at().sequence == len(known) - 1


def test_a_time_means_behind_the_last_event_that_is_not_later(embedded: str, tmp_path: Path) -> None:
    with History(app, embedded) as history:
        history.write_snapshots(tmp_path / "snapshots", [10, 15, 30])
    for snapshots in (None, tmp_path / "snapshots"):
        with History(app, embedded, snapshots) as history:
            for second in range(EVENTS // 3):
                last = 3 * second + 4  # the third event of this second
                at = START + second * SECOND
                assert history.at(at).sequence == last
                assert history.at(at + SECOND - 1).sequence == last
                assert history.at(time_text(at)).sequence == last
                assert history.at(datetime.datetime.fromtimestamp(at / SECOND, datetime.UTC)).sequence == last
            assert history.at("2030-01-01").sequence == EVENTS + 1


def test_a_snapshot_that_rebuild_wrote_holds_the_state_of_the_first_event_on(embedded: str, tmp_path: Path) -> None:
    with History(app, embedded) as history:
        moment, info = history.write_snapshot(tmp_path / "snapshots", 33)
        assert (info.sequence, info.state_hash) == (33, moment.state_hash)
        assert history.rebuild(33).state_hash == moment.state_hash
    with History(app, embedded, tmp_path / "snapshots") as history:
        assert history.at(40).state_hash == history.rebuild(40).state_hash


def test_a_damaged_snapshot_is_told_and_the_one_before_it_is_used(embedded: str, tmp_path: Path) -> None:
    told: list[str] = []
    with History(app, embedded) as history:
        newest = history.write_snapshots(tmp_path / "snapshots", [10, 20])[-1].path
    newest.write_bytes(newest.read_bytes()[:-1])
    with History(app, embedded, tmp_path / "snapshots", report=told.append) as history:
        assert history.at(25).state.balances == states()[25]
    assert len(told) == 1 and newest.name in told[0]


def test_a_growing_journal_is_read_to_where_it_has_come(tmp_path: Path) -> None:
    url = f"memory:{secrets.token_hex(8)}"
    with JournalImport(app, url, block_events=1) as out:
        out.add(Deposit(1, 10), START)
        with History(app, url) as history:
            assert history.at().sequence == 1
            out.add(Deposit(1, 10), START)
            assert history.at().state.balances == {1: 10}
            out.add(Deposit(1, 10), START)
            assert history.at(3).state.balances == {1: 20}


def test_what_changed_between_two_moments_is_told_in_both_directions(embedded: str) -> None:
    with History(app, embedded) as history:
        forth = [(one.path, one.before, one.after) for one in history.diff(10, 14)]
        back = [(one.path, one.after, one.before) for one in history.diff(14, 10)]
    before, after = states()[10], states()[14]
    assert forth == back
    assert forth == [
        (f"state.balances[{key}]", before[key], after[key]) for key in sorted(after) if before[key] != after[key]
    ]


def test_a_replay_says_what_was_said_then(embedded: str) -> None:
    said = []
    with History(app, embedded) as history:
        moment = history.replay(10, 14, on_output=said.append)
        steps = list(history.steps(10, 14))
    assert moment.sequence == 14 and moment.state.balances == states()[14]
    assert [step.event.sequence for step in steps] == [10, 11, 12, 13, 14]
    assert said == [output for step in steps for output in step.outputs] and said
    assert all(
        one.fields["balance"] == states()[one.sequence][one.fields["account"]] for one in said if one.name == "Balance"
    )


def test_a_replay_from_a_time_begins_with_the_first_event_that_is_not_earlier(embedded: str) -> None:
    with History(app, embedded) as history:
        steps = list(history.steps(START + 5 * SECOND, START + 6 * SECOND))
    assert [step.event.sequence for step in steps] == [17, 18, 19, 20, 21, 22]


@pytest.mark.parametrize(
    ("ask", "kind", "text"),
    [
        (lambda history: history.at(62), WrongUse, "there is no sequence 62: the journal ends at sequence 61"),
        (lambda history: history.at(START - 1), WrongUse, "is before the journal's first event"),
        (lambda history: history.at("noon"), WrongUse, "'noon' names no moment"),
        (lambda history: history.at(-1), WrongUse, "sequences count from 1"),
        (lambda history: history.query("nothing"), WrongUse, "no query 'nothing'; it has balance, richest"),
        (lambda history: history.query("balance"), WrongUse, "does not take"),
        (lambda history: history.query("richest", "x"), QueryError, "raised TypeError"),
        (lambda history: history.replay(0, 4), WrongUse, "count from 1"),
        (lambda history: list(history.steps(60, 70)), WrongUse, "there is no sequence 70"),
    ],
)
def test_a_moment_or_query_that_is_not_there_is_a_clear_error(
    ask: Callable[[History], object], kind: type[Exception], text: str, embedded: str
) -> None:
    with History(app, embedded) as history, pytest.raises(kind, match=text.replace("(", r"\(")):
        ask(history)


def test_an_import_makes_a_new_journal_only_and_time_does_not_go_back(embedded: str, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="is not empty"):
        JournalImport(app, embedded)
    with JournalImport(app, f"embedded://{tmp_path}/other") as out:
        out.add(Deposit(1, 1), START)
        with pytest.raises(WrongUse, match="time does not go back"):
            out.add(Deposit(1, 1), START - 1)
