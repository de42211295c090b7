"""What else may stand in a Kafka journal's partition, how large a block may be, and which settings pass."""

from __future__ import annotations

import pytest

from processor.errors import JournalError, WrongUse
from processor.journal import open_journal
from processor.journal.exercise import append, poll
from processor.journal.kafka import RECORD_OVERHEAD_BYTES, KafkaJournal
from processor.leadership.validity import RECORD_VOID, Validity
from tests.journal import topics
from tests.journal.records import fill, read_to, record, same


def acks(journal: KafkaJournal, count: int) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    for _ in range(200):
        found += poll(journal, timeout_ms=100)
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} of {count} acknowledgements after 20 s")


def test_foreign_records_are_void_and_harm_nobody(bootstrap: str, topic: str) -> None:
    header, data = record(5)
    strangers = [
        (None, b"hello"), (b"key", b"hello"), (None, None), (b"", b""), (b"k" * 64, None), (b"k" * 64, b"x" * 64),
        (header, None), (header, data[:-1]), (header[:-1], data), (header + b"x", data), (None, header + data),
    ]
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True) as journal:
        fill(journal, range(1, 3))
        topics.produce(bootstrap, topic, *strangers)
        offset, _ = journal.append_record(*record(3))
        assert offset == 2 + len(strangers)
        reader = journal.reader(0)
        found = read_to(reader, offset + 1)
        reader.close()
    validity = Validity()
    for at, _, foreign, _ in found[2:-1]:
        assert foreign == bytes(64)
        assert validity.judge_header(at, foreign) == RECORD_VOID
    assert all(same(head, kept, number) for (_, _, head, kept), number in
               zip([*found[:2], found[-1]], (1, 2, 3), strict=True))


def test_a_second_writers_records_move_the_first_ones_offsets(bootstrap: str, topic: str) -> None:
    url = f"kafka://{bootstrap}/{topic}"
    with open_journal(url, write=True) as one, open_journal(url, write=True) as other:
        assert one.append_record(*record(1)) == (0, 1)
        assert other.append_record(*record(2)) == (1, 2)
        assert one.append_record(*record(3)) == (2, 3)
        assert [other.append_record(*record(number)) for number in (4, 5)] == [(3, 4), (4, 5)]
        assert one.append_record(*record(6)) == (5, 6)


def test_blocks_in_flight_together_never_exceed_what_the_topic_takes(bootstrap: str, topic: str) -> None:
    topics.make(bootstrap, topic, max_message_bytes="100000")
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True) as journal:
        assert journal.data_bytes_max == 100_000 - RECORD_OVERHEAD_BYTES
        blocks = [record(number, 40_000) for number in range(1, 17)]
        for tag, block in enumerate(blocks):
            assert append(journal, *block, tag) == 0
        assert [offset for _, offset, _ in acks(journal, 16)] == list(range(16))
        journal.append_record(*record(17, journal.data_bytes_max))
        text = "up to 99488 bytes a block; raise its max.message.bytes"
        with pytest.raises(JournalError, match=text):
            journal.append_record(*record(18, journal.data_bytes_max + 8))
        with pytest.raises(JournalError, match=text):
            journal.check_slot_bytes(99_496)


def test_a_block_that_the_broker_refuses_stops_the_journal_with_advice(bootstrap: str, topic: str) -> None:
    topics.make(bootstrap, topic, max_message_bytes="50000")
    # Unaware of the topic's limit, as when that was lowered afterwards.
    with KafkaJournal(f"kafka://{bootstrap}/{topic}", bootstrap, topic, 0, write=True) as journal:
        assert append(journal, *record(1, 60_000), 0) == 0
        with pytest.raises(JournalError, match=r"larger than the topic.*|[Mm]essage.*too large"):
            acks(journal, 1)
        assert journal.failure
        with pytest.raises(JournalError, match="cannot append"):
            journal.append_record(*record(2))


def test_a_queue_too_small_for_one_block_is_an_error_not_a_wait(bootstrap: str, topic: str) -> None:
    settings = {"queue.buffering.max.kbytes": "64"}
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True, settings=settings) as journal, \
            pytest.raises(JournalError, match=r"raise queue\.buffering\.max\.kbytes"):
        journal.append_record(*record(1, 100_000))


def test_settings_of_librdkafka_reach_it_in_reading_and_writing(bootstrap: str, topic: str) -> None:
    settings = {"compression.type": "lz4", "linger.ms": "1", "fetch.wait.max.ms": "5", "message.max.bytes": "300000",
                "client.id": "ours", "batch.num.messages": "7"}
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True, settings=settings) as journal:
        assert journal.data_bytes_max == 300_000 - RECORD_OVERHEAD_BYTES
        fill(journal, range(1, 4), 10_000)
        reader = journal.reader(0)
        assert len(read_to(reader, 3)) == 3
        reader.close()
    with open_journal(f"kafka://{bootstrap}/{topic}", settings=settings) as journal:
        assert journal.ends() == (0, 3)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"no.such.setting": "1"}, "no.such.setting=1"),
        ({"linger.ms": "soon"}, "linger.ms=soon"),
        ({"acks": "1"}, "acks=1 would break what a journal promises: it stays all"),
        ({"enable.idempotence": "false"}, "it stays true"),
        ({"enable.gapless.guarantee": "false"}, "it stays true"),
        ({"auto.offset.reset": "earliest"}, "it stays error"),
        ({"bootstrap.servers": "127.0.0.1:1"}, "the URL names the brokers"),
        ({"transactional.id": "x"}, "claims in the log decide"),
        ({"security.protocol": "nonsense"}, "security.protocol=nonsense"),
        ({"max.in.flight.requests.per.connection": "9"}, "max.in.flight"),
        ({"retries": "0"}, "retries"),
    ],
)
def test_settings_that_cannot_be_are_wrong_use_and_make_no_topic(
    bootstrap: str, topic: str, settings: dict[str, str], why: str
) -> None:
    with pytest.raises(WrongUse) as caught:
        open_journal(f"kafka://{bootstrap}/{topic}", write=True, settings=settings)
    assert why in str(caught.value)
    assert topic not in topics.topics(bootstrap)
