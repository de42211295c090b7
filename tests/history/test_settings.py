"""The past is replayed with the session settings that the service ran with, though nobody repeats them."""

from __future__ import annotations

from pathlib import Path

from bench.service_process import running
from processor.client import Client, admin
from processor.history.history import History
from processor.journal.inspect import survey
from processor.journal.records import open_to_look
from processor.snapshot.store import SnapshotStore
from tests.cli.commands import processor
from tests.history.apps import SoundAdd, sound
from tests.history.support import embedded

WINDOW = 32


def test_the_claims_tell_the_settings_where_no_snapshot_does(tmp_path: Path) -> None:
    url = embedded(tmp_path / "journal")
    with running(
        "tests.history.apps:sound", journal=url, listen=f"unix:{tmp_path}/s", snapshots=tmp_path / "snapshots",
        options=("--window", str(WINDOW)),
    ) as service:
        with Client(service.listen, sound, timeout_s=60) as client:
            for amount in range(10):
                client.request(SoundAdd(amount, "a"))
        taken = admin(service.listen, {"command": "snapshot"})
        assert taken["ok"], taken
    for found in SnapshotStore(tmp_path / "snapshots").files():
        found.path.unlink()
    with History(sound, url) as past:
        moment = past.at(taken["sequence"])
    assert moment.state_hash.hex() == taken["state_hash"]
    assert moment.state.total == 45
    with open_to_look(url) as journal:
        (epoch,) = survey(journal).summary()["epochs"]
    assert epoch["sessions"]["window"] == WINDOW
    said = processor("journal", "info", url)
    assert f"window {WINDOW}, kept_bytes_max 16777216, sessions_max 4096)" in said.stdout, said.stderr
    verified = processor("verify", "--app", "tests.history.apps:sound", "--journal", url)
    assert verified.returncode == 0, verified.stderr
