"""What would have been: events replaced, removed or inserted give what a journal with those events gives."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.bank import Deposit, app
from processor import History
from processor.cli.main import main
from processor.errors import Halted, WrongUse
from processor.history.edits import edits_of
from processor.history.what_if import Outcome, WhatIf
from processor.journal.importer import JournalImport
from tests.history import apps
from tests.history.support import Written, embedded
from tests.history.test_temporal_queries import BLOCK_EVENTS, EVENTS, event, time_of

Events = list[Any]


def journal_of(events: Events) -> str:
    url = f"memory:{secrets.token_hex(8)}"
    with JournalImport(app, url, block_events=BLOCK_EVENTS) as out:
        for number, one in enumerate(events):
            out.add(one, time_of(number))
    return url


def original() -> Events:
    return [event(number) for number in range(EVENTS)]


def what_if(*edits: dict[str, Any], snapshots: Path | None = None) -> tuple[Outcome, list[Any]]:
    """The outcome, and what the edited journal says; the event number k of `original` is sequence k + 2."""
    said: list[Any] = []
    with History(app, journal_of(original()), snapshots) as history:
        found = edits_of([("here", edit) for edit in edits], app.schema)
        return WhatIf(history, found).run(lambda output: said.append((output.name, output.fields))), said


def plainly(events: Events, first: int) -> tuple[bytes, list[Any]]:
    """State hash at the end and outputs from this sequence on of a journal that holds these events."""
    said: list[Any] = []
    with History(app, journal_of(events)) as history:
        moment = history.replay(first, on_output=lambda output: said.append((output.name, output.fields)))
        return moment.state_hash, said


REPLACED = {"op": "replace", "sequence": 22, "event": {"amount": 1000}}
REMOVED = {"op": "remove", "sequence": 30}
INSERTED = {"op": "insert", "sequence": 41, "event": {"type": "Deposit", "account": 3, "amount": 500}}


def replace(events: Events) -> Events:
    return [*events[:20], Deposit(events[20].account, 1000), *events[21:]]


def remove(events: Events) -> Events:
    return [*events[:28], *events[29:]]


def insert(events: Events) -> Events:
    return [*events[:39], Deposit(3, 500), *events[39:]]


@pytest.mark.parametrize(
    ("edits", "change", "first"),
    [
        ([REPLACED], replace, 22),
        ([REMOVED], remove, 30),
        ([INSERTED], insert, 41),
        ([INSERTED, REMOVED, REPLACED], lambda events: replace(remove(insert(events))), 22),
    ],
)
def test_edits_give_what_a_journal_with_those_events_gives(
    edits: list[dict[str, Any]], change: Callable[[Events], Events], first: int
) -> None:
    outcome, said = what_if(*edits)
    expected, plain_said = plainly(change(original()), first)
    assert outcome.edited.state_hash == expected != outcome.original.state_hash
    assert said == plain_said
    assert outcome.states_part == outcome.outputs_part == first


def test_an_insertion_behind_the_last_event_is_applied(tmp_path: Path) -> None:
    outcome, said = what_if(
        {"op": "insert", "sequence": EVENTS + 2, "event": {"type": "Deposit", "account": 9, "amount": 1}}
    )
    assert outcome.edited.state.balances[9] == 1 and 9 not in outcome.original.state.balances
    assert said == [("Balance", {"account": 9, "balance": 1})]


def test_an_edit_that_changes_nothing_parts_nowhere() -> None:
    outcome, _ = what_if({"op": "replace", "sequence": 22, "event": {}})
    assert (outcome.states_part, outcome.outputs_part, outcome.changes) == (None, None, [])


def test_other_logic_parts_where_it_is_other(sound: Written) -> None:
    with History(apps.sound, sound.url, sound.snapshots) as history:
        outcome = WhatIf(history, [], apps.other).run()
    assert outcome.states_part == apps.THRESHOLD
    assert [change.path for change in outcome.changes] == ["state.total"]


def test_a_removal_of_one_event_keeps_the_session_going(sound: Written) -> None:
    """A gap in the session's requests would have all later ones refused."""
    with History(apps.sound, sound.url, sound.snapshots) as history:
        step = next(iter(history.steps(200, 200)))
        outcome = WhatIf(history, edits_of([("here", {"op": "remove", "sequence": 200})], apps.sound.schema)).run()
    assert outcome.edited.state.total == outcome.original.state.total - step.event.fields["amount"]
    assert outcome.states_part == 200


def test_a_handler_that_raises_only_in_the_edited_journal_is_told(sound: Written) -> None:
    with (
        History(apps.sound, sound.url) as history,
        pytest.raises(Halted, match="in the edited journal the handler of Add raised"),
    ):
        WhatIf(history, [], apps.touchy).run()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("nonsense", "line 1: this is no JSON"),
        ('{"op": "undo", "sequence": 3}', "an edit is"),
        ('{"op": "remove", "sequence": 0}', "a whole number from 1 on"),
        (
            '{"op": "insert", "sequence": 3, "event": {"type": "Refund", "account": 1}}',
            "has no event 'Refund'; it has Deposit, Transfer",
        ),
        (
            '{"op": "insert", "sequence": 3, "event": {"type": "Deposit", "account": 1}}',
            "has the fields account, amount",
        ),
        (
            '{"op": "insert", "sequence": 3, "event": {"type": "Deposit", "account": -1, "amount": 1}}',
            "from 0 to 4294967295",
        ),
        ('{"op": "replace", "sequence": 3, "event": {"type": "Deposit", "colour": 1}}', "has no field 'colour'"),
        ('{"op": "replace", "sequence": 3, "event": {"colour": 1}}', "has the fields account, amount"),
        ('{"op": "remove", "sequence": 1}', "is a control event"),
        (
            '{"op": "insert", "sequence": 1, "event": {"type": "Deposit", "account": 1, "amount": 1}}',
            "no session has sent an event",
        ),
        ('{"op": "remove", "sequence": 900}', "there is no sequence 900"),
        ("", "there is no edit"),
    ],
)
def test_an_edit_that_cannot_be_is_a_clear_error(
    line: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.history.test_temporal_queries import imported

    (tmp_path / "edits").write_text(line)
    url = imported(embedded(tmp_path / "journal"))
    words = ["what-if", "--app", "examples.bank:app", "--journal", url, "--edits", str(tmp_path / "edits")]
    assert main(words) == WrongUse.exit_code
    assert text in capsys.readouterr().err


def test_the_command_prints_where_they_part_and_how_they_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.history.test_temporal_queries import imported

    (tmp_path / "edits").write_text(json.dumps(REPLACED))
    url = imported(embedded(tmp_path / "journal"))
    words = ["what-if", "--app", "examples.bank:app", "--journal", url, "--edits", str(tmp_path / "edits")]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["states_part"], answer["outputs_part"]) == (22, 22)
    assert answer["said_then"] != answer["said_now"] and answer["changes"][0]["path"] == "state.balances[0]"
    assert main(words) == 0
    assert "the states part at sequence 22" in capsys.readouterr().out
