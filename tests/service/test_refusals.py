"""What cannot be started: a clear error that says what to do, no claim left behind, and nobody else disturbed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bench.broker import unused_port
from bench.service_process import ServiceProcess
from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor import Client
from processor.counters import Counters
from processor.journal import open_journal
from tests.service.conftest import Make


def refused(service: ServiceProcess, *words: str, code: int = 3) -> str:
    """Starts it, and expects it to end with this exit code and one line that holds all of the words, and no traceback."""
    service.begin()
    assert service.join() == code, service.lines
    assert not any("Traceback" in line for line in service.lines), service.lines
    line = next((line for line in service.lines if all(word in line for word in words)), None)
    assert line is not None, (words, service.lines)
    return line


def deposit(service: ServiceProcess, expected: int) -> None:
    with Client(service.listen, bank) as client:
        assert list(client.request(Deposit(1, 10))) == [Balance(1, expected)]


def journal_end(url: str) -> int:
    with open_journal(url) as journal:
        return int(journal.ends()[1])


def create(bootstrap: str, topic: str, partitions: int = 1, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)


def test_a_journal_of_another_application(make: Make) -> None:
    service = make().start()
    deposit(service, 10)
    assert service.stop() == 0
    end = journal_end(service.journal)
    stranger = make("tests.service.apps:other", name="other")
    refused(stranger, service.journal, "'bank'", "'other'", "name the right journal")
    assert journal_end(service.journal) == end
    deposit(make().start(), 20)


def test_a_journal_of_another_schema_of_the_same_application(make: Make, tmp_path: Path) -> None:
    service = make("tests.service.apps:counter").start()
    assert service.stop() == 0
    end = journal_end(service.journal)
    refused(make("tests.service.apps:changed", snapshots=tmp_path / "fresh"), "another schema", "Touch", "Add")
    assert journal_end(service.journal) == end


def test_another_window_than_the_one_of_the_journal(make: Make, tmp_path: Path) -> None:
    service = make(options=("--window", "64")).start()
    deposit(service, 10)
    assert service.stop() == 0
    end = journal_end(service.journal)
    words = ("session settings", "window is 64 there, 8192 here", "--window 64")
    refused(make(), ".snap", *words)
    refused(make(snapshots=tmp_path / "none"), "offset 0", *words)
    assert journal_end(service.journal) == end
    deposit(make(options=("--window", "64")).start(), 20)


def test_snapshots_of_another_journal(make: Make, tmp_path: Path) -> None:
    first = make().start()
    deposit(first, 10)
    assert first.stop() == 0
    second = make(journal=f"embedded:{tmp_path}/second", snapshots=tmp_path / "snapshots-2").start()
    deposit(second, 10)
    assert second.stop() == 0
    end = journal_end(second.journal)
    mixed = make(journal=second.journal, snapshots=first.snapshots)
    refused(mixed, "belong to", "--snapshots")
    assert journal_end(second.journal) == end
    deposit(make(journal=second.journal, snapshots=second.snapshots).start(), 20)


def test_snapshots_whose_journal_is_gone(make: Make, tmp_path: Path) -> None:
    first = make().start()
    deposit(first, 10)
    assert first.stop() == 0
    empty = make(journal=f"embedded:{tmp_path}/empty")
    refused(empty, "the journal ends at", "--snapshots")


def test_a_socket_path_in_use(make: Make, tmp_path: Path) -> None:
    service = make().start()
    deposit(service, 10)
    second = make(journal=f"embedded:{tmp_path}/second", snapshots=tmp_path / "snapshots-2")
    refused(second, service.listen, "in use", "choose another path")
    assert not (tmp_path / "second").exists()
    deposit(service, 20)


def test_a_socket_path_that_holds_a_file(make: Make, tmp_path: Path) -> None:
    precious = tmp_path / "service.socket"
    precious.write_text("precious")
    refused(make(), str(precious), "no socket", "choose another path")
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("address", ["tcp:127.0.0.1:1", "unix:relative", "unix:/" + "x" * 120])
def test_an_address_that_is_none(make: Make, address: str) -> None:
    refused(make(listen=address), "unix:/" if "x" * 120 not in address else "bytes", code=2)


def test_a_second_service_on_the_same_embedded_journal(make: Make) -> None:
    service = make().start()
    deposit(service, 10)
    page = service.snapshots / "counters"
    before = page.stat().st_ino
    second = make(name="second", snapshots=service.snapshots)
    refused(second, f"process {service.process.pid} writes to this journal", "name another journal")
    assert page.stat().st_ino == before
    assert Counters.read(str(page))["pid"] == service.process.pid
    deposit(service, 20)


def test_a_journal_directory_that_holds_something_else(make: Make, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "letter.txt").write_text("dear")
    refused(make(), "other files", "letter.txt", "name a new or empty one")
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(("url", "words"), [
    ("nowhere", ("names no journal", "kafka://host:port")),
    ("kafka://host/topic", ("host:port is missing",)),
    ("embedded:", ("the path is missing",)),
    ("memory:a/b", ("holds no /",)),
])
def test_a_journal_url_that_is_none(make: Make, url: str, words: tuple[str, ...]) -> None:
    refused(make(journal=url), *words, code=2)


@pytest.mark.parametrize(("application", "words"), [
    ("examples.bank", ("MODULE:APP", "examples.bank:app")),
    ("nomodule:app", ("nomodule",)),
    ("examples.bank:missing", ("missing",)),
    ("examples.bank:Bank", ("not a processor.App",)),
])
def test_an_application_that_is_none(make: Make, application: str, words: tuple[str, ...]) -> None:
    refused(make(application), *words, code=2)


def test_snapshots_under_a_file(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(make(snapshots=tmp_path / "file" / "snapshots"), "cannot keep snapshots here")


def test_a_topic_with_finite_retention_unless_accepted(make: Make, bootstrap: str, topic: str) -> None:
    create(bootstrap, topic, **{"retention.ms": "3600000"})
    url = f"kafka://{bootstrap}/{topic}"
    refused(make(journal=url), "keeps its records only for a while", "retention.ms=3600000", "--allow-finite-retention")
    assert journal_end_allowing(url) == 0
    deposit(make(journal=url, options=("--allow-finite-retention",)).start(), 10)


def journal_end_allowing(url: str) -> int:
    with open_journal(url, allow_finite_retention=True) as journal:
        return int(journal.ends()[1])


def test_a_compacted_topic(make: Make, bootstrap: str, topic: str) -> None:
    create(bootstrap, topic, **{"cleanup.policy": "compact", "retention.ms": "-1"})
    refused(make(journal=f"kafka://{bootstrap}/{topic}"), "compacted", "cleanup.policy=delete")


def test_a_topic_with_more_partitions_than_were_named(make: Make, bootstrap: str, topic: str) -> None:
    create(bootstrap, topic, 3, **{"retention.ms": "-1", "retention.bytes": "-1"})
    url = f"kafka://{bootstrap}/{topic}"
    refused(make(journal=url), "has 3 partitions", "partition=0")
    refused(make(journal=f"{url}?partition=3"), "numbered from 0")
    deposit(make(journal=f"{url}?partition=2").start(), 10)


def test_a_broker_that_is_not_there(make: Make) -> None:
    port = unused_port()
    refused(make(journal=f"kafka://127.0.0.1:{port}/topic"), f"127.0.0.1:{port}", "start it, or correct the address")


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_broker_that_does_not_answer(make: Make, mute: int) -> None:
    refused(make(journal=f"kafka://127.0.0.1:{mute}/topic"), f"127.0.0.1:{mute}", "no broker answers")


def test_a_setting_that_librdkafka_does_not_know(make: Make, bootstrap: str, topic: str) -> None:
    wrong = make(journal=f"kafka://{bootstrap}/{topic}", options=("--set", "no.such.setting=1"))
    refused(wrong, "no.such.setting", code=2)


def test_a_log_whose_beginning_is_gone_and_no_snapshot(make: Make, bootstrap: str, topic: str, tmp_path: Path) -> None:
    url = f"kafka://{bootstrap}/{topic}"
    service = make(journal=url).start()
    deposit(service, 10)
    assert service.stop() == 0
    end = journal_end(url)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 1)]).values():
        deleted.result(30)
    with open_journal(url) as journal:
        assert journal.ends()[0] == 1
    gone = make(journal=url, snapshots=tmp_path / "none")
    refused(gone, "begins at offset 1", "no usable snapshot")
    assert journal_end(url) == end
    # The snapshot lies behind the gap: with it nothing is missing.
    deposit(make(journal=url).start(), 20)


