"""The same journal with other events or other logic, beside the original: where the two part, and how they differ at
the end.

Both replay from the nearest snapshot before the first edit; with other logic from the first event. Events behind an
edit keep their fields and times, but are numbered on without a gap: sequences, and the requests of the session that
lost or got one, so that the session table takes them as it took the original ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processor.app import App
from processor.errors import Halted, WrongUse
from processor.history.edits import Edit
from processor.history.events import PastOutput, outputs_of
from processor.history.history import History
from processor.history.narrow import first_difference, narrow, spread
from processor.history.plain import Change, changes, plain
from processor.history.target import Target
from processor.history.walk import Moment
from processor.layout import CONTROL_FIRST, HEADER, REPLY, SLOT_HEADER_BYTES
from processor.logic.verdict import Verdict
from processor.schema import Message

SESSION_EVICT = 0xFF02
END = 2**63 - 1

Said = list[tuple[int, bytes]]  # (type, payload) of each output of one event


@dataclass
class Outcome:
    """`states_part`, `outputs_part`: the original sequence behind which they first differ, or None."""

    original: Moment
    edited: Moment
    states_part: int | None = None
    outputs_part: int | None = None
    said_then: list[PastOutput] = field(default_factory=list)
    said_now: list[PastOutput] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class WhatIf:
    """`edits` by sequence, or `other` (an application with the same schema), or both."""

    def __init__(self, history: History, edits: list[Edit], other: App | None = None) -> None:
        if not edits and other is None:
            raise WrongUse("a what-if needs edits, or another version of the application")
        self.history, self.edits, self.other = history, edits, other
        self.first = 1 if other is not None else edits[0].sequence

    def run(self, on_output: Callable[[PastOutput], Any] = lambda output: None) -> Outcome:
        """`on_output` gets what the edited journal says, from the first edit on. Raises WrongUse for edits that do not
        fit the journal, Halted when a handler raises at an event that has come to it only by the edits."""
        with _Pair(self, on_output) as pair:
            one, other = pair.go([], spread_from=self.first)
            outcome = Outcome(
                pair.original.moment(),
                pair.edited.moment(),
                outputs_part=pair.outputs_part,
                said_then=pair.said_then,
                said_now=pair.said_now,
            )
            outcome.changes = list(changes(plain(outcome.original.state), plain(outcome.edited.state)))
        parted = first_difference(one, other, self.first - 1)
        if parted is not None:
            outcome.states_part, _ = narrow(*parted, self._looked_at)
        return outcome

    def _looked_at(self, marks: list[int]) -> tuple[dict[int, bytes], dict[int, bytes]]:
        with _Pair(self, None) as pair:
            return pair.go(marks)


class _Pair:
    """Two walks on their way together: the original one, and the one whose events are edited."""

    def __init__(self, what_if: WhatIf, on_output: Callable[[PastOutput], Any] | None) -> None:
        history = what_if.history
        self.on_output = on_output
        self.outputs_part: int | None = None
        self.said_then: list[PastOutput] = []
        self.said_now: list[PastOutput] = []
        self._edits = list(what_if.edits)
        self._inserted: list[int] = []  # original sequences before which something was inserted
        self._removed: list[int] = []
        self._shifts: dict[int, list[tuple[int, int]]] = {}  # session -> (from this request on, so much)
        self._gone: set[tuple[int, int]] = set()  # (session, request) that were removed, repeats included
        before = Target(sequence=what_if.first - 1)
        snapshots = what_if.other is None
        self.original = history.walk(before, snapshots=snapshots)
        try:
            self.edited = history.walk(before, snapshots=snapshots, app=what_if.other)
        except BaseException:
            self.original.close()
            raise
        try:
            for walk in (self.original, self.edited):
                walk.forward(before, history.progress)
            if self.original.core.sequence < what_if.first - 1:
                raise self._beyond()
            self._taps = (self.original.listen(), self.edited.listen())
        except BaseException:
            self.close()
            raise

    def go(self, marks: list[int], spread_from: int | None = None) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """On to the last mark (with spread_from: to the end, with marks ever wider apart); the state hashes at the
        marks.
        """
        hashes: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        wanted = list(marks)
        mark = spread_from if spread_from is not None else wanted.pop(0)
        while True:
            stop = mark
            if self._edits:
                at = self._edits[0].sequence
                stop = min(mark, at if at == self.original.core.sequence + 1 else at - 1)
            if not self._step(stop):
                break
            if self.original.core.sequence == mark:
                self._look(hashes)
                if spread_from is not None:
                    mark = mark + 1 if mark == spread_from else spread(mark)
                elif not wanted:
                    return hashes
                else:
                    mark = wanted.pop(0)
        self._at_the_end()
        self._look(hashes)
        return hashes

    def _look(self, hashes: tuple[dict[int, bytes], dict[int, bytes]]) -> None:
        for found, walk in zip(hashes, (self.original, self.edited), strict=True):
            found[self.original.core.sequence] = walk.moment().state_hash

    def _step(self, stop: int) -> bool:
        """Both past the events of one record up to `stop`; False at the journal's end."""
        if self.original.waiting() is None:
            return False
        slots = self.original.replay.rest(stop)
        size = self.original.core.slot_bytes
        heads = np.frombuffer(slots, np.uint8).reshape(-1, size)[:, :SLOT_HEADER_BYTES].copy().view(HEADER)[:, 0]
        first, last = int(heads["sequence"][0]), int(heads["sequence"][-1])
        edited = slots
        if self._edits and self._edits[0].sequence == first:
            edited = self._edit(slots, first)
        self.original.to(Target(sequence=last))
        self._apply(self._renumbered(edited))
        self._compare(last)
        return True

    # ---- edits

    def _edit(self, slot: bytes, sequence: int) -> bytes:
        """What stands instead of the event of this sequence, which is the only one in `slot`; inserted ones are
        applied at once.
        """
        head = np.frombuffer(slot, HEADER, 1)[0]
        kept = slot
        while self._edits and self._edits[0].sequence == sequence:
            edit = self._edits.pop(0)
            if edit.op == "insert":
                self._insert(edit, int(head["timestamp"]), int(head["session"]))
                continue
            message = self.original.app.schema.events.get(int(head["type"]))
            if message is None:
                raise WrongUse(
                    f"sequence {sequence} is a control event, which cannot be changed: it is the processor's own"
                )
            session, request = int(head["session"]), int(head["request"])
            if edit.op == "remove":
                self._removed.append(sequence)
                if self.original.core.sessions.decide(session, request) == Verdict.APPLY:
                    self._gone.add((session, request))
                    self._shifts.setdefault(session, []).append((request + 1, -1))
                kept = b""
            else:
                kept = _slot_of(edit.message or message, self._fields(edit, message, slot), slot)
        return kept

    @staticmethod
    def _fields(edit: Edit, message: Message, slot: bytes) -> dict[str, Any]:
        """All fields of a replacement: those that it does not name stay, when the type does."""
        fields = dict(edit.fields or {})
        if edit.message in (None, message):
            fields = {**message.unpack(slot[SLOT_HEADER_BYTES : SLOT_HEADER_BYTES + message.length]), **fields}
        return fields

    def _insert(self, edit: Edit, timestamp: int, session: int) -> None:
        """Applies the event to the edited state, as the next request of this session; 0: of the one that was active
        last.
        """
        known = self.original.core.sessions
        open_ones = known.session_ids()
        session = session if session in open_ones else open_ones[-1] if open_ones else 0
        following = known.last(session) + 1
        if not session:
            raise WrongUse(
                f"nothing can be inserted before sequence {edit.sequence}: no session has sent an event there yet"
            )
        assert edit.message is not None and edit.fields is not None
        request = self.edited.core.sessions.last(session) + 1
        blank = np.zeros(self.edited.core.slot_bytes, np.uint8)
        blank[:SLOT_HEADER_BYTES].view(HEADER)[0] = (self.edited.core.sequence + 1, timestamp, session, 0, 0, request)
        self._apply(_slot_of(edit.message, edit.fields, blank.tobytes()))
        self._shifts.setdefault(session, []).append((following, 1))
        self._inserted.append(edit.sequence)

    def _renumbered(self, slots: bytes) -> bytes:
        """The slots with the sequences and requests that they have behind the edits so far."""
        if not slots or not (self._inserted or self._removed):
            return slots
        rows = np.frombuffer(slots, np.uint8).reshape(-1, self.edited.core.slot_bytes).copy()
        heads = rows[:, :SLOT_HEADER_BYTES].view(HEADER)[:, 0]
        if self._gone:
            kept = np.array([(int(one["session"]), int(one["request"])) not in self._gone for one in heads])
            rows = rows[kept]
            heads = rows[:, :SLOT_HEADER_BYTES].view(HEADER)[:, 0]
        requests = heads["request"].astype(np.int64)
        moved = requests.copy()
        for session, shifts in self._shifts.items():
            mine = (heads["session"] == session) & (heads["type"] < CONTROL_FIRST)
            for begin, by in shifts:
                moved[mine & (requests >= begin)] += by
        heads["request"] = moved.astype(np.uint64)
        following = self.edited.core.sequence + 1
        heads["sequence"] = np.arange(following, following + len(heads), dtype=np.uint64)
        for row in np.flatnonzero(heads["type"] == SESSION_EVICT):
            # Evicted only if its last event is still the one that is named: which has another number now.
            named = rows[row, SLOT_HEADER_BYTES : SLOT_HEADER_BYTES + 8].view(np.uint64)
            last = int(named[0])
            named[0] = last + sum(one <= last for one in self._inserted) - sum(one <= last for one in self._removed)
        return rows.tobytes()

    def _at_the_end(self) -> None:
        """Inserts before the event that would come next; anything else names an event that there is none of."""
        end = self.original.core.sequence
        while self._edits and self._edits[0].op == "insert" and self._edits[0].sequence == end + 1:
            self._insert(self._edits.pop(0), self.original.core.timestamp, 0)
            self._compare(end)
        if self._edits:
            raise self._beyond()

    def _beyond(self) -> WrongUse:
        edit, end = self._edits[0], self.original.core.sequence
        return WrongUse(f"there is no sequence {edit.sequence} to {edit.op}: the journal ends at sequence {end}")

    def _apply(self, slots: bytes) -> None:
        core, size = self.edited.core, self.edited.core.slot_bytes
        done = 0
        while done < len(slots):
            done += core.apply_slots(slots[done:]) * size
            if core.trouble:
                raise Halted(f"in the edited journal {core.trouble}")

    # ---- outputs

    def _compare(self, last: int) -> None:
        """What both have said since the last time; `last` is the original sequence that both have come to."""
        then, now = (tap.take() for tap in self._taps)
        if self.on_output is None:
            return
        for output in outputs_of(self.edited.app.schema, now):
            self.on_output(output)
        if self.outputs_part is not None:
            return
        ours, theirs = _said(then), _said(now)
        if list(ours.values()) == list(theirs.values()):
            return
        behind = last - self.edited.core.sequence
        parted = next((one for one, said in ours.items() if theirs.get(one - behind) != said), None)
        # Where all of the original ones are the same, there are others: those of an inserted event, which stands
        # before this one.
        extra = theirs.keys() - {one - behind for one in ours}
        self.outputs_part = last if parted is None else parted
        now_said = extra if parted is None else {parted - behind}
        self.said_then = [one for one in outputs_of(self.original.app.schema, then) if one.sequence == parted]
        self.said_now = [one for one in outputs_of(self.edited.app.schema, now) if one.sequence in now_said]

    def close(self) -> None:
        self.original.close()
        self.edited.close()

    def __enter__(self) -> _Pair:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _said(frames: bytes) -> dict[int, Said]:
    """(type, payload) of all outputs, by the event's sequence."""
    found: dict[int, Said] = {}
    at = 0
    while at < len(frames):
        sequence, _, _, _, kind, length, _ = struct.unpack_from("<QqHHHHQ", frames, at)
        at += REPLY.itemsize
        found.setdefault(sequence, []).append((kind, frames[at : at + length]))
        at += (length + 7) // 8 * 8
    return found


def _slot_of(message: Message, fields: dict[str, Any], slot: bytes) -> bytes:
    """The slot with another event in it."""
    payload = message.pack(fields)
    row = np.zeros(len(slot), np.uint8)
    row[:SLOT_HEADER_BYTES] = np.frombuffer(slot, np.uint8, SLOT_HEADER_BYTES)
    head = row[:SLOT_HEADER_BYTES].view(HEADER)
    head["type"], head["length"] = message.number, message.length
    row[SLOT_HEADER_BYTES : SLOT_HEADER_BYTES + len(payload)] = np.frombuffer(payload, np.uint8)
    return row.tobytes()
