"""Journals written record by record, for those who look at what is in one."""

from __future__ import annotations

from typing import Any

import numpy as np

from processor.fields import field_type, i64, raw, text, u32
from processor.journal.base import Journal
from processor.layout import BLOCK_HEADER, HEADER
from processor.leadership.claim import BLOCK_MAGIC, BLOCK_SLOTS, build_claim
from processor.schema import Message, Schema

NOON = 1_700_000_000_000_000_000
SCHEMA = Schema("bank", [
    Message(1, "Deposit", {"account": field_type(u32), "amount": field_type(i64)}),
    Message(2, "Rename", {"name": field_type(text[8]), "key": field_type(raw[3])}),
    Message(3, "Tick", {}),
], [])  # fmt: skip


class Writer:
    """Appends claims and blocks, all the fields of which can be said otherwise."""

    def __init__(self, journal: Journal, schema: Schema = SCHEMA) -> None:
        self.journal, self.schema = journal, schema
        self.epoch = (-1, 0)
        self.journal_id = 0
        self.sequence = 0

    def claim(self, writer: int, **said: Any) -> int:
        """Its offset."""
        header, data = build_claim(writer, self.journal_id, self.schema, "7", host="here", pid=42, time_ns=NOON, **said)
        offset, _ = self.journal.append_record(header, data)
        self.journal_id = self.journal_id or writer
        self.epoch = (offset, writer)
        return offset

    def block(self, *events: tuple[int, bytes], first: int | None = None, epoch: tuple[int, int] | None = None) -> int:
        """Events as (type, payload), from sequence `first` on (default: the next); its offset."""
        start = self.sequence + 1 if first is None else first
        size = self.schema.slot_bytes
        data = bytearray()
        for number, (kind, payload) in enumerate(events):
            head = np.zeros((), HEADER)
            head["sequence"], head["timestamp"] = start + number, NOON + start + number
            head["session"], head["request"], head["type"], head["length"] = 5, 100 + number, kind, len(payload)
            data += (head.tobytes() + payload).ljust(size, b"\0")
        header = np.zeros((), BLOCK_HEADER)
        header["magic"], header["version"], header["kind"] = BLOCK_MAGIC, 1, BLOCK_SLOTS
        header["epoch_offset"], header["epoch_writer"] = self.epoch if epoch is None else epoch
        header["first_sequence"], header["count"], header["slot_bytes"] = start, len(events), size
        header["fingerprint"], header["data_bytes"] = self.schema.fingerprint, len(data)
        offset, _ = self.journal.append_record(header.tobytes(), bytes(data))
        if first is None and epoch is None:
            self.sequence += len(events)
        return offset

    def event(self, name: str, /, **values: Any) -> tuple[int, bytes]:
        message = self.schema.event_names[name]
        return message.number, message.pack(values)

    def deposits(self, *amounts: int) -> list[tuple[int, bytes]]:
        return [self.event("Deposit", account=1, amount=amount) for amount in amounts]

