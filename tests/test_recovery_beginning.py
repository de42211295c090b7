"""Where a recovery begins while the leader before it is still alive, in the same directory."""

from pathlib import Path

import numpy as np
import pytest

from processor.config import Config
from processor.counters import Counters
from processor.journal import open_journal
from processor.journal.base import Journal, checksum
from processor.layout import HEADER
from processor.leadership.claim import build_claim
from processor.logic.sessions import Sessions
from processor.recovery.recover import recover
from processor.snapshot.layout import SnapshotMeta
from processor.snapshot.store import Found, SnapshotStore
from tests.simulation.application import Ledger, app
from tests.test_validity import A, block

CONFIG = Config()


def append_event_and_snapshot(journal: Journal, store: SnapshotStore) -> None:
    """A snapshot trigger at offset 1, and the snapshot of sequence 1 that it asked for."""
    slot = np.array([(1, 7, 0, 0xFF03, 16, 0)], HEADER).tobytes().ljust(app.schema.slot_bytes, b"\0")
    header = block(0, A, 1, 1, slot_bytes=len(slot), data_bytes=len(slot))
    offset, next_offset = journal.append_record(header, slot)
    meta = SnapshotMeta(
        application=app.name, application_version=app.version, fingerprint=app.schema.fingerprint,
        schema=app.schema.text, journal_id=A, journal_url=journal.url, partition=0, position=next_offset,
        next_sequence=2, epoch_offset=0, epoch_writer=A, last_block_offset=offset, last_block_checksum=checksum(slot),
        timestamp=7, created=7,
    )  # fmt: skip
    sessions = Sessions(CONFIG.window, CONFIG.kept_bytes_max, CONFIG.sessions_max)
    store.write(meta, Ledger(), sessions.export())


def test_a_snapshot_that_the_old_leader_writes_meanwhile_is_no_sign_of_a_lost_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = SnapshotStore.files
    with open_journal("memory:", write=True) as journal:
        journal.append_record(*build_claim(A, A, app.schema, app.version))

        def files(store: SnapshotStore) -> list[Found]:
            monkeypatch.setattr(SnapshotStore, "files", listed)
            append_event_and_snapshot(journal, store)
            return listed(store)

        monkeypatch.setattr(SnapshotStore, "files", files)
        recovered = recover(app, journal, tmp_path, CONFIG, counters=Counters(), report=lambda text: None)
    assert recovered.snapshot is not None
    assert (recovered.snapshot.sequence, recovered.core.sequence, recovered.log.epoch_offset) == (1, 1, 2)
