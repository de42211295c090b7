"""Writes a journal offline: a file's events with the file's own timestamps, in the layout, epochs and blocks that a
service writes.

    with JournalImport(app, "embedded:state/journal") as out:
        out.add(Deposit(7, 100), timestamp=1_340_285_400_000_000_000)

The journal is new: events that a service wrote have been answered, and nothing is put between or behind them here.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np

from processor.app import App
from processor.client.encode import Encoder
from processor.errors import Deposed, JournalError, WrongUse
from processor.journal import open_journal
from processor.layout import BLOCK_HEADER, HEADER, SLOT_HEADER_BYTES
from processor.leadership.claim import BLOCK_MAGIC, BLOCK_SLOTS, BLOCK_VERSION, build_claim, new_writer
from processor.leadership.examine import examine
from processor.leadership.validity import ACK_ADVANCE, LeaderLog
from processor.recovery.plan import PLAN_LEAD, RecoveryPlan

BLOCK_EVENTS = 4_096
BLOCK_BYTES_MAX = 1_000_000  # what a Kafka topic takes as one record, however it was made
CONTROL_SESSION_OPEN = 0xFF01
READ_S = 30.0


class JournalImport:
    """Claims a new journal and appends events to it; all of them are one session's, its requests numbered from 1.

    Raises JournalError when the journal holds anything already, JournalLocked, Deposed when another writer claims it
    meanwhile. Close it, or use it as a context manager: what was added is durable after that. An exception leaves what
    was written so far.
    """

    def __init__(
        self, app: App, url: str, *, settings: Mapping[str, str] | None = None, block_events: int = BLOCK_EVENTS
    ) -> None:
        app.check()
        self.app = app
        self.slot_bytes = app.schema.slot_bytes
        self._encoder = Encoder(app.schema, app)
        most = max(1, min(block_events, BLOCK_BYTES_MAX // self.slot_bytes))
        self._block = np.zeros((most, self.slot_bytes), np.uint8)
        self._heads = self._block[:, :SLOT_HEADER_BYTES].view(HEADER)[:, 0]
        self._used = 0
        self.sequence = 0  # added last
        self.timestamp = 0  # of that one
        self._request = 0
        self.journal = open_journal(url, write=True, settings=settings)
        try:
            self._log = self._claim()
        except BaseException:
            self.journal.close()
            raise

    def _claim(self) -> LeaderLog:
        first, end = self.journal.ends()
        if first != end:
            raise JournalError(
                f"{self.journal.url}: the journal is not empty (offsets {first} to {end}): an import makes a new "
                "one, so name another"
            )
        plan = RecoveryPlan(first, slot_bytes=self.slot_bytes)
        writer = new_writer()
        self.journal.append_record(*build_claim(writer, plan.claimed(writer), self.app.schema, self.app.version))
        reader = self.journal.reader(first)
        try:
            record = reader.read(timeout_s=READ_S)
            if record is None:
                raise JournalError(
                    f"{self.journal.url}: the claim was appended and cannot be read back within {READ_S:g} s"
                )
            if plan.record(*record[:3]) != PLAN_LEAD:
                raise Deposed(
                    f"{self.journal.url}: another writer claimed the journal at the same moment; import into one "
                    "of your own"
                )
        finally:
            reader.close()
        return plan.leader_log()

    def add(self, event: Any, timestamp: int) -> int:
        """Adds an event (an instance of an event class, or (name, {field: value})); returns its sequence.

        `timestamp`: ns since the epoch. Raises WrongUse for another class, values that do not fit, or a time that goes
        back.
        """
        number, payload = self._encoder.event(event)
        if self.sequence == 0:
            self._open(timestamp)
        self._request += 1
        return self._put(number, payload, timestamp, session=1, request=self._request)

    def _open(self, timestamp: int) -> None:
        """The session that all events belong to: its number is 1, the first that a new table gives."""
        self._put(CONTROL_SESSION_OPEN, secrets.token_bytes(16) + bytes(16), timestamp, session=0, request=0)

    def _put(self, number: int, payload: bytes, timestamp: int, *, session: int, request: int) -> int:
        if timestamp < self.timestamp or timestamp < 0:
            raise WrongUse(
                f"event {self.sequence + 1} is of {timestamp} ns, the one before of {self.timestamp}: time does "
                "not go back"
            )
        if self._used == len(self._block):
            self._flush()
        self.sequence += 1
        self.timestamp = timestamp
        slot = self._block[self._used]
        slot[:] = 0
        self._heads[self._used] = (self.sequence, timestamp, session, number, len(payload), request)
        slot[SLOT_HEADER_BYTES : SLOT_HEADER_BYTES + len(payload)] = np.frombuffer(payload, np.uint8)
        self._used += 1
        return self.sequence

    def _flush(self) -> None:
        """Appends the block in hand, and knows where it landed before anything follows."""
        count = self._used
        if count == 0:
            return
        log = self._log
        header = np.zeros((), BLOCK_HEADER)
        header["magic"], header["version"], header["kind"] = BLOCK_MAGIC, BLOCK_VERSION, BLOCK_SLOTS
        header["epoch_offset"], header["epoch_writer"] = log.epoch_offset, log.epoch_writer
        header["first_sequence"], header["count"] = self.sequence - count + 1, count
        header["slot_bytes"], header["fingerprint"] = self.slot_bytes, self.app.schema.fingerprint
        header["data_bytes"] = count * self.slot_bytes
        offset, next_offset = self.journal.append_record(header.tobytes(), self._block[:count].tobytes())
        verdict = log.ack(offset, next_offset, count)
        if verdict != ACK_ADVANCE:
            examined = examine(log, verdict, self.journal, offset)
            if examined.outcome != "found":
                raise Deposed(f"{self.journal.url}: {examined.text}")
        self._used = 0

    def close(self) -> None:
        """Makes all that was added durable, and lets go of the journal."""
        try:
            self._flush()
        finally:
            self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.journal.close()
