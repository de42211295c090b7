"""A broker that dies under a Kafka journal: told, waited for, and nothing lost or doubled when it is back."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator

import pytest

from bench.broker import Broker
from processor.errors import JournalError
from processor.journal import open_journal
from processor.journal.exercise import FULL, append, poll, wake_fd
from tests.journal import topics
from tests.journal.leading import lead
from tests.journal.records import read_numbers, record, wait_until


@pytest.fixture(scope="module")
def mortal() -> Iterator[Broker]:
    """A broker to be killed, which makes topics on a mere question, as brokers do out of the box."""
    with Broker(settings={"auto.create.topics.enable": "true"}) as started:
        yield started


@pytest.fixture
def alive(mortal: Broker) -> Broker:
    if mortal.process is None or mortal.process.poll() is not None:
        mortal.start()
    return mortal


def test_a_question_for_a_journal_makes_no_topic(alive: Broker, topic: str) -> None:
    for _ in range(2):
        with pytest.raises(JournalError, match="there is no topic"):
            open_journal(f"kafka://{alive.bootstrap}/{topic}")
    assert topic not in topics.topics(alive.bootstrap)
    with open_journal(f"kafka://{alive.bootstrap}/{topic}", write=True):
        assert topics.settings(alive.bootstrap, topic)["retention.ms"] == "-1"


def test_blocks_in_flight_while_the_broker_dies_get_into_the_log_once_and_in_order(alive: Broker, topic: str) -> None:
    with open_journal(f"kafka://{alive.bootstrap}/{topic}", write=True) as journal:
        reader = journal.reader(0)
        blocks = [record(number, 50_000) for number in range(1, 200)]
        sent, told = 0, []

        def send(most: int) -> None:
            nonlocal sent
            while sent < most and append(journal, *blocks[sent], sent + 1) == 0:
                sent += 1

        while len(told) < 100:
            send(110)
            told += poll(journal, timeout_ms=100)
        send(len(blocks))
        alive.kill()                                    # with as many in flight as it takes
        told += poll(journal)
        send(len(blocks))                               # and some more, should all of those have been acknowledged before
        wait_until(lambda: told.extend(poll(journal, timeout_ms=20)) or journal.away)
        send(len(blocks))
        assert sent == len(told) + 16
        assert append(journal, *blocks[sent], sent + 1) == FULL
        while reader.read(timeout_s=0.1) is not None:   # what was fetched before is still handed out
            pass
        begun = time.monotonic()
        assert reader.read(timeout_s=0.5) is None       # and the end is no error, and no longer a wait than asked for
        assert time.monotonic() - begun < 10
        alive.start()

        def all_told() -> bool:
            told.extend(poll(journal, timeout_ms=100))
            send(len(blocks))
            return len(told) == len(blocks)

        wait_until(all_told, 60)
        assert not journal.away
        assert [tag for tag, _, _ in told] == list(range(1, len(blocks) + 1))
        assert [offset for _, offset, _ in told] == list(range(len(blocks)))
        assert read_numbers(journal) == list(range(1, len(blocks) + 1))
        reader.close()


def test_an_idle_journaler_goes_on_sleeping_when_the_broker_dies(alive: Broker, topic: str) -> None:
    """librdkafka's event that all brokers are gone keeps the descriptor readable until somebody takes it."""
    url = f"kafka://{alive.bootstrap}/{topic}"
    with open_journal(url, write=True) as journal, open_journal(url, write=True) as witness:
        leader = lead(journal)
        witness.append_record(*record(1))               # a void block; now both are connected
        with leader.running():
            leader.publish(3)
            wait_until(lambda: leader.durable() == 3)
            alive.kill()
            assert select.select([wake_fd(witness)], [], [], 30)[0], "the witness was told nothing"
            wait_until(lambda: not select.select([wake_fd(journal)], [], [], 0)[0], 10)
            assert not journal.away                     # nobody waits for it
            leader.publish(2)
            wait_until(lambda: journal.away)
            wait_until(lambda: leader.counters.get("journal_away") == 1)
            alive.start()
            wait_until(lambda: leader.durable() == 5, 60)
            assert leader.drain() == ("drained", "")


def test_closing_while_the_broker_is_away_takes_bounded_time(alive: Broker, topic: str) -> None:
    journal = open_journal(f"kafka://{alive.bootstrap}/{topic}", write=True)
    journal.append_record(*record(1))
    alive.kill()
    with pytest.raises(JournalError, match=r"no acknowledgement within 0\.3 s: is the broker there\?"):
        journal.append_record(*record(2), timeout_s=0.3)
    with pytest.raises(JournalError, match="does not tell where the partition begins and ends"):
        journal.ends()
    closing = threading.Thread(target=journal.close)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
