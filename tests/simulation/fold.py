"""What the log means, once more, in its own few lines: the rule of validity, the ledger, the session table.

This is the other side of every comparison, so nothing here is imported from processor, nor from application.py.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

BLOCK = struct.Struct("<IHHqQQIIQQII")       # magic, version, kind, epoch, first sequence, count, slot bytes, ...
SLOT = struct.Struct("<QqIHHQ")
REPLY = struct.Struct("<QqHHHHQ")
SLOT_BYTES = 64
MAGIC = 0x4B4C4250
OPEN, EVICT, SNAPSHOT, STATE_HASH = 0xFF01, 0xFF02, 0xFF03, 0xFF04
DONE, REJECTED, TOO_OLD, GAP, GONE, EVICTED, WELCOME = range(0xFF01, 0xFF08)
BUSY = 0xFF09
REPEAT = -1
LAST = 1


class Violation(AssertionError):
    """Something that must never be was seen."""


@dataclass
class FoldedSession:
    token: bytes
    last: int = 0
    last_sequence: int = 0
    stored: dict[int, list[bytes]] = field(default_factory=dict)
    row: bytes = b""              # its part of the export; b"" when that is to be made again

    def stored_bytes(self) -> int:
        return sum(len(frame) for frames in self.stored.values() for frame in frames)


class Fold:
    """The valid log, applied. `answers`: the frames of every applied request, `said`: what any other event is told."""

    def __init__(self, window: int, kept_bytes_max: int, sessions_max: int) -> None:
        self.settings = (window, kept_bytes_max, sessions_max)
        self.journal = 0
        self.epoch = (-1, 0)
        self.sequence = 0
        self.timestamp = 0
        self.count, self.chain, self.totals = 0, 1, dict[int, int]()
        self.sessions: dict[int, FoldedSession] = {}
        self.tokens: dict[bytes, int] = {}
        self.given = 0
        self.voids = 0
        self.claims = 0
        self.applied: dict[tuple[int, int], tuple[int, int, int]] = {}     # sequence, account, amount
        self.answers: dict[tuple[int, int], list[bytes]] = {}
        self.owners: dict[int, bytes] = {}                                 # session: token, also of evicted ones
        self.said: dict[int, tuple[int, int]] = {}                         # sequence: reply type (or REPEAT), a number
        self.digests: dict[int, tuple[object, bytes]] = {0: self.digest()}

    def read(self, offset: int, header: bytes, data: bytes) -> bool:
        """One record, in the log's order; whether it counts. DESIGN: one writer, by the order of the log."""
        magic, _, kind, epoch_offset, writer, first, count = BLOCK.unpack(header)[:7]
        if magic == MAGIC and kind == 2 and first == (self.journal or writer):
            self.journal, self.epoch = first, (offset, writer)
            self.claims += 1
            return True
        if magic == MAGIC and kind == 1 and (epoch_offset, writer) == self.epoch and first == self.sequence + 1:
            if len(data) != count * SLOT_BYTES:
                raise Violation(f"the block at {offset} says {count} slots and has {len(data)} bytes")
            for at in range(0, len(data), SLOT_BYTES):
                self.slot(data[at : at + SLOT_BYTES])
            self.digests[self.sequence] = self.digest()
            return True
        self.voids += magic == MAGIC and kind == 1
        return False

    def slot(self, slot: bytes) -> None:
        sequence, timestamp, session, kind, length, request = SLOT.unpack_from(slot)
        payload = slot[SLOT.size : SLOT.size + length]
        if sequence != self.sequence + 1:
            raise Violation(f"sequence {sequence} stands behind {self.sequence} in a valid block")
        if timestamp < self.timestamp:
            raise Violation(f"time goes back at sequence {sequence}: from {self.timestamp} to {timestamp}")
        self.sequence, self.timestamp = sequence, timestamp
        if kind == OPEN:
            self.open(payload)
        elif kind == EVICT:
            last_sequence, number = struct.unpack_from("<QI", payload)
            found = self.sessions.get(number)
            if found is not None and found.last_sequence == last_sequence:
                del self.sessions[number], self.tokens[found.token]
                self.said[sequence] = (EVICTED, number)
        elif kind in (SNAPSHOT, STATE_HASH):
            self.digests[sequence] = self.digest()
        else:
            self.request(session, request, *struct.unpack_from("<I4xq", payload))

    def open(self, payload: bytes) -> None:
        token, _, claimed = struct.unpack_from("<16sQI", payload)
        number = self.tokens.get(token, 0)
        if number == 0 and claimed == 0 and len(self.sessions) < self.settings[2]:
            self.given += 1
            number = self.tokens[token] = self.given
            self.owners[number] = token
            self.sessions[number] = FoldedSession(token)
        if number == 0 or claimed not in (0, number):
            self.said[self.sequence] = (EVICTED if claimed else BUSY, 0)
            return
        self.said[self.sequence] = (WELCOME, number)
        self.sessions[number].last_sequence = self.sequence
        self.sessions[number].row = b""

    def request(self, number: int, request: int, account: int, amount: int) -> None:
        session = self.sessions.get(number)
        if session is None:
            self.said[self.sequence] = (EVICTED, number)
        elif request > session.last + 1:
            self.said[self.sequence] = (GAP, session.last)
        elif request <= session.last - self.settings[0] or request == 0:
            self.said[self.sequence] = (TOO_OLD, 0)
        elif request <= session.last:
            self.said[self.sequence] = (REPEAT if request in session.stored else GONE, request)
        else:
            self.apply(session, number, request, account, amount)

    def apply(self, session: FoldedSession, number: int, request: int, account: int, amount: int) -> None:
        if (number, request) in self.applied:
            raise Violation(f"request {request} of session {number} is applied twice")
        self.applied[number, request] = (self.sequence, account, amount)
        frames = self.ledger(number, request, account, amount)
        self.answers[number, request] = frames
        session.last, session.last_sequence, session.row = request, self.sequence, b""
        window, kept_bytes_max, _ = self.settings
        session.stored.pop(request - window, None)
        session.stored[request] = []
        for frame in frames:
            # The oldest go first, the request in hand last: then nothing of it is kept.
            while session.stored and session.stored_bytes() + len(frame) > kept_bytes_max:
                del session.stored[min(session.stored)]
            if request in session.stored:
                session.stored[request].append(frame)

    def ledger(self, number: int, request: int, account: int, amount: int) -> list[bytes]:
        """What the application does with it, and the frames of its answer."""
        bodies = []
        if amount == 0:
            bodies = [(REJECTED, b"nothing to add")]
        else:
            self.count += 1
            self.chain = (self.chain * 1_000_003 + number * 31 + amount + self.timestamp) % (2**61 - 1)
            self.totals[account] = total = self.totals.get(account, 0) + amount
            bodies = [(1, struct.pack("<I4xqQ", account, total, self.chain + part)) for part in range(amount % 3)]
        bodies = bodies or [(DONE, b"")]
        flags = [0] * (len(bodies) - 1) + [LAST]
        return [
            REPLY.pack(self.sequence, self.timestamp, index, flags[index], kind, len(body), request)
            + body
            + bytes(-len(body) % 8)
            for index, (kind, body) in enumerate(bodies)
        ]

    def digest(self) -> tuple[object, bytes]:
        """State and session table as they stand; the table in the bytes that a snapshot holds of it."""
        window, kept_bytes_max, sessions_max = self.settings
        counts = (self.given + 1, len(self.sessions))
        head = struct.pack("<IIIIQII", 0x53455350, 1, window, sessions_max, kept_bytes_max, *counts)
        rows = [session.row or self.row(number, session) for number, session in sorted(self.sessions.items())]
        return (self.count, self.chain, dict(self.totals)), head + b"".join(rows)

    @staticmethod
    def row(number: int, session: FoldedSession) -> bytes:
        kept = [b"".join(frames) for frames in session.stored.values()]
        lengths = struct.pack(f"<{len(kept)}I", *map(len, kept))
        frames = b"".join(kept)
        session.row = (
            struct.pack("<II16sQQQ", number, len(kept), session.token, session.last, session.last_sequence, len(frames))
            + lengths
            + bytes(-len(lengths) % 8)
            + frames
        )
        return session.row
