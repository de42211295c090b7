"""Recovery record by record, where a snapshot says to begin, and which snapshot is used."""

import pytest

from processor.errors import SnapshotError
from processor.leadership.validity import ACK_ADVANCE
from processor.recovery.plan import (
    PHASE_AWAIT_CLAIM,
    PHASE_LEAD,
    PHASE_REPLAY,
    PLAN_APPLY,
    PLAN_CLAIM,
    PLAN_CLAIM_AGAIN,
    PLAN_HOLE,
    PLAN_LEAD,
    PLAN_MISFIT,
    PLAN_NO_BEGINNING,
    PLAN_OVER,
    PLAN_SKIP,
    PLAN_UNREADABLE,
    RecoveryPlan,
    snapshot_position,
)
from processor.snapshot.choice import Candidate, LastBlock, check_last_block, choose
from tests.test_validity import A, B, C, block, claim


def slots(epoch_offset: int, writer: int, first: int, count: int) -> bytes:
    return block(epoch_offset, writer, first, count, slot_bytes=64, data_bytes=64 * count)


LOG = [claim(A, A), slots(0, A, 1, 3), slots(0, A, 4, 2), claim(B, A), slots(0, A, 6, 1), slots(3, B, 6, 4)]


def replayed(upto: int, plan: RecoveryPlan | None = None) -> RecoveryPlan:
    plan = plan or RecoveryPlan(0)
    for offset in range(plan.position, upto):
        plan.record(offset, offset + 1, LOG[offset])
    return plan


def test_a_replay_applies_what_counts_and_skips_what_is_void():
    plan = RecoveryPlan(0)
    done = [plan.record(offset, offset + 1, header) for offset, header in enumerate(LOG)]
    assert done == [PLAN_CLAIM, PLAN_APPLY, PLAN_APPLY, PLAN_CLAIM, PLAN_SKIP, PLAN_APPLY]
    assert (plan.position, plan.validity.next_sequence, plan.phase) == (6, 10, PHASE_REPLAY)
    assert plan.last_block == (5, 6, 3, B, 6, 4)


def test_recovery_ends_at_the_own_claim_and_at_nothing_else():
    plan = replayed(6)
    assert plan.near_end(6)
    assert plan.claimed(C) == A
    assert plan.phase == PHASE_AWAIT_CLAIM
    assert not plan.near_end(6)
    assert plan.record(6, 7, slots(3, B, 10, 2)) == PLAN_APPLY
    assert plan.record(7, 8, claim(A, A)) == PLAN_CLAIM
    with pytest.raises(ValueError, match="read its own claim"):
        plan.leader_log()
    assert plan.record(8, 9, claim(C, A)) == PLAN_LEAD
    assert plan.phase == PHASE_LEAD
    log = plan.leader_log()
    assert (log.epoch_offset, log.epoch_writer, log.expected_offset, log.validity.next_sequence) == (8, C, 9, 12)
    assert log.ack(9, 10, 1) == ACK_ADVANCE
    assert plan.record(9, 10, slots(8, C, 12, 1)) == PLAN_OVER


def test_it_is_near_the_end_only_within_the_slack():
    plan = replayed(4)
    assert not plan.near_end(6)
    assert plan.near_end(6, slack=2)


def test_the_loser_of_the_very_first_claims_claims_again_in_the_winners_journal():
    plan = RecoveryPlan(0)
    assert plan.claimed(B) == B
    assert plan.record(0, 1, claim(A, A)) == PLAN_CLAIM
    assert plan.record(1, 2, claim(B, B)) == PLAN_CLAIM_AGAIN
    assert plan.phase == PHASE_REPLAY
    assert plan.claimed(C) == A
    assert plan.record(2, 3, claim(C, A)) == PLAN_LEAD


def test_a_second_claim_while_one_is_awaited_is_refused():
    plan = RecoveryPlan(0)
    plan.claimed(A)
    with pytest.raises(ValueError, match="still awaited"):
        plan.claimed(B)


def test_a_record_that_stands_elsewhere_than_expected_is_a_hole():
    plan = replayed(2)
    assert plan.record(3, 4, LOG[3]) == PLAN_HOLE
    assert "offset 2 is gone" in plan.problem(PLAN_HOLE)
    assert plan.position == 2


def test_a_log_without_its_founding_claim_is_refused():
    for first in (slots(0, A, 1, 3), claim(B, A), block(0, A, 1, 1, magic=1)):
        plan = RecoveryPlan(7)
        assert plan.record(7, 8, first) == PLAN_NO_BEGINNING
    assert "offset 7" in plan.problem(PLAN_NO_BEGINNING)


def test_sizes_that_contradict_each_other_are_refused_before_anything_is_applied():
    for changes in ({"data_bytes": 64}, {"slot_bytes": 72, "data_bytes": 144}, {"version": 2}):
        plan = RecoveryPlan(0, slot_bytes=64)
        plan.record(0, 1, LOG[0])
        header = block(0, A, 1, 2, **{"slot_bytes": 64, "data_bytes": 128, **changes})
        assert plan.record(1, 2, header) == PLAN_UNREADABLE
        assert plan.position == 1


def resumed_after(sequence: int, upto: int) -> RecoveryPlan:
    """As a snapshot taken when `sequence` was applied last, by one who had read the first `upto` records."""
    whole = replayed(upto)
    offset, next_offset, epoch_offset, epoch_writer, first, count = whole.last_block
    assert first <= sequence < first + count
    return RecoveryPlan(
        snapshot_position(offset, next_offset, first, count, sequence + 1),
        journal_id=whole.validity.journal_id,
        epoch_offset=epoch_offset,
        epoch_writer=epoch_writer,
        next_sequence=sequence + 1,
        last_block_offset=offset,
    )


@pytest.mark.parametrize(("sequence", "upto"), [(1, 2), (2, 2), (3, 2), (4, 3), (5, 3), (5, 4), (5, 5), (6, 6), (9, 6)])
def test_a_recovery_from_a_snapshot_applies_exactly_what_the_snapshot_lacks(sequence, upto):
    plan = resumed_after(sequence, upto)
    applied = []
    for offset in range(plan.position, len(LOG)):
        if plan.record(offset, offset + 1, LOG[offset]) == PLAN_APPLY:
            first, count = plan.last_block[4:]
            applied += range(first + plan.skip, first + count)
    assert applied == list(range(sequence + 1, 10))
    assert repr(plan.validity) == repr(replayed(len(LOG)).validity)


def test_a_snapshot_taken_straight_after_another_has_its_position_and_epoch():
    for sequence in (2, 3):
        plan = resumed_after(sequence, 2)
        offset, next_offset, epoch_offset, epoch_writer, first, count = plan.last_block
        assert snapshot_position(offset, next_offset, first, count, sequence + 1) == plan.position
        assert (offset, epoch_offset, epoch_writer) == (1, 0, A)


@pytest.mark.parametrize("record", [claim(B, A), slots(0, B, 1, 3), slots(0, A, 3, 3), slots(0, A, 1, 2)])
def test_a_snapshot_whose_last_block_is_another_now_is_refused(record):
    plan = resumed_after(2, 2)
    assert plan.record(1, 2, record) == PLAN_MISFIT
    assert "offset 1" in plan.problem(PLAN_MISFIT)


OLD = Candidate("old", sequence=5, position=3, journal_id=A, last_block_offset=2, last_block_checksum=77)
NEW = Candidate("new", sequence=9, position=6, journal_id=A, last_block_offset=5, last_block_checksum=78)
TORN = Candidate("torn", sequence=10, problem="the end mark is missing")
OTHER = Candidate("other", sequence=12, position=6, journal_id=C)


def test_the_newest_whole_snapshot_of_this_journal_is_used():
    choice = choose([OLD, OTHER, TORN, NEW], journal_id=A, log_first=0, log_end=6)
    assert (choice.snapshot, choice.position) == (NEW, 6)
    assert [name for name, _ in choice.skipped] == ["other", "torn"]


def test_a_snapshot_that_does_not_read_back_falls_back_to_the_one_before():
    read = []

    def check(candidate: Candidate) -> str:
        read.append(candidate.name)
        return "checksum" if candidate is NEW else ""

    choice = choose([OLD, NEW], journal_id=A, log_first=0, log_end=6, check=check)
    assert (choice.snapshot, choice.position, choice.skipped) == (OLD, 3, (("new", "checksum"),))
    assert read == ["new", "old"]


def test_without_a_snapshot_the_first_event_is_the_beginning():
    assert choose([], journal_id=A, log_first=0, log_end=6).position == 0
    assert choose([TORN], journal_id=A, log_first=0, log_end=6).snapshot is None
    assert choose([], journal_id=0, log_first=0, log_end=0).position == 0


def test_snapshots_of_another_journal_alone_are_refused():
    with pytest.raises(SnapshotError, match=r"is 00000000000000a1, .*\(other\) belong to 00000000000000c3"):
        choose([OTHER, TORN], journal_id=A, log_first=0, log_end=6)


def test_a_log_whose_beginning_is_gone_is_never_half_rebuilt():
    assert choose([NEW], journal_id=0, log_first=6, log_end=9).position == 6
    with pytest.raises(SnapshotError, match="position of 7 or more"):
        choose([TORN], journal_id=A, log_first=7, log_end=9)
    with pytest.raises(SnapshotError, match="begins at 7: the records between are gone"):
        choose([NEW, OLD], journal_id=A, log_first=7, log_end=9)


def test_a_log_that_ends_before_the_snapshot_has_lost_records():
    with pytest.raises(SnapshotError, match="ends at 5: the journal has lost"):
        choose([NEW, OLD], journal_id=A, log_first=0, log_end=5)
    with pytest.raises(SnapshotError, match="ends at 0: the journal has lost"):
        choose([OLD], journal_id=0, log_first=0, log_end=0)


def test_the_last_applied_block_must_read_as_it_did():
    check_last_block(NEW, 3, B, LastBlock(3, B, 78), log_first=0)
    check_last_block(NEW, 3, B, None, log_first=6)
    for found in (None, LastBlock(3, B, 79), LastBlock(3, C, 78), LastBlock(4, B, 78)):
        with pytest.raises(SnapshotError, match="last applied block is at offset 5"):
            check_last_block(NEW, 3, B, found, log_first=0)
