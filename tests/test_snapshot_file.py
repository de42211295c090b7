"""A snapshot's file is read only when every byte is as it was written, and lies where this page says."""

import dataclasses
import errno
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from processor.errors import SnapshotError, WrongUse
from processor.snapshot import file as snapshot_file
from processor.snapshot.file import read_info, read_snapshot, write_snapshot
from processor.snapshot.layout import END, HEADER, SnapshotMeta, crc32c, sessions_hash
from processor.snapshot.state import encode_state, state_hash

META = SnapshotMeta(
    application="bank",
    application_version="2",
    fingerprint=0x1122_3344_5566_7788,
    schema='{"application":"bank"}',
    journal_id=2**64 - 1,
    journal_url="embedded:///tmp/é",
    partition=3,
    position=4096,
    next_sequence=1001,
    epoch_offset=-1,
    epoch_writer=77,
    last_block_offset=2048,
    last_block_checksum=2**32 - 1,
    timestamp=1_700_000_000_000_000_001,
    created=1_700_000_000_000_000_002,
)


@dataclass
class Bank:
    balances: dict[int, int] = field(default_factory=dict)
    table: np.ndarray = field(default_factory=lambda: np.zeros(2, "i8"))


def written(directory: Path, **more: object) -> Path:
    state = encode_state(Bank({1: 10, 2: 20}))
    return write_snapshot(directory, META, state, b"sessions!", timers=b"t", quarantine=[7, 9], **more).path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    state = Bank({1: 10, 2: 20})
    info = write_snapshot(tmp_path, META, encode_state(state), b"sessions!", timers=b"t", quarantine=[7, 9])
    assert info.path == tmp_path / "snapshot-00000000000000001000.snap"
    snapshot = read_snapshot(info.path)
    assert snapshot.info.meta == META
    assert bytes(snapshot.sessions) == b"sessions!" and bytes(snapshot.timers) == b"t" and snapshot.quarantine == (7, 9)
    assert snapshot.load_state(Bank).balances == state.balances
    assert snapshot.info.state_hash == info.state_hash == state_hash(state)
    assert snapshot.info.sessions_hash == info.sessions_hash == sessions_hash(b"sessions!")
    assert snapshot.info.bytes == info.bytes == info.path.stat().st_size
    quick = read_info(info.path)
    assert quick == snapshot.info and 0 < quick.seconds <= info.seconds
    assert os.listdir(tmp_path) == [info.path.name]


def test_a_state_keeps_the_order_of_its_dicts_and_its_canonical_hash(tmp_path: Path) -> None:
    state = Bank({2: 20, 1: 10})
    export = encode_state(state, ordered=True)
    with pytest.raises(WrongUse, match="with its hash"):
        write_snapshot(tmp_path, META, export, b"")
    path = write_snapshot(tmp_path, META, export, b"", canonical_hash=state_hash(state)).path
    snapshot = read_snapshot(path)
    assert list(snapshot.load_state(Bank).balances) == [2, 1]
    assert snapshot.info.state_hash == state_hash(Bank({1: 10, 2: 20}))


def test_a_state_that_does_not_come_back_with_its_hash_is_refused(tmp_path: Path) -> None:
    export = encode_state(Bank({2: 20, 1: 10}), ordered=True)
    path = write_snapshot(tmp_path, META, export, b"", canonical_hash=bytes(16)).path
    with pytest.raises(SnapshotError, match=r"has the hash [0-9a-f]{32}, the one written had 0{32}"):
        read_snapshot(path).load_state(Bank)


def test_the_fixed_parts_lie_at_these_offsets(tmp_path: Path) -> None:
    """Golden: files are read by these numbers. A change is a new format version; ask for a third pair of eyes."""
    assert {name: HEADER.fields[name][1] for name in HEADER.names} == {
        "magic": 0, "version": 8, "header_bytes": 12, "file_bytes": 16, "sequence": 24, "position": 32,
        "journal_id": 40, "fingerprint": 48, "epoch_offset": 56, "epoch_writer": 64, "next_sequence": 72,
        "timestamp": 80, "created": 88,
        "last_block_offset": 96, "last_block_checksum": 104, "partition": 108, "state_bytes": 112,
        "sessions_bytes": 120, "timers_bytes": 128, "quarantine_bytes": 136, "flags": 144, "text_bytes": 148,
        "reserved": 152,
        "header_checksum": 156,
    }  # fmt: skip
    assert {name: END.fields[name][1] for name in END.names} == {
        "magic": 0, "state_hash": 8, "state_digest": 24, "sessions_hash": 40, "taken_ns": 48, "digest": 56,
        "reserved": 72, "checksum": 76,
    }  # fmt: skip
    data = written(tmp_path).read_bytes()
    state = bytes(encode_state(Bank({1: 10, 2: 20})))
    assert data[:12] == b"PROCSNAP\x01\x00\x00\x00"
    (header_bytes,) = struct.unpack_from("<I", data, 12)
    assert struct.unpack_from("<QQqQQqQQqqqIi", data, 16) == (
        len(data), 1000, 4096, 2**64 - 1, 0x1122_3344_5566_7788, -1, 77, 1001, META.timestamp, META.created,
        2048, 2**32 - 1, 3,
    )  # fmt: skip
    assert struct.unpack_from("<QQQQIII", data, 112) == (len(state), 9, 1, 16, 1, header_bytes - 160, 0)
    body = data[header_bytes:-80]
    assert body == state + b"sessions!" + b"t" + struct.pack("<QQ", 7, 9)
    assert data[-80:-72] == b"PSNAPEND" and data[-72:-56] == state_hash(Bank({1: 10, 2: 20}))
    assert struct.unpack_from("<I", data, len(data) - 4) == (crc32c(data[:-4]),)


def test_any_one_flipped_byte_is_found(tmp_path: Path) -> None:
    path = written(tmp_path)
    good = path.read_bytes()
    for at in range(len(good)):
        for change in (0x01, 0x80, 0xFF):
            bad = bytearray(good)
            bad[at] ^= change
            path.write_bytes(bad)
            with pytest.raises(SnapshotError, match=r"snapshot-0+1000\.snap"):
                read_snapshot(path)
    path.write_bytes(good)
    assert read_snapshot(path).quarantine == (7, 9)


@pytest.mark.parametrize("ordered", [False, True])
def test_flipped_bytes_are_found_even_where_the_checksum_was_made_to_fit(tmp_path: Path, ordered: bool) -> None:
    """The digests behind the last checksum are tested on their own."""
    state = Bank({2: 20, 1: 10})
    export = encode_state(state, ordered=ordered)
    path = write_snapshot(tmp_path, META, export, b"sessions!", canonical_hash=state_hash(state)).path
    good = path.read_bytes()
    for at in [*range(160, len(good) - 4)]:
        bad = bytearray(good)
        bad[at] ^= 0x10
        bad[-4:] = struct.pack("<I", crc32c(bytes(bad[:-4])))
        path.write_bytes(bad)
        with pytest.raises(SnapshotError):
            read_snapshot(path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        for read in (read_snapshot, read_info):
            with pytest.raises(SnapshotError, match="torn"):
                read(path)


def test_bytes_behind_the_end_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(SnapshotError, match=r"is torn: .* bytes are there"):
        read_snapshot(path)


def test_a_renamed_snapshot_a_newer_format_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    other = tmp_path / "snapshot-00000000000000002000.snap"
    other.write_bytes(path.read_bytes())
    with pytest.raises(SnapshotError, match="was renamed: it is the snapshot of sequence 1000"):
        read_snapshot(other)
    newer = bytearray(path.read_bytes())
    newer[8] = 2
    path.write_bytes(newer)
    with pytest.raises(SnapshotError, match="format version 2, this program reads 1"):
        read_info(path)
    with pytest.raises(SnapshotError, match="No such file"):
        read_snapshot(tmp_path / "snapshot-00000000000000003000.snap")


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "a b", "x" * 65, "a\n"])
def test_a_kept_name_that_is_no_plain_word_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse, match="kept snapshot's name"):
        written(tmp_path, keep=name)
    assert os.listdir(tmp_path) == []


def test_a_kept_one_stands_under_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, keep="before-release_1.2")
    assert path.name == "kept-before-release_1.2-00000000000000001000.snap"
    assert read_snapshot(path).info.kept == "before-release_1.2"


@pytest.mark.parametrize("step", ["posix_fallocate", "write", "fsync", "replace"])
def test_a_step_that_fails_leaves_the_file_before_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = written(tmp_path)
    before = path.read_bytes()

    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(snapshot_file.os, step, full)
    with pytest.raises(
        SnapshotError, match=rf"{tmp_path}: cannot write the snapshot of sequence 1000: No space left.*make room"
    ):
        written(tmp_path)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == before


def test_the_data_is_synced_before_it_gets_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        steps.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_size))
        real_sync(descriptor)

    def replace(old: Path, new: Path) -> None:
        steps.append(("name", str(new)))
        real_replace(old, new)

    monkeypatch.setattr(snapshot_file.os, "fsync", sync)
    monkeypatch.setattr(snapshot_file.os, "replace", replace)
    path = written(tmp_path)
    assert [step[0] for step in steps] == ["sync", "name", "sync"]
    assert steps[0][1].endswith(".tmp") and steps[0][2] == path.stat().st_size
    assert steps[2][1] == str(tmp_path)


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"fingerprint is .*does not fit"):
        write_snapshot(tmp_path, dataclasses.replace(META, fingerprint=2**64), b"", b"")


def test_a_header_whose_sequence_and_next_sequence_disagree_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<Q", data, 72, 1002)
    header_bytes = struct.unpack_from("<I", data, 12)[0]
    struct.pack_into("<I", data, 156, crc32c(bytes(data[160:header_bytes]), crc32c(bytes(data[:156]))))
    path.write_bytes(data)
    with pytest.raises(SnapshotError, match="next sequence 1002"):
        read_info(path)
