"""A directory of snapshots: what is kept, what is removed, what is used after something broke."""

import dataclasses
import fcntl
import os
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from processor.errors import SnapshotError, WrongUse
from processor.snapshot.layout import SnapshotInfo, SnapshotMeta
from processor.snapshot.state import state_hash
from processor.snapshot.store import SnapshotStore


@dataclass
class Bank:
    balances: dict[int, int] = field(default_factory=dict)
    table: np.ndarray = field(default_factory=lambda: np.zeros(2, "i8"))


def meta(sequence: int, journal_id: int = 7) -> SnapshotMeta:
    return SnapshotMeta(
        application="bank", application_version="1", fingerprint=5, schema="{}", journal_id=journal_id,
        journal_url="memory:", partition=0, position=sequence * 10, next_sequence=sequence + 1, epoch_offset=0,
        epoch_writer=7,
        last_block_offset=sequence * 10 - 10, last_block_checksum=1, timestamp=1, created=2,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    made = SnapshotStore(tmp_path / "snapshots")
    made.open()
    return made


def take(store: SnapshotStore, sequence: int, journal_id: int = 7, **more: str) -> SnapshotInfo:
    return store.write(meta(sequence, journal_id), Bank({sequence: 1}), b"sessions", **more)


def sequences(store: SnapshotStore) -> list[int]:
    return [found.sequence for found in store.files()]


def damage(path: Path, at: int = -85) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_newest_are_kept_and_listed_newest_first(store: SnapshotStore) -> None:
    for sequence in (1, 5, 30, 200, 1000):
        take(store, sequence)
    assert sequences(store) == [1000, 200, 30]
    assert all(found.good for found in store.files())


def test_what_a_user_keeps_by_name_stays(store: SnapshotStore) -> None:
    take(store, 1, keep="mine")
    for sequence in range(2, 9):
        take(store, sequence)
    assert sequences(store) == [8, 7, 6, 1]
    assert store.files()[-1].kept == "mine"


def test_a_second_one_of_the_same_sequence_replaces_the_first(store: SnapshotStore) -> None:
    take(store, 4)
    take(store, 4)
    assert sequences(store) == [4]


def test_the_newest_good_one_is_used_and_the_damaged_ones_are_told(store: SnapshotStore) -> None:
    infos = [take(store, sequence) for sequence in (1, 2, 3)]
    damage(infos[2].path)
    infos[1].path.write_bytes(infos[1].path.read_bytes()[:100])
    told = []
    snapshot = store.newest_good(7, lambda found, error: told.append((found.sequence, str(error))))
    assert snapshot is not None and snapshot.info.sequence == 1
    assert snapshot.load_state(Bank).balances == {1: 1}
    assert [sequence for sequence, _ in told] == [3, 2]
    assert "damaged" in told[0][1] and "torn" in told[1][1]


def test_every_byte_of_the_newest_flipped_falls_back_to_the_one_before(store: SnapshotStore) -> None:
    take(store, 1)
    path = take(store, 2).path
    good = path.read_bytes()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 0x04
        path.write_bytes(bad)
        snapshot = store.newest_good(7)
        assert snapshot is not None and snapshot.info.sequence == 1, f"byte {at}"


def test_without_a_good_one_there_is_none(store: SnapshotStore) -> None:
    assert store.newest_good(7) is None
    damage(take(store, 1).path)
    assert store.newest_good(7) is None
    assert SnapshotStore(store.directory / "missing").newest_good(7) is None


def test_a_snapshot_of_another_journal_is_refused(store: SnapshotStore) -> None:
    take(store, 1, journal_id=8)
    with pytest.raises(
        SnapshotError, match=r"snapshot of journal 0{15}8 \(memory:\), this one is 0{15}7: .*--snapshots"
    ):
        store.newest_good(7)


def test_the_last_good_one_is_never_removed(store: SnapshotStore) -> None:
    store.keep = 9
    infos = [take(store, sequence) for sequence in range(1, 7)]
    for info in infos[3:]:
        damage(info.path)
    store.keep = 3
    assert [path.name for path in store.prune()] == [infos[1].path.name, infos[0].path.name]
    assert sequences(store) == [6, 5, 4, 3]
    assert store.newest_good(7).info.sequence == 3  # type: ignore[union-attr]


def test_ones_with_a_damaged_header_do_not_push_good_ones_out(store: SnapshotStore) -> None:
    for sequence in (1, 2, 3):
        take(store, sequence)
    for sequence in (10, 11, 12):
        damage(take(store, sequence, keep="x").path.rename(store.directory / f"snapshot-{sequence:020}.snap"), at=30)
    take(store, 13)
    assert sequences(store) == [13, 12, 11, 10, 3, 2]
    take(store, 14)
    take(store, 15)
    assert sequences(store) == [15, 14, 13]


def test_snapshots_of_another_journal_are_not_removed(store: SnapshotStore) -> None:
    take(store, 1, journal_id=8)
    for sequence in range(2, 8):
        take(store, sequence)
    assert sequences(store) == [7, 6, 5, 1]


def test_the_one_just_written_stays_even_below_older_ones_of_higher_sequence(store: SnapshotStore) -> None:
    for sequence in (100, 200, 300):
        take(store, sequence)
    take(store, 50)
    assert sequences(store) == [300, 200, 100, 50]


def test_leftovers_of_killed_writers_are_not_looked_at_and_removed_at_the_next_start(store: SnapshotStore) -> None:
    path = take(store, 1).path
    leftover = store.directory / ".snapshot-00000000000000000002.snap.4711.tmp"
    leftover.write_bytes(path.read_bytes()[:50])
    strangers = [store.directory / ".other.tmp", store.directory / "notes.txt", store.directory / "snapshot-3.snap"]
    for stranger in strangers:
        stranger.write_text("not ours")
    assert sequences(store) == [1]
    assert store.open() == [leftover]
    assert not leftover.exists() and path.exists() and all(stranger.exists() for stranger in strangers)


def test_a_temporary_file_that_is_being_written_is_left_alone(store: SnapshotStore) -> None:
    busy = store.directory / ".snapshot-00000000000000000002.snap.4711.tmp"
    with busy.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert store.open() == []
    assert store.open() == [busy]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match=r"file/inside: cannot keep snapshots here"):
        SnapshotStore(tmp_path / "file" / "inside").open()
    with pytest.raises(WrongUse, match="at least one"):
        SnapshotStore(tmp_path, keep=0)


def test_a_dict_keeps_its_order_through_the_store_and_the_hash_is_canonical(store: SnapshotStore) -> None:
    state = Bank({9: 1, 3: 2, 5: 3})
    info = store.write(meta(1), state, b"")
    back = store.files()[0].read().load_state(Bank)
    assert list(back.balances) == [9, 3, 5]
    assert info.state_hash == state_hash(state) == state_hash(Bank({3: 2, 5: 3, 9: 1}))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory that takes files of at most 1 MiB: a tmpfs of that size where this may be mounted,
    else by a limit."""
    where = tmp_path / "disk"
    where.mkdir()
    if (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(where)], capture_output=True).returncode
        == 0
    ):
        yield where
        subprocess.run(["umount", str(where)], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        yield where
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_leaves_what_was_there(small_disk: Path) -> None:
    store = SnapshotStore(small_disk)
    store.open()
    take(store, 1)
    message = rf"{small_disk}: cannot write the snapshot of sequence 2: (No space left|File too large).*make room"
    with pytest.raises(SnapshotError, match=message):
        store.write(meta(2), Bank(table=np.ones(1 << 20)), b"")
    assert sequences(store) == [1] and store.files()[0].good
    assert len(os.listdir(small_disk)) == 1
    take(store, 3)
    assert sequences(store) == [3, 1]


def test_a_limit_on_the_size_of_files_is_told_as_a_full_disk_is(store: SnapshotStore) -> None:
    take(store, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(SnapshotError, match="sequence 2: File too large"):
            store.write(meta(2), Bank(table=np.ones(1 << 20)), b"")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(store.directory) == [store.files()[0].path.name]


def test_the_meta_of_a_file_is_what_was_given(store: SnapshotStore) -> None:
    given = dataclasses.replace(meta(5), application_version="é", last_block_offset=-1)
    store.write(given, Bank(), b"")
    info = store.files()[0].info
    assert isinstance(info, SnapshotInfo) and info.meta == given


def test_a_snapshot_of_another_journal_is_not_replaced_by_one_of_the_same_sequence(store: SnapshotStore) -> None:
    theirs = take(store, 5, journal_id=0xA)
    before = theirs.path.read_bytes()
    with pytest.raises(SnapshotError, match=r"journal 000000000000000a .*journal 000000000000000b .*--snapshots"):
        take(store, 5, journal_id=0xB)
    assert theirs.path.read_bytes() == before and os.listdir(store.directory) == [theirs.path.name]
    take(store, 5, journal_id=0xB, keep="mine")
    damage(theirs.path)
    take(store, 5, journal_id=0xA)
    assert [found.good for found in store.files()] == [True, True]


def test_a_snapshot_that_another_journal_names_while_ours_is_being_written_stays(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fallocate, theirs = os.posix_fallocate, []

    def overtaken(*arguments: int) -> None:
        monkeypatch.setattr(os, "posix_fallocate", fallocate)
        fallocate(*arguments)
        theirs.append(take(SnapshotStore(store.directory), 5, journal_id=0xA, keep="same"))

    monkeypatch.setattr(os, "posix_fallocate", overtaken)
    monkeypatch.setattr(os, "getpid", iter([1, 2]).__next__)
    with pytest.raises(SnapshotError, match="two services share this directory"):
        take(store, 5, journal_id=0xB, keep="same")
    assert os.listdir(store.directory) == [theirs[0].path.name]
    assert store.files()[0].read().info.meta.journal_id == 0xA
