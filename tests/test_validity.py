"""Who may write, by the order of the log: claims, epochs, blocks, and what acknowledgements mean to a leader."""

import numpy as np
import pytest

from processor.errors import CorruptJournal, SchemaMismatch
from processor.fields import field_type, i64, u32
from processor.layout import BLOCK_HEADER
from processor.leadership.claim import BLOCK_MAGIC, BLOCK_SLOTS, build_claim, check_schema, new_writer, parse_claim
from processor.leadership.validity import (
    ACK_ADVANCE,
    ACK_DEPOSED,
    ACK_LOG_LOST,
    ACK_READ_BACK,
    ACK_READ_BETWEEN,
    LOOK_DEPOSED,
    LOOK_FOUND,
    LOOK_LOST,
    LOOK_ON,
    RECORD_APPLY,
    RECORD_CLAIM,
    RECORD_UNREADABLE,
    RECORD_VOID,
    LeaderLog,
    Validity,
)
from processor.schema import Message, Schema

A, B, C = 0xA1, 0xB2, 0xC3


def message(number: int, name: str, **fields: object) -> Message:
    return Message(number, name, {key: field_type(kind) for key, kind in fields.items()})


SCHEMA = Schema("bank", [message(1, "Deposit", account=u32, amount=i64)], [message(1, "Balance", balance=i64)])


def block(epoch_offset: int, writer: int, first: int, count: int, **changes: int) -> bytes:
    header = np.zeros((), BLOCK_HEADER)
    header["magic"], header["version"], header["kind"] = BLOCK_MAGIC, 1, BLOCK_SLOTS
    header["epoch_offset"], header["epoch_writer"] = epoch_offset, writer
    header["first_sequence"], header["count"] = first, count
    for key, value in changes.items():
        header[key] = value
    return header.tobytes()


def claim(writer: int, journal_id: int) -> bytes:
    return build_claim(writer, journal_id, SCHEMA, "1")[0]


def test_the_first_claim_founds_the_journal_and_a_claim_of_another_journal_is_void():
    validity = Validity()
    assert validity.judge_claim(0, B, A) == RECORD_VOID
    assert validity.journal_id == 0
    assert validity.judge_claim(1, A, A) == RECORD_CLAIM
    assert (validity.journal_id, validity.epoch_offset, validity.epoch_writer, validity.next_sequence) == (A, 1, A, 1)
    assert validity.judge_claim(2, B, B) == RECORD_VOID
    assert validity.judge_claim(3, 0, A) == RECORD_VOID
    assert (validity.epoch_offset, validity.epoch_writer) == (1, A)
    assert validity.judge_claim(4, B, A) == RECORD_CLAIM
    assert (validity.journal_id, validity.epoch_offset, validity.epoch_writer) == (A, 4, B)


def test_a_block_counts_only_in_the_epoch_in_force_and_at_the_next_sequence():
    validity = Validity()
    assert validity.judge_block(-1, 0, 1, 1) == RECORD_VOID
    validity.judge_claim(0, A, A)
    assert validity.judge_block(0, A, 2, 1) == RECORD_VOID
    assert validity.judge_block(0, A, 1, 0) == RECORD_VOID
    assert validity.judge_block(0, A, 1, 3) == RECORD_APPLY
    assert validity.judge_block(0, A, 1, 3) == RECORD_VOID
    assert validity.judge_block(1, A, 4, 1) == RECORD_VOID
    assert validity.judge_block(0, B, 4, 1) == RECORD_VOID
    assert validity.next_sequence == 4
    assert validity.judge_claim(7, B, A) == RECORD_CLAIM
    assert validity.judge_block(0, A, 4, 1) == RECORD_VOID
    assert validity.judge_block(7, B, 4, 2) == RECORD_APPLY
    assert validity.next_sequence == 6


def test_the_same_writer_at_another_offset_is_another_epoch():
    validity = Validity()
    validity.judge_claim(0, A, A)
    assert validity.judge_claim(1, A, A) == RECORD_CLAIM
    assert validity.judge_block(0, A, 1, 1) == RECORD_VOID
    assert validity.judge_block(1, A, 1, 1) == RECORD_APPLY


def test_headers_are_judged_as_their_fields_are():
    validity = Validity()
    assert validity.judge_header(0, claim(A, A)) == RECORD_CLAIM
    assert validity.judge_header(1, block(0, A, 1, 2)) == RECORD_APPLY
    assert validity.judge_header(2, block(0, B, 3, 2)) == RECORD_VOID
    assert validity.judge_header(3, claim(B, A)) == RECORD_CLAIM
    assert (validity.epoch_offset, validity.epoch_writer, validity.next_sequence) == (3, B, 3)
    assert validity.judge_header(4, block(3, B, 3, 1, magic=7)) == RECORD_VOID
    assert validity.judge_header(4, block(3, B, 3, 1, version=2)) == RECORD_UNREADABLE
    assert validity.judge_header(4, block(3, B, 3, 1, kind=9)) == RECORD_UNREADABLE
    with pytest.raises(ValueError, match="64 bytes, not 3"):
        validity.judge_header(4, b"abc")


def test_a_resumed_validity_goes_on_as_the_one_that_read_everything():
    read = Validity()
    log = [claim(A, A), block(0, A, 1, 3), claim(B, A), block(2, B, 4, 1)]
    log += [claim(C, C), block(0, A, 4, 1), block(2, B, 5, 2)]
    for offset, header in enumerate(log[:3]):
        read.judge_header(offset, header)
    resumed = Validity.resume(read.journal_id, read.epoch_offset, read.epoch_writer, read.next_sequence)
    for offset, header in enumerate(log[3:], 3):
        assert read.judge_header(offset, header) == resumed.judge_header(offset, header)
    assert repr(read) == repr(resumed)
    assert read.next_sequence == 7


def leader(expected: int = 11) -> LeaderLog:
    return LeaderLog(A, 10, B, 5, expected)


def test_an_acknowledgement_where_it_is_expected_advances():
    log = leader()
    assert log.ack(11, 12, 3) == ACK_ADVANCE
    assert (log.expected_offset, log.validity.next_sequence) == (12, 8)


def test_a_void_record_between_is_skipped():
    log = leader()
    assert log.ack(13, 14, 3) == ACK_READ_BETWEEN
    assert log.look_at(11, 12, block(2, A, 5, 1)) == LOOK_ON
    assert log.look_at(12, 13, claim(C, C)) == LOOK_ON
    assert log.look_at(13, 14, block(10, B, 5, 3)) == LOOK_FOUND
    assert (log.expected_offset, log.validity.next_sequence) == (14, 8)
    assert log.ack(14, 15, 1) == ACK_ADVANCE


def test_a_foreign_claim_between_deposes_for_good():
    log = leader()
    assert log.ack(12, 13, 3) == ACK_READ_BETWEEN
    assert log.look_at(11, 12, claim(C, A)) == LOOK_DEPOSED
    assert log.deposed
    assert log.ack(12, 13, 3) == ACK_DEPOSED
    assert log.look_at(12, 13, block(10, B, 5, 3)) == LOOK_DEPOSED


def test_a_record_of_an_unknown_version_between_deposes():
    log = leader()
    assert log.ack(12, 13, 3) == ACK_READ_BETWEEN
    assert log.look_at(11, 12, block(10, B, 5, 3, version=2)) == LOOK_DEPOSED


def test_an_unknown_offset_is_read_back_until_the_own_block_is_found():
    log = leader()
    assert log.ack(-1, -1, 3) == ACK_READ_BACK
    assert log.expected_offset == 11
    assert log.look_at(11, 12, block(2, A, 5, 1)) == LOOK_ON
    assert log.look_at(12, 13, block(10, B, 5, 3)) == LOOK_FOUND
    assert log.ack(13, 14, 1) == ACK_ADVANCE


def test_an_unknown_offset_behind_a_foreign_claim_is_deposed():
    log = leader()
    assert log.ack(-1, -1, 3) == ACK_READ_BACK
    assert log.look_at(11, 12, claim(C, A)) == LOOK_DEPOSED


def test_an_offset_below_the_expected_one_is_a_lost_log():
    log = leader()
    assert log.ack(10, 11, 1) == ACK_LOG_LOST


def test_something_else_at_the_acknowledged_offset_is_a_lost_log():
    log = leader()
    assert log.ack(12, 13, 3) == ACK_READ_BETWEEN
    assert log.look_at(11, 12, block(2, A, 5, 1)) == LOOK_ON
    assert log.look_at(12, 13, block(2, A, 5, 3)) == LOOK_LOST


def test_a_hole_while_reading_between_is_a_lost_log():
    log = leader()
    assert log.ack(13, 14, 3) == ACK_READ_BETWEEN
    assert log.look_at(12, 13, block(2, A, 5, 1)) == LOOK_LOST


def test_looking_without_a_reason_is_refused():
    assert leader().look_at(11, 12, block(10, B, 5, 3)) == LOOK_LOST


def test_a_claim_reads_back_as_it_was_built():
    header, data = build_claim(B, A, SCHEMA, "7", host="here", pid=12, time_ns=99)
    found = parse_claim(header, data)
    assert (found.writer, found.journal_id, found.application, found.version) == (B, A, "bank", "7")
    assert (found.host, found.pid, found.time_ns) == ("here", 12, 99)
    assert found.schema.text == SCHEMA.text
    assert b'"journal_id":"00000000000000a1"' in data
    assert parse_claim(*build_claim(A, 0, SCHEMA, "1")).journal_id == A


def test_writer_ids_are_random_and_never_zero():
    assert len({new_writer() for _ in range(100)}) == 100
    assert all(0 < new_writer() < 2**64 for _ in range(100))


def test_a_damaged_claim_says_where_and_what():
    header, data = build_claim(B, A, SCHEMA, "7")
    with pytest.raises(CorruptJournal, match="offset 5: expected a claim"):
        parse_claim(block(0, A, 1, 1), data, "offset 5")
    with pytest.raises(CorruptJournal, match="offset 5: the claim's text cannot be read"):
        parse_claim(header, data[:-1], "offset 5")
    with pytest.raises(CorruptJournal, match="header has writer 00000000000000c3, its text 00000000000000b2"):
        parse_claim(build_claim(C, A, SCHEMA, "7")[0], data, "offset 5")
    with pytest.raises(CorruptJournal, match="64 bytes, found 2"):
        parse_claim(b"ab", data)
    with pytest.raises(CorruptJournal, match="use a newer one"):
        parse_claim(block(0, A, 1, 1, kind=2, version=3), data)


def test_a_schema_that_differs_is_refused_by_name():
    check_schema(Schema.parse(SCHEMA.text), SCHEMA, "memory:")

    def refused(ours: Schema) -> str:
        with pytest.raises(SchemaMismatch) as caught:
            check_schema(SCHEMA, ours, "memory:")
        return str(caught.value)

    deposit, balance = SCHEMA.events[1], SCHEMA.outputs[1]
    assert "application 'bank', this is 'shop'" in refused(Schema("shop", [deposit], [balance]))
    assert "event Deposit (number 1) is missing here" in refused(Schema("bank", [], [balance]))
    wide = message(1, "Deposit", account=i64, amount=i64)
    assert "field account is u32 in the journal, i64 here" in refused(Schema("bank", [wide], [balance]))
    short = message(1, "Deposit", account=u32)
    assert "field amount (i64) is missing here" in refused(Schema("bank", [short], [balance]))
    more = [deposit, message(2, "Withdraw", account=u32)]
    assert "event Withdraw (number 2) is not in the journal's" in refused(Schema("bank", more, [balance]))
    named = message(1, "Pay", account=u32, amount=i64)
    assert "Deposit (number 1) is called Pay here" in refused(Schema("bank", [named], [balance]))
    assert "output Balance (number 1) is missing" in refused(Schema("bank", [deposit], []))
