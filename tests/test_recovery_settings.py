"""Session settings stand in the claims: a service with other ones is refused before it claims."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from processor.config import Config
from processor.counters import Counters
from processor.errors import EXIT_CANNOT_RUN, CorruptJournal, SettingsMismatch
from processor.journal import open_journal
from processor.journal.base import Journal
from processor.journal.records import ClaimRecord, records
from processor.leadership.claim import SessionSettings, build_claim, parse_claim
from processor.recovery.recover import Interrupted, Recovered, recover
from tests.journaled import Writer
from tests.simulation.application import app

A, B = 0xA1, 0xB2
CONFIG = Config(window=16, kept_bytes_max=1000, sessions_max=8)
SETTINGS = SessionSettings.of(CONFIG)
ADD = {"account": 1, "amount": 3}


def recovered(journal: Any, directory: Path, config: Config = CONFIG, **how: Any) -> Recovered:
    return recover(app, journal, directory, config, counters=Counters(), report=lambda text: None, **how)


def written(journal: Journal, *claims: SessionSettings | None) -> Writer:
    """A journal of these claims, with an event behind the last one."""
    writer = Writer(journal, app.schema)
    for number, sessions in enumerate(claims):
        writer.claim(A + number, sessions=sessions)
    writer.block(writer.event("Add", **ADD))
    return writer


def test_a_claim_tells_the_settings_and_one_of_before_tells_none() -> None:
    header, data = build_claim(A, 0, app.schema, "1", sessions=SETTINGS)
    assert parse_claim(header, data).sessions == SETTINGS
    assert json.loads(data)["sessions"] == asdict(SETTINGS)
    header, data = build_claim(A, 0, app.schema, "1")
    assert "sessions" not in json.loads(data)
    assert parse_claim(header, data).sessions is None


def test_settings_that_are_cut_off_are_damage() -> None:
    header, data = build_claim(A, 0, app.schema, "1", sessions=SETTINGS)
    value = json.loads(data)
    del value["sessions"]["window"]
    with pytest.raises(CorruptJournal, match="offset 5: the claim's text cannot be read"):
        parse_claim(header, json.dumps(value).encode(), "offset 5")


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("window", 32, "--window 16"),
        ("kept_bytes_max", 2000, r"Config\(kept_bytes_max=1000\)"),
        ("sessions_max", 9, r"Config\(sessions_max=8\)"),
    ],
)
def test_another_setting_is_refused_by_name_and_leaves_no_claim(
    tmp_path: Path, name: str, value: int, advice: str
) -> None:
    with open_journal("memory:", write=True) as journal:
        written(journal, SETTINGS)
        end = journal.ends()
        said = rf"offset 0 .*: {name} is {getattr(CONFIG, name)} there, {value} here\. Start with {advice},"
        with pytest.raises(SettingsMismatch, match=said) as error:
            recovered(journal, tmp_path, replace(CONFIG, **{name: value}))
        assert error.value.exit_code == EXIT_CANNOT_RUN
        assert journal.ends() == end
        assert recovered(journal, tmp_path).events == 1
        claims = [one.claim for one in records(journal) if isinstance(one, ClaimRecord)]
        assert [claim.sessions for claim in claims if claim is not None] == [SETTINGS, SETTINGS]


def test_a_journal_of_before_takes_any_settings_and_the_next_claim_tells_them(tmp_path: Path) -> None:
    with open_journal("memory:", write=True) as journal:
        written(journal, None)
        recovered(journal, tmp_path)
        assert [one.claim.sessions for one in records(journal) if isinstance(one, ClaimRecord) and one.claim] == [
            None, SETTINGS
        ]  # fmt: skip


def test_a_claim_that_no_event_follows_keeps_nobody_out(tmp_path: Path) -> None:
    others = replace(SETTINGS, window=4)
    with open_journal("memory:", write=True) as journal:
        written(journal, others, SETTINGS)
        with pytest.raises(SettingsMismatch, match=r"claim at offset 1 .*window is 16 there, 4 here"):
            recovered(journal, tmp_path, replace(CONFIG, window=4))
        assert recovered(journal, tmp_path).events == 1


class ClaimedByAnother:
    """A journal in which another service's claim lands just before ours."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.claims = journal, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    def append_record(self, header: bytes, data: bytes) -> tuple[int, int]:
        self.journal.append_record(*build_claim(B, A, app.schema, "1", sessions=SETTINGS))
        self.claims += 1
        return self.journal.append_record(header, data)


def test_who_is_stopped_before_the_claim_hears_that_nothing_was_claimed(tmp_path: Path) -> None:
    with open_journal("memory:", write=True) as journal:
        written(journal, SETTINGS)
        end = journal.ends()
        with pytest.raises(Interrupted, match="nothing was claimed"):
            recovered(journal, tmp_path, should_stop=lambda: True)
        assert journal.ends() == end


def test_who_is_stopped_while_the_claim_is_awaited_hears_that_it_stands_there(tmp_path: Path) -> None:
    with open_journal("memory:", write=True) as journal:
        written(journal, SETTINGS)
        end = journal.ends()[1]
        both = ClaimedByAnother(journal)
        with pytest.raises(Interrupted, match="its claim was appended, but it never led, and no event was written"):
            recovered(both, tmp_path, should_stop=lambda: both.claims > 0)
        assert journal.ends()[1] == end + 2
