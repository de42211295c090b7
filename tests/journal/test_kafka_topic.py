"""The topic under a Kafka journal: made so that it forgets nothing, refused where it would, and warned of."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.broker import unused_port
from processor.errors import JournalError
from processor.journal import open_journal
from tests.journal import topics
from tests.journal.records import fill, read_numbers


def test_a_new_topic_keeps_everything_for_ever(bootstrap: str, topic: str) -> None:
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True):
        kept = topics.settings(bootstrap, topic)
    assert (kept["retention.ms"], kept["retention.bytes"], kept["cleanup.policy"]) == ("-1", "-1", "delete")


def test_a_named_partition_of_a_new_topic_is_made_and_is_a_journal_of_its_own(bootstrap: str, topic: str) -> None:
    with open_journal(f"kafka://{bootstrap}/{topic}?partition=2", write=True) as journal:
        fill(journal, range(1, 4))
        assert journal.ends() == (0, 3)
    with open_journal(f"kafka://{bootstrap}/{topic}?partition=1", write=True) as other:
        assert other.ends() == (0, 0)
        fill(other, range(7, 9))
    with open_journal(f"kafka://{bootstrap}/{topic}?partition=2") as journal:
        assert read_numbers(journal) == [1, 2, 3]


@pytest.mark.parametrize("kept", [{"retention_ms": "3600000"}, {"retention_bytes": "1000000"}])
def test_finite_retention_is_refused_unless_it_is_accepted(bootstrap: str, topic: str, kept: dict[str, str]) -> None:
    topics.make(bootstrap, topic, **kept)
    url = f"kafka://{bootstrap}/{topic}"
    for write in (True, False):
        with pytest.raises(JournalError) as caught:
            open_journal(url, write=write)
        (name, value), = kept.items()
        assert f"keeps its records only for a while ({name.replace('_', '.')}={value})" in str(caught.value)
        assert f"kafka-configs --bootstrap-server {bootstrap} --alter" in str(caught.value)
        assert "--allow-finite-retention" in str(caught.value)
    with open_journal(url, write=True, allow_finite_retention=True) as journal:
        fill(journal, range(1, 3))
        assert read_numbers(journal) == [1, 2]


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_compacted_topic_is_refused_whatever_is_accepted(bootstrap: str, topic: str, policy: str) -> None:
    topics.make(bootstrap, topic, cleanup_policy=policy)
    for accepted in (False, True):
        with pytest.raises(JournalError, match=r"is compacted.*set cleanup\.policy=delete"):
            open_journal(f"kafka://{bootstrap}/{topic}", write=True, allow_finite_retention=accepted)


def test_a_topic_with_more_partitions_than_were_named_is_refused(bootstrap: str, topic: str) -> None:
    topics.make(bootstrap, topic, partitions=3)
    with pytest.raises(JournalError, match=rf"3 partitions and the URL names none.*{topic}\?partition=0"):
        open_journal(f"kafka://{bootstrap}/{topic}", write=True)
    open_journal(f"kafka://{bootstrap}/{topic}?partition=0", write=True).close()


def test_a_partition_that_is_not_there_is_refused(bootstrap: str, topic: str) -> None:
    topics.make(bootstrap, topic, partitions=2)
    with pytest.raises(JournalError, match="has 2 partitions, numbered from 0; there is no partition 2"):
        open_journal(f"kafka://{bootstrap}/{topic}?partition=2", write=True)


def test_a_mistyped_partition_makes_no_giant_topic(bootstrap: str, topic: str) -> None:
    with pytest.raises(JournalError, match="one with 100001 partitions is not made unasked"):
        open_journal(f"kafka://{bootstrap}/{topic}?partition=100000", write=True)
    assert topic not in topics.topics(bootstrap)


def test_a_weak_topic_warns_of_what_can_be_lost(bootstrap: str, topic: str) -> None:
    topics.make(bootstrap, topic, unclean_leader_election_enable="true", min_insync_replicas="1")
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True) as journal:
        text = "\n".join(journal.warnings)
    assert len(journal.warnings) == 3
    assert "has 1 replica: acknowledged events are lost with the broker's disk" in text
    assert "min.insync.replicas=1: an event can be acknowledged by one broker alone" in text
    assert "allows unclean leader election" in text


def refused_within(url: str, seconds: float) -> str:
    begun = time.monotonic()
    with pytest.raises(JournalError) as caught:
        open_journal(url, write=True)
    assert time.monotonic() - begun < seconds
    return str(caught.value)


@contextlib.contextmanager
def port_that_says_nothing() -> Iterator[int]:
    """Accepts connections, reads what comes, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(server.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in taken:
                connection.close()


def test_a_port_where_nobody_listens_or_nobody_answers_is_an_error_in_bounded_time() -> None:
    with port_that_says_nothing() as mute, ThreadPoolExecutor() as pool:
        ports = (mute, unused_port())
        texts = list(pool.map(lambda port: refused_within(f"kafka://127.0.0.1:{port}/x", 40), ports))
        for port, text in zip(ports, texts, strict=True):
            assert f"no broker answers at 127.0.0.1:{port} within 10 s" in text
            assert "start it, or correct the address" in text


def test_a_log_that_begins_past_0_tells_so_and_what_is_gone_cannot_be_read(bootstrap: str, topic: str) -> None:
    with open_journal(f"kafka://{bootstrap}/{topic}", write=True) as journal:
        fill(journal, range(1, 11))
        topics.forget_before(bootstrap, topic, 4)
        assert journal.ends() == (4, 10)
        reader = journal.reader(3)
        with pytest.raises(JournalError, match="what stood there is gone, or never was"):
            reader.read(timeout_s=20)
        reader.close()
        assert read_numbers(journal, 4) == list(range(5, 11))
