"""The checker itself: it agrees with the production classes on a good log, and notices what is wrong by hand."""

import struct
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.simulation import fold as folded
from tests.simulation.checker import Checker
from tests.simulation.fold import BLOCK, DONE, EVICTED, MAGIC, OPEN, REPLY, SLOT, WELCOME, Fold, Violation

TOKEN = bytes(range(16))
A, B, C = 0xA1, 0xB2, 0xC3
Record = tuple[bytes, bytes]


def claim(writer: int, journal: int) -> Record:
    return BLOCK.pack(MAGIC, 1, 2, -1, writer, journal, 0, 64, 0, 0, 0, 0), b""


def slot(sequence: int, kind: int, session: int, request: int, payload: bytes, timestamp: int = 5) -> bytes:
    return (SLOT.pack(sequence, timestamp, session, kind, len(payload), request) + payload).ljust(64, b"\0")


def opening(sequence: int, token: bytes = TOKEN) -> bytes:
    return slot(sequence, OPEN, 0, 0, struct.pack("<16sQII", token, 9, 0, 0))


def adding(sequence: int, request: int, amount: int = 4, timestamp: int = 5, session: int = 1) -> bytes:
    return slot(sequence, 1, session, request, struct.pack("<I4xq", 2, amount), timestamp)


def block(epoch: int, writer: int, first: int, *slots: bytes) -> Record:
    return BLOCK.pack(MAGIC, 1, 1, epoch, writer, first, len(slots), 64, 0, 0, 64 * len(slots), 0), b"".join(slots)


def good() -> list[Record]:
    """Session 1 opens and adds 4 to account 2 (sequence 2), then 3 (sequence 3), under one leader."""
    return [claim(A, A), block(0, A, 1, opening(1), adding(2, 1)), block(0, A, 3, adding(3, 2, 3))]


def checker(records: list[Record], window: int = 2, kept: int = 1000) -> Checker:
    return Checker(records, window, kept, 4)


def answers(found: Checker, request: int) -> list[bytes]:
    return list(found.catch_up().answers[1, request])


@dataclass
class State:
    count: int = 2
    chain: int = 0
    totals: dict[int, int] = field(default_factory=lambda: {2: 7})


def test_a_good_log_is_read_by_the_rule() -> None:
    found = checker(good())
    fold = found.catch_up()
    assert (fold.sequence, fold.journal, fold.epoch, fold.voids) == (3, A, (0, A), 0)
    assert fold.applied == {(1, 1): (2, 2, 4), (1, 2): (3, 2, 3)}
    assert fold.said == {1: (WELCOME, 1)}
    assert REPLY.unpack_from(answers(found, 2)[0])[4] == DONE
    assert found.finish().sequence == 3


def test_what_does_not_count_changes_nothing() -> None:
    void = [
        claim(C, C), block(3, C, 4, adding(4, 3)), block(0, B, 4, adding(4, 3)), block(0, A, 5, adding(5, 3)),
        block(0, A, 3, adding(3, 2)), (bytes(64), b"stray"),
    ]  # fmt: skip
    fold = checker([*good(), *void]).catch_up()
    assert (fold.sequence, fold.epoch, fold.voids) == (3, (0, A), 4)
    follower = checker([*good(), claim(B, A), block(0, A, 4, adding(4, 3)), block(3, B, 4, adding(4, 3))]).catch_up()
    assert (follower.sequence, follower.epoch, follower.voids) == (4, (3, B), 1)
    assert checker([claim(B, A), *good()]).catch_up().epoch == (1, A)


def test_requests_that_are_not_applied_are_told_why() -> None:
    log = [*good(), block(0, A, 4, adding(4, 2), adding(5, 4), adding(6, 3), adding(7, 1), adding(8, 1, session=9))]
    fold = checker(log).catch_up()
    assert [fold.said.get(sequence, (None,))[0] for sequence in range(4, 9)] == [
        folded.REPEAT, folded.GAP, None, folded.TOO_OLD, EVICTED,
    ]  # fmt: skip
    assert checker([*good(), block(0, A, 4, adding(4, 2))], kept=10).catch_up().said[4][0] == folded.GONE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda log: log.append(block(0, A, 4, adding(4, 3), adding(6, 4))), "sequence 6 stands behind 4"),
        (lambda log: log.append(block(0, A, 4, adding(4, 3, timestamp=4))), "time goes back at sequence 4"),
        (lambda log: log.append((block(0, A, 4, adding(4, 3))[0], b"")), "says 1 slots and has 0 bytes"),
    ],
    ids=["a gap in a block", "time goes back", "sizes"],
)
def test_a_valid_block_that_breaks_a_rule_is_noticed(change: Any, message: str) -> None:
    log = good()
    change(log)
    with pytest.raises(Violation, match=message):
        checker(log).catch_up()


def test_a_request_applied_twice_is_noticed() -> None:
    fold = checker(good()).catch_up()
    fold.sessions[1].last = 1     # as a session table that has forgotten one
    with pytest.raises(Violation, match="request 2 of session 1 is applied twice"):
        fold.slot(adding(4, 2))


def test_another_state_or_table_at_the_same_sequence_is_noticed() -> None:
    found = checker(good())
    (count, chain, totals), table = found.catch_up().digests[3]       # type: ignore[misc]
    found.holds("it", 3, State(count, chain, totals), table)
    with pytest.raises(Violation, match=r"it has the state .* at sequence 3"):
        found.holds("it", 3, State(count, chain + 1, totals), table)
    with pytest.raises(Violation, match="another session table at sequence 3"):
        found.holds("it", 3, State(count, chain, totals), table[:-1] + b"\1")
    for never in (1, 4):
        with pytest.raises(Violation, match=f"applied sequence {never}, where no valid block ends"):
            found.holds("it", never, State(count, chain, totals), table)


def test_an_answer_that_is_not_in_the_log_is_noticed() -> None:
    found = checker([*good(), claim(B, A), block(0, A, 4, adding(4, 3))])
    made = REPLY.pack(4, 5, 0, 1, DONE, 0, 3)
    with pytest.raises(Violation, match="answers request 3 of session 1 at sequence 4"):
        found.emitted("it", 1, made)
    with pytest.raises(Violation, match="request 3 of session 1 was answered, and is not in the valid log"):
        found.accepted(TOKEN, 1, 3, [made], (2, 4))


def test_outputs_must_be_those_of_the_event_and_the_same_when_they_are_repeated() -> None:
    found = checker(good())
    (frame,) = answers(found, 1)
    found.emitted("it", 1, frame + answers(found, 2)[0])
    repeated = frame[:18] + b"\3\0" + frame[20:]
    found.emitted("it", 1, repeated)
    assert found.repeats == 1
    with pytest.raises(Violation, match="answers sequence 2 otherwise"):
        found.emitted("it", 1, frame[:-1] + b"\1")
    with pytest.raises(Violation, match="repeats output 0 of request 1 otherwise"):
        found.emitted("it", 1, repeated[:-1] + b"\1")
    with pytest.raises(Violation, match="repeats output 1 of request 1 otherwise"):
        found.emitted("it", 1, repeated[:16] + b"\1" + repeated[17:])


def test_a_client_must_get_its_own_request_answered_once_with_its_sequence() -> None:
    found = checker(good())
    (frame,) = answers(found, 1)
    with pytest.raises(Violation, match=r"was \(2, 5\), the log holds \(2, 4\)"):
        found.accepted(TOKEN, 1, 1, [frame], (2, 5))
    with pytest.raises(Violation, match="is not in the valid log"):
        found.accepted(bytes(16), 1, 1, [frame], (2, 4))
    with pytest.raises(Violation, match="answered with 1 outputs of sequence 3; the log has it at 2"):
        found.accepted(TOKEN, 1, 1, [b"\3" + frame[1:]], (2, 4))
    with pytest.raises(Violation, match="answered with 2 outputs"):
        found.accepted(TOKEN, 1, 1, [frame, frame], (2, 4))
    found.accepted(TOKEN, 1, 1, [frame], (2, 4))
    with pytest.raises(Violation, match="took the answer to request 1 of session 1 twice"):
        found.accepted(TOKEN, 1, 1, [frame], (2, 4))


def test_an_opening_must_be_answered_as_the_log_says() -> None:
    found = checker(good())
    found.welcomed("it", WELCOME, 1, 1)
    for kind, sequence, session in ((WELCOME, 1, 2), (EVICTED, 1, 0), (WELCOME, 2, 1)):
        with pytest.raises(Violation, match="the log says"):
            found.welcomed("it", kind, sequence, session)


def test_an_answered_request_that_is_gone_from_the_log_is_noticed_at_the_end() -> None:
    log = good()
    found = checker(log)
    found.accepted(TOKEN, 1, 2, answers(found, 2), (2, 3))
    log.pop()
    with pytest.raises(Violation, match="the log reads differently now: 2 events, once 3"):
        found.finish()
    found.fold = Fold(2, 1000, 4)
    found.position = 0
    with pytest.raises(Violation, match="request 2 of session 1 was answered at 3, now it is None"):
        found.finish()
