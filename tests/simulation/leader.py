"""A process that leads: takes requests in, journals them, applies what is durable, answers, takes snapshots."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from processor.journal.base import checksum
from processor.leadership.examine import examine
from processor.leadership.validity import ACK_ADVANCE, ACK_READ_BACK, LeaderLog
from processor.outputs.queue import BIND, TO_CONNECTION, OutputQueue
from processor.recovery.plan import snapshot_position
from processor.snapshot.file import Snapshot
from processor.snapshot.layout import SnapshotInfo, SnapshotMeta, file_name, sessions_hash
from processor.snapshot.state import encode_state, state_hash
from tests.simulation.application import app
from tests.simulation.checker import split
from tests.simulation.fold import BLOCK, EVICTED, MAGIC, REPLY, SLOT, SLOT_BYTES, SNAPSHOT, WELCOME, Violation
from tests.simulation.fold import STATE_HASH as STATE_HASH_TYPE
from tests.simulation.process import STATE_HASH, STOP_SNAPSHOT, Process

if TYPE_CHECKING:
    from tests.simulation.client import Connection

PAYLOAD_BYTES = SLOT_BYTES - SLOT.size


@dataclass
class Event:
    """A slot that has no sequence and no time yet."""

    session: int
    kind: int
    request: int
    payload: bytes


@dataclass
class Block:
    first_sequence: int
    count: int
    slots: bytes
    offset: int = -1
    next_offset: int = -1


class Leader(Process):
    def lead(self, log: LeaderLog) -> None:
        """What service.py and the journaler do once recovery is over."""
        self.leads = True
        self.log = log
        self.next_sequence = self.core.sequence + 1
        self.timestamp = self.core.timestamp
        self.ring: deque[Event] = deque()
        self.control: list[Event] = []
        self.in_flight: deque[Block] = deque()
        self.durable: deque[Block] = deque()
        self.journal_due = False
        self.deposed = False
        self.sessions: dict[int, Connection] = {}
        self.connections: dict[int, Connection] = {}
        self.triggered = self.core.sequence
        self.snapshot_running = False
        self.outputs = OutputQueue(1 << 16)
        self.core.answer_through(self.outputs, self, log.validity.journal_id)
        self.world.trace(self, "leads from sequence {} on, epoch {}", self.next_sequence, log.epoch_offset)

    # ---- intake

    def intake(self, connection: Connection, event: Event) -> None:
        if not self.leads or self.deposed:
            return
        self.connections[connection.number] = connection
        self.ring.append(event)
        self._journal_soon()

    def put(self, kind: int, payload: bytes) -> bool:
        """The control queue: what the core and the keeper of snapshots put; pending triggers coalesce."""
        if not (kind == SNAPSHOT and any(event.kind == SNAPSHOT for event in self.control)):
            self.control.append(Event(0, kind, 0, payload))
            self._journal_soon()
        return True

    def _journal_soon(self) -> None:
        if not self.journal_due:
            self.journal_due = True
            self.soon(self.random.randint(1, 4), self.journal)

    # ---- the journaler

    def journal(self) -> None:
        """One block of what is there: control events first, as the gateway drains them."""
        self.journal_due = False
        if self.deposed:
            return
        events = [*self.control, *self.ring][: self.random.randint(1, self.world.config.max_block_events)]
        if not events:
            return
        stamp = self.timestamp = self.stamp()
        first = self.next_sequence
        slots = b"".join(
            SLOT.pack(sequence, stamp, event.session, event.kind, len(event.payload), event.request)
            + event.payload.ljust(PAYLOAD_BYTES, b"\0")
            for sequence, event in enumerate(events, first)
        )
        for event in events:
            if self.control and event is self.control[0]:
                self.control.pop(0)
            else:
                self.ring.popleft()
        header = BLOCK.pack(
            MAGIC, 1, 1, self.log.epoch_offset, self.log.epoch_writer, first, len(events), SLOT_BYTES,
            app.schema.fingerprint, 0, len(slots), 0,
        )
        self.next_sequence += len(events)
        block = Block(first, len(events), slots)
        self.in_flight.append(block)
        self.producer.send(header, slots)
        self.handed_over(block)
        if self.control or self.ring:
            self._journal_soon()

    def stamp(self) -> int:
        return max(self.clock(), self.timestamp)

    def handed_over(self, block: Block) -> None:
        """Nothing yet: it is not durable."""

    def settle(self, offset: int, count: int) -> tuple[str, int]:
        """What an acknowledgement means: ("found", where our block stands), or ("deposed" or "log-lost", -1)."""
        verdict = self.log.ack(offset, offset + 1 if offset >= 0 else -1, count)
        if verdict == ACK_ADVANCE:
            return "found", offset
        found = examine(self.log, verdict, self.world.log, offset)       # type: ignore[arg-type]
        if verdict == ACK_READ_BACK:
            self.world.count("unknown-offsets-read-back")
        if found.outcome == "found" and found.offset + 1 != found.next_offset:
            raise Violation(f"{self}: its block at {found.offset} is said to end at {found.next_offset}")
        return found.outcome, found.offset

    def acknowledged(self, offset: int) -> None:
        if self.deposed:
            return
        block = self.in_flight.popleft()
        outcome, found = self.settle(offset, block.count)
        if outcome == "log-lost":
            raise Violation(f"{self} says that the log has lost records; it has not (acknowledged at {offset})")
        if outcome == "deposed":
            self.world.count("deposed")
            self.world.trace(self, "is deposed")
            self.deposed = True
            self.soon(self.random.randint(1, 5), self.step_down)
            return
        block.offset, block.next_offset = found, found + 1
        self.durable.append(block)
        self.soon(self.random.choice((0, 0, 0, 10)), self.apply_durable)

    def step_down(self) -> None:
        """What was durable before is applied and answered still."""
        while self.durable:
            self.apply_durable()
        self.end("deposed")

    # ---- the business logic

    def apply_durable(self) -> None:
        if self.durable:
            self.apply_live(self.durable.popleft())

    def apply_live(self, block: Block) -> None:
        slots = block.slots
        while slots:
            slots = slots[self.apply(slots) * SLOT_BYTES :]
            self.send_outputs()
            self.look("applied")
            if self.core.stop == STOP_SNAPSHOT:
                self.triggered = self.core.sequence
                self.take_snapshot(block)
        every = self.world.config.snapshot_every
        if every and self.core.sequence - self.triggered >= every:
            self.triggered = self.core.sequence
            self.put(SNAPSHOT, struct.pack("<QII", 0, 1, 0))

    def send_outputs(self) -> None:
        self.outputs.publish()
        while (parcel := self.outputs.take()) is not None:
            kind, target, frames = parcel
            if kind == BIND:
                number = int.from_bytes(frames[:8], "little")
                if number in self.connections:
                    self.sessions[target] = self.connections[number]
            elif kind == TO_CONNECTION:
                self.welcome(target, frames)
            else:
                self.world.checker.emitted(self, target, frames)
                if target in self.sessions:
                    self.sessions[target].to_client(split(frames))

    def welcome(self, number: int, frame: bytes) -> None:
        sequence, _, _, _, kind, _, _ = REPLY.unpack_from(frame)
        session = int.from_bytes(frame[REPLY.size + 24 : REPLY.size + 28], "little") if kind == WELCOME else 0
        if kind == EVICTED:
            self.world.count("told-that-evicted")
        self.world.checker.welcomed(self, kind, sequence, session)
        if number in self.connections:
            self.connections[number].to_client([frame])

    # ---- snapshots

    def position(self, block: Block) -> int:
        return snapshot_position(
            block.offset, block.next_offset, block.first_sequence, block.count, self.core.sequence + 1
        )

    def take_snapshot(self, block: Block) -> None:
        """As the keeper's fork: the state as it is now; the file is there later, if the process lives until then."""
        if self.snapshot_running:
            return
        self.snapshot_running = True
        core = self.core
        meta = SnapshotMeta(
            application=app.name, application_version=app.version, fingerprint=app.schema.fingerprint,
            schema=app.schema.text, journal_id=self.log.validity.journal_id, journal_url=self.world.log.url,
            partition=0, position=self.position(block),
            next_sequence=core.sequence + 1, epoch_offset=self.log.epoch_offset, epoch_writer=self.log.epoch_writer,
            last_block_offset=block.offset, last_block_checksum=checksum(block.slots), timestamp=core.timestamp,
            created=self.clock(),
        )  # fmt: skip
        state, sessions = bytes(encode_state(core.state, ordered=True)), core.sessions.export()
        info = SnapshotInfo(
            Path(file_name(meta.sequence, None)), meta, state_hash(core.state), sessions_hash(sessions),
            len(state) + len(sessions), 0.0,
        )  # fmt: skip
        snapshot = Snapshot(info, memoryview(state), memoryview(sessions), memoryview(b""), ())
        self.world.trace(self, "begins a snapshot of sequence {}, position {}", meta.sequence, meta.position)
        # The child writes on when its parent is paused, and dies with it.
        self.world.after(self.random.randint(1, 30), self._written, snapshot)

    def _written(self, snapshot: Snapshot) -> None:
        if self.ended:
            return
        torn = self.world.chance(self.world.odds["torn-snapshot"])
        self.world.count("snapshots-torn" if torn else "snapshots")
        self.store.write(snapshot, torn=torn)
        self.soon(1, self._snapshot_done, snapshot.info)

    def _snapshot_done(self, info: SnapshotInfo) -> None:
        self.snapshot_running = False
        hashes = (info.sequence, info.state_hash, info.sessions_hash)
        self.known.know(*hashes)
        self.put(STATE_HASH_TYPE, STATE_HASH.pack(*hashes))

