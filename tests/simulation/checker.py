"""Compares everything that the simulated service says and holds with an independent fold of the valid log."""

from __future__ import annotations

from typing import Any

from tests.simulation.fold import EVICTED, GONE, REPEAT, REPLY, WELCOME, Fold, Violation

REPEATED = 2


class Checker:
    """`records` is the log's list of (header, data), which only grows; it is read before every look."""

    def __init__(self, records: list[tuple[bytes, bytes]], window: int, kept_bytes_max: int, sessions_max: int) -> None:
        self.records = records
        self.settings = (window, kept_bytes_max, sessions_max)
        self.fold = Fold(*self.settings)
        self.position = 0
        self.answered: dict[tuple[int, int], int] = {}     # (session, request): sequence a client was told, or 0
        self.repeats = 0

    def catch_up(self) -> Fold:
        while self.position < len(self.records):
            self.fold.read(self.position, *self.records[self.position])
            self.position += 1
        return self.fold

    def holds(self, who: object, sequence: int, state: Any, sessions: bytes) -> None:
        """`who` says that this is the state after `sequence`: equal sequence, equal state."""
        expected = self.catch_up().digests.get(sequence)
        if expected is None:
            raise Violation(
                f"{who} has applied sequence {sequence}, where no valid block ends; the log goes to "
                f"{self.fold.sequence}"
            )
        found = (state.count, state.chain, state.totals)
        if found != expected[0]:
            raise Violation(f"{who} has the state {found} at sequence {sequence}, the log says {expected[0]}")
        if sessions != expected[1]:
            raise Violation(f"{who} has another session table at sequence {sequence} than the log says")

    def emitted(self, who: object, session: int, frames: bytes) -> None:
        """Reply frames that leave `who` for a session, also those that will be lost on the way."""
        fold = self.catch_up()
        for frame in split(frames):
            sequence, _, index, flags, kind, _, request = REPLY.unpack_from(frame)
            expected = fold.answers.get((session, request), [])
            if flags & REPEATED:
                self.repeats += 1
                frame = frame[:18] + (flags & ~REPEATED).to_bytes(2, "little") + frame[20:]
                if index >= len(expected) or frame != expected[index]:
                    raise Violation(f"{who} repeats output {index} of request {request} otherwise than it was")
            elif expected and fold.applied[session, request][0] == sequence:
                if index >= len(expected) or frame != expected[index]:
                    raise Violation(f"{who} answers sequence {sequence} otherwise than the log says (output {index})")
            elif fold.said.get(sequence, (REPEAT, 0))[0] != kind:
                raise Violation(
                    f"{who} answers request {request} of session {session} at sequence {sequence} with type {kind:#x}; "
                    f"the valid log says {fold.said.get(sequence, 'that there is no such event')}"
                )

    def welcomed(self, who: object, kind: int, sequence: int, session: int) -> None:
        """What `who` says to one that opened a session."""
        said = self.catch_up().said.get(sequence)
        if said is None or said[0] != kind or (kind == WELCOME and said[1] != session):
            raise Violation(
                f"{who} answers the opening at sequence {sequence} with {kind:#x}, session {session}; "
                f"the log says {said}"
            )

    def accepted(self, token: bytes, session: int, request: int, frames: list[bytes], event: tuple[int, int]) -> None:
        """A client has its answer: its very event is in the valid log, once, with this sequence."""
        sequence, _, _, _, kind, _, _ = REPLY.unpack_from(frames[0])
        fold = self.catch_up()
        found = fold.applied.get((session, request))
        if found is None or fold.owners.get(session) != token:
            raise Violation(f"request {request} of session {session} was answered, and is not in the valid log")
        if found[1:] != event:
            raise Violation(f"request {request} of session {session} was {event}, the log holds {found[1:]}")
        if (session, request) in self.answered:
            raise Violation(f"a client took the answer to request {request} of session {session} twice")
        if kind not in (GONE, EVICTED) and (sequence != found[0] or len(frames) != len(fold.answers[session, request])):
            raise Violation(
                f"request {request} of session {session} was answered with {len(frames)} outputs of sequence "
                f"{sequence}; the log has it at {found[0]}, with {len(fold.answers[session, request])}"
            )
        self.answered[session, request] = 0 if kind == GONE else sequence

    def finish(self) -> Fold:
        """Reads the whole log once more: the same again, and everything that was answered is there."""
        fresh = Fold(*self.settings)
        for offset, record in enumerate(self.records):
            fresh.read(offset, *record)
        if fresh.digest() != self.catch_up().digest() or fresh.sequence != self.fold.sequence:
            raise Violation(f"the log reads differently now: {fresh.sequence} events, once {self.fold.sequence}")
        for (session, request), sequence in self.answered.items():
            found = fresh.applied.get((session, request))
            if found is None or (sequence and found[0] != sequence):
                raise Violation(f"request {request} of session {session} was answered at {sequence}, now it is {found}")
        return fresh


def split(frames: bytes) -> list[bytes]:
    """Reply frames one by one."""
    found, at = [], 0
    while at < len(frames):
        size = REPLY.size + -(-int.from_bytes(frames[at + 22 : at + 24], "little") // 8) * 8
        found.append(frames[at : at + size])
        at += size
    return found
