"""The bytes of a snapshot file, little-endian, without holes.

    0        8        12             16          24         32         40           48            56
    | magic  | version| header bytes | file bytes| sequence | position | journal id | fingerprint |
    56              64              72              80          88        96                  104
    | epoch's offset| epoch's writer| next sequence | timestamp | created | last block offset |
    104                   108         112           120              128           136                144
    | last block checksum | partition | state bytes | sessions bytes | timers bytes | quarantine bytes |
    144     148          152        156               160
    | flags | text bytes | reserved | header checksum | text (JSON: names and the schema), padded to 8 with spaces |
    | state | sessions | timers | quarantine (u64 each) |
    | end mark: 80 bytes |

    the end mark
    0        8            24             40              48                 56       72         76         80
    | magic  | state hash | state digest | sessions hash | nanoseconds taken | digest | reserved | checksum |

The header checksum is the CRC-32C of the 156 bytes before it and of the text: a header can be trusted by itself. The
state digest is BLAKE2b-128 over the state's bytes as they stand here, the state hash over its canonical form (the same
where flag 1 is set). The digest is BLAKE2b-128 over header, sessions, timers, quarantine and the first 56 bytes of the
end mark (so over the state, too, by its digest). The last checksum is the CRC-32C of everything before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from processor.errors import WrongUse
from processor.journal.base import checksum

MAGIC = b"PROCSNAP"
END_MAGIC = b"PSNAPEND"
VERSION = 1
STATE_IS_CANONICAL = 1

HEADER = np.dtype(
    [
        ("magic", "V8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("file_bytes", "<u8"),
        ("sequence", "<u8"),
        ("position", "<i8"),
        ("journal_id", "<u8"),
        ("fingerprint", "<u8"),
        ("epoch_offset", "<i8"),
        ("epoch_writer", "<u8"),
        ("next_sequence", "<u8"),
        ("timestamp", "<i8"),
        ("created", "<i8"),
        ("last_block_offset", "<i8"),
        ("last_block_checksum", "<u4"),
        ("partition", "<i4"),
        ("state_bytes", "<u8"),
        ("sessions_bytes", "<u8"),
        ("timers_bytes", "<u8"),
        ("quarantine_bytes", "<u8"),
        ("flags", "<u4"),
        ("text_bytes", "<u4"),
        ("reserved", "<u4"),
        ("header_checksum", "<u4"),
    ]
)

END = np.dtype(
    [
        ("magic", "V8"),
        ("state_hash", "V16"),
        ("state_digest", "V16"),
        ("sessions_hash", "<u8"),
        ("taken_ns", "<i8"),
        ("digest", "V16"),
        ("reserved", "<u4"),
        ("checksum", "<u4"),
    ]
)

SECTIONS = ("state", "sessions", "timers", "quarantine")
END_DIGESTED_BYTES = 56
NAME = re.compile(r"(?:snapshot|kept-(?P<kept>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}))-(?P<sequence>\d{20})\.snap")


@dataclass(frozen=True, kw_only=True)
class SnapshotMeta:
    """What a snapshot says of itself. `position` and the block offsets are the journal's, times ns since the epoch."""

    application: str
    application_version: str
    fingerprint: int  # of the schema
    schema: str  # its text
    journal_id: int
    journal_url: str
    partition: int
    position: int  # where replay begins; slots below next_sequence are dropped
    next_sequence: int
    epoch_offset: int  # of the last claim before the position; -1: none
    epoch_writer: int
    last_block_offset: int  # of the last applied block; -1: none
    last_block_checksum: int  # crc32c of its slots
    timestamp: int  # of the last applied event
    created: int  # by the wall clock; not part of the state

    @property
    def sequence(self) -> int:
        """Of the last applied event; 0: none."""
        return self.next_sequence - 1


@dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot's file, without its sections. `seconds`: from the start of taking it to the end of writing."""

    path: Path
    meta: SnapshotMeta
    state_hash: bytes
    sessions_hash: int
    bytes: int
    seconds: float
    kept: str | None = None
    fork_seconds: float = 0.0  # how long the business logic stood still; 0 for one read from its file

    @property
    def sequence(self) -> int:
        return self.meta.sequence

    @property
    def position(self) -> int:
        return self.meta.position

    def summary(self) -> dict[str, Any]:
        """What the commands print as JSON."""
        return {
            "sequence": self.sequence,
            "position": self.position,
            "state_hash": self.state_hash.hex(),
            "sessions_hash": f"{self.sessions_hash:016x}",
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
            "fork_seconds": round(self.fork_seconds, 6),
            "kept": self.kept,
            "path": str(self.path),
        }


def crc32c(data: bytes | memoryview, seed: int = 0) -> int:
    """CRC-32C of the bytes, continuing from `seed`."""
    return checksum(data, seed)  # type: ignore[arg-type]


def sessions_hash(export: bytes | memoryview) -> int:
    """64 bits over the session table's export, as journaled with the state's hash."""
    return int.from_bytes(hashlib.blake2b(export).digest()[:8], "little")


def file_name(sequence: int, keep: str | None) -> str:
    """snapshot-SEQUENCE.snap or kept-NAME-SEQUENCE.snap; raises WrongUse for a name that cannot be part of it."""
    name = f"{'snapshot' if keep is None else f'kept-{keep}'}-{sequence:020}.snap"
    if NAME.fullmatch(name) is None:
        raise WrongUse(f"a kept snapshot's name is 1 to 64 letters, digits, '_', '-' or '.', not {keep!r}")
    return name


def pack_header(meta: SnapshotMeta, lengths: Mapping[str, int], canonical: bool) -> bytes:
    """Header and text; raises WrongUse for a number that does not fit its field."""
    text = json.dumps(
        {
            "application": meta.application,
            "application_version": meta.application_version,
            "journal_url": meta.journal_url,
            "schema": meta.schema,
        }
    ).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    values = {
        **{name: getattr(meta, name) for name in HEADER.names or () if hasattr(meta, name)},
        **{f"{section}_bytes": lengths[section] for section in SECTIONS},
        "version": VERSION,
        "header_bytes": HEADER.itemsize + len(text),
        "file_bytes": HEADER.itemsize + len(text) + sum(lengths.values()) + END.itemsize,
        "flags": STATE_IS_CANONICAL if canonical else 0,
        "text_bytes": len(text),
    }
    record = np.zeros((), HEADER)
    record["magic"] = np.void(MAGIC)
    for name, value in values.items():
        try:
            record[name] = value
        except OverflowError:
            raise WrongUse(f"snapshot: {name} is {HEADER[name].name}, {value} does not fit") from None
    head = record.tobytes()[:-4]
    return head + crc32c(text, crc32c(head)).to_bytes(4, "little") + text


def pack_end(state_hash: bytes, state_digest: bytes, sessions: int, taken_ns: int) -> bytes:
    """The end mark up to its digest."""
    record = np.zeros((), END)
    record["magic"] = np.void(END_MAGIC)
    record["state_hash"], record["state_digest"] = np.void(state_hash), np.void(state_digest)
    record["sessions_hash"], record["taken_ns"] = sessions, taken_ns
    return record.tobytes()[:END_DIGESTED_BYTES]


def meta_of(header: np.void, text: bytes) -> SnapshotMeta:
    """What a checked header says; raises ValueError or KeyError when the text is not ours."""
    names = json.loads(text)
    numbers = {name: int(header[name]) for name in HEADER.names or () if name in SnapshotMeta.__dataclass_fields__}
    strings = {name: str(names[name]) for name in ("application", "application_version", "journal_url", "schema")}
    return SnapshotMeta(**numbers, **strings)  # type: ignore[arg-type]
