"""What a journal holds, counted, without the application: `processor journal info`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from processor.errors import CorruptJournal
from processor.journal.base import Journal
from processor.journal.dump import SEQUENCE_MAX, type_name
from processor.journal.records import BlockRecord, ClaimRecord, Record, records
from processor.journal.url import parse_url
from processor.leadership.claim import Claim


@dataclass
class Survey:
    """A journal as far as it could be read; `damage` says why not further, "" when its end was reached.

    Events, times and types are those of valid blocks; `bytes` is what all records take, headers included.
    """

    url: str
    kind: str
    first_offset: int | None = None
    end_offset: int | None = None
    claim: Claim | None = None           # the one in force
    epochs: list[dict[str, Any]] = field(default_factory=list)
    events: int = 0
    last_sequence: int = 0
    first_timestamp: int | None = None
    last_timestamp: int | None = None
    blocks: int = 0
    void_blocks: int = 0
    void_claims: int = 0
    foreign_records: int = 0
    bytes: int = 0
    events_by_type: Counter[str] = field(default_factory=Counter)
    damage: str = ""

    def summary(self) -> dict[str, Any]:
        """One JSON object; what an empty journal does not know is None. Times are ns since the epoch."""
        claim = self.claim
        return {
            "url": self.url, "kind": self.kind, "first_offset": self.first_offset, "end_offset": self.end_offset,
            "journal_id": f"{claim.journal_id:016x}" if claim else None,
            "application": claim.application if claim else None,
            "version": claim.version if claim else None,
            "fingerprint": f"{claim.schema.fingerprint:016x}" if claim else None,
            "epochs": self.epochs, "events": self.events, "last_sequence": self.last_sequence,
            "first_timestamp": self.first_timestamp, "last_timestamp": self.last_timestamp, "blocks": self.blocks,
            "void_blocks": self.void_blocks, "void_claims": self.void_claims, "foreign_records": self.foreign_records,
            "bytes": self.bytes, "events_by_type": dict(self.events_by_type.most_common()),
            "damage": self.damage or None,
        }  # fmt: skip


def survey(journal: Journal, first: int = 1, last: int = SEQUENCE_MAX) -> Survey:
    """Reads the whole journal up to the end as it is now; events are those with a sequence from `first` to `last`.

    Damage is told in the result. Raises JournalError when the journal cannot be read.
    """
    found = Survey(journal.url, parse_url(journal.url).kind)
    try:
        for record in records(journal):
            _add(found, record, first, last)
        if found.end_offset is None:
            found.first_offset, found.end_offset = journal.ends()
    except CorruptJournal as error:
        found.damage = str(error)
    return found


def _add(found: Survey, record: Record, first: int, last: int) -> None:
    found.bytes += record.bytes
    found.end_offset = record.next_offset
    if found.first_offset is None:
        found.first_offset = record.offset
    if isinstance(record, ClaimRecord):
        if record.void or record.claim is None:
            found.void_claims += 1
            return
        claim = found.claim = record.claim
        found.epochs.append({
            "offset": record.offset, "writer": f"{claim.writer:016x}", "host": claim.host, "pid": claim.pid,
            "time": claim.time_ns, "version": claim.version,
            "sessions": asdict(claim.sessions) if claim.sessions else None,
        })  # fmt: skip
    elif isinstance(record, BlockRecord):
        found.void_blocks += record.void
        found.blocks += not record.void
        if not record.void:
            _count(found, record, first, last)
    else:
        found.foreign_records += 1


def _count(found: Survey, block: BlockRecord, first: int, last: int) -> None:
    sequences = block.headers["sequence"]
    found.last_sequence = int(sequences[-1])
    headers = block.headers[(sequences >= first) & (sequences <= last)]
    if not len(headers):
        return
    found.events += len(headers)
    if found.first_timestamp is None:
        found.first_timestamp = int(headers["timestamp"][0])
    found.last_timestamp = int(headers["timestamp"][-1])
    numbers, counts = np.unique(headers["type"], return_counts=True)
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        found.events_by_type[type_name(number, block.schema)] += count
