"""An application whose events do not fit into the journal's records is refused before anything is claimed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from processor import App
from processor.errors import JournalError
from processor.fields import raw
from processor.journal import open_journal
from processor.service import Service
from tests.journal import topics

app = App("wide")

Blob = raw[30_000]


@app.event
class Wide:
    blob: Blob


@app.state
@dataclass
class Nothing:
    seen: int = 0


@app.on(Wide)
def see(state: Nothing, event: Wide, context: object) -> None:
    state.seen += 1


def refused(url: str, tmp_path: Path) -> str:
    service = Service(
        app, journal=url, listen=f"unix:{tmp_path}/s", snapshots=tmp_path / "snapshots", report=lambda line: None
    )
    with pytest.raises(JournalError) as caught:
        service.start()
    with open_journal(url) as journal:
        assert journal.ends() == (0, 0)
    return str(caught.value)


def test_in_an_embedded_journal_with_small_segments(tmp_path: Path) -> None:
    text = refused(f"embedded://{tmp_path}/j?segment_bytes=16384", tmp_path)
    assert "an event of this application takes 30032 bytes" in text
    assert "up to 16304 bytes; a new journal can have larger ones (?segment_bytes=N)" in text


def test_in_a_topic_with_small_records(bootstrap: str, topic: str, tmp_path: Path) -> None:
    topics.make(bootstrap, topic, max_message_bytes="20000")
    text = refused(f"kafka://{bootstrap}/{topic}", tmp_path)
    assert "an event of this application takes 30032 bytes" in text
    assert f"the topic {topic} takes up to 19488 bytes a block; raise its max.message.bytes" in text
