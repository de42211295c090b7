"""`processor journal info`, and both commands on the journal of a service that writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.service_process import running
from processor.client import Client
from processor.journal import open_journal
from processor.journal.inspect import survey
from processor.journal.records import BlockRecord, ClaimRecord, open_to_look, records
from tests.cli.commands import processor
from tests.journaled import NOON, SCHEMA, Writer

BANK = "examples.bank:app"


def informed(url: str, *words: object) -> dict:
    done = processor("journal", "info", url, "--json", *words)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def two_epochs(url: str) -> None:
    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        first_epoch = writer.epoch
        writer.block(*writer.deposits(1, 2), writer.event("Tick"))
        writer.claim(2)
        writer.block(*writer.deposits(3), first=4, epoch=first_epoch)
        writer.block(*writer.deposits(4))


def test_info_counts_what_is_valid_and_lists_the_epochs(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}/journal"
    two_epochs(url)
    found = informed(url)
    epochs = found.pop("epochs")
    assert [(epoch["writer"], epoch["host"], epoch["pid"], epoch["time"]) for epoch in epochs] == [
        ("0000000000000001", "here", 42, NOON), ("0000000000000002", "here", 42, NOON)
    ]  # fmt: skip
    with open_journal(url) as journal:
        everything = list(records(journal))
    assert [epoch["offset"] for epoch in epochs] == [r.offset for r in everything if isinstance(r, ClaimRecord)]
    assert found == {
        "url": url, "kind": "embedded", "first_offset": 0, "end_offset": everything[-1].next_offset,
        "journal_id": "0000000000000001", "application": "bank", "version": "7",
        "fingerprint": f"{SCHEMA.fingerprint:016x}", "events": 4, "last_sequence": 4, "first_timestamp": NOON + 1,
        "last_timestamp": NOON + 4, "blocks": 2, "void_blocks": 1, "void_claims": 0, "foreign_records": 0,
        "bytes": sum(record.bytes for record in everything), "events_by_type": {"Deposit": 3, "Tick": 1},
        "damage": None,
    }  # fmt: skip
    assert informed(url, "--from", 3, "--to", 3)["events_by_type"] == {"Tick": 1}
    text = processor("journal", "info", url).stdout
    assert "application        bank\n" in text and "3 Deposit\n" in text and "process 42 on here" in text


def test_info_of_an_empty_journal_says_that_nobody_has_claimed_it(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}/journal"
    open_journal(url, write=True).close()
    found = informed(url)
    assert (found["journal_id"], found["application"], found["epochs"], found["events"]) == (None, None, [], 0)
    assert (found["first_offset"], found["end_offset"], found["events_by_type"]) == (0, 0, {})
    assert processor("journal", "info", url).returncode == 0


def test_info_of_a_damaged_journal_tells_what_stands_before_the_damage(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}/journal"
    two_epochs(url)
    with open_journal(url) as journal:
        last = [record for record in records(journal) if isinstance(record, BlockRecord)][1]
    with (tmp_path / "journal" / f"{0:020}.log").open("r+b") as segment:
        segment.seek(last.offset + 100)
        segment.write(b"\xff")
    done = processor("journal", "info", url, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 3 and (found["events"], found["blocks"]) == (3, 1)
    assert f"offset {last.offset} " in done.stderr and found["damage"] in done.stderr


def test_a_claim_of_another_journal_is_void_and_counted() -> None:
    with open_journal("memory:", write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        mine = writer.epoch
        writer.journal_id = 0
        writer.claim(9)
        writer.epoch = mine
        writer.block(*writer.deposits(1))
        found = survey(journal)
    assert (found.void_claims, found.events, len(found.epochs)) == (1, 1, 1)


def test_a_journal_is_dumped_while_its_service_writes_to_it(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path}/journal"
    listen = f"unix:{tmp_path}/socket"
    with running(BANK, journal=url, listen=listen, snapshots=tmp_path / "snapshots"), Client(listen) as client:
        deposit = np.zeros(5_000, client.schema.event_names["Deposit"].dtype)
        deposit["amount"] = np.arange(1, 5_001)
        client.send_array("Deposit", deposit)
        client.request(("Transfer", {"source": 0, "target": 1, "amount": 2}))
        last = client.request(("Transfer", {"source": 1, "target": 0, "amount": 1})).sequence
        # More events are on their way while it is read.
        client.send_array("Deposit", deposit)
        found = informed(url)
        assert found["application"] == "bank" and found["last_sequence"] >= last
        done = processor("journal", "dump", url, "--from", last, "--to", last, "--json")
        event = json.loads(done.stdout)
        assert (event["type"], event["fields"]) == ("Transfer", {"source": 1, "target": 0, "amount": 1})
        done = processor("journal", "dump", url, "--to", 5_001, "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert [event["fields"]["amount"] for event in events if event["type"] == "Deposit"] == list(range(1, 5_001))
        assert sum(1 for _ in client.answers()) >= 5_000


def test_a_kafka_journal_is_dumped_while_its_service_writes_to_it(bootstrap: str, topic: str, tmp_path: Path) -> None:
    url = f"kafka://{bootstrap}/{topic}"
    listen = f"unix:{tmp_path}/socket"
    with running(BANK, journal=url, listen=listen, snapshots=tmp_path / "snapshots"), Client(listen) as client:
        numbers = [client.request(("Deposit", {"account": 3, "amount": amount})).sequence for amount in (5, 6, 7)]
        found = informed(url)
        assert (found["kind"], found["application"], found["last_sequence"]) == ("kafka", "bank", numbers[-1])
        assert found["events_by_type"] == {"Deposit": 3, "session-open": 1}
        done = processor("journal", "dump", url, "--from", numbers[1], "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["sequence"], event["fields"]) for event in events] == [
        (numbers[1], {"account": 3, "amount": 6}), (numbers[2], {"account": 3, "amount": 7})
    ]  # fmt: skip
    assert not any(event["void"] for event in events) and processor("journal", "info", f"{url}-no").returncode == 3


def test_a_kafka_journal_whose_beginning_has_expired_is_read_from_what_is_left(bootstrap: str, topic: str) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    url = f"kafka://{bootstrap}/{topic}"
    with open_journal(url, write=True) as journal:
        writer = Writer(journal)
        writer.claim(1)
        writer.block(*writer.deposits(1, 2))
        kept = writer.block(*writer.deposits(3))
        writer.claim(2)
        writer.block(*writer.deposits(4))
    admin = AdminClient({"bootstrap.servers": bootstrap})
    partition = TopicPartition(topic, 0, kept)
    admin.delete_records([partition])[partition].result(30)
    with open_to_look(url) as journal:
        found = survey(journal)
    assert (found.first_offset, found.events, found.last_sequence, found.void_blocks) == (kept, 2, 4, 0)
    assert found.events_by_type == {"Deposit": 2} and found.claim is not None and found.claim.journal_id == 1


def test_the_halt_message_names_a_dump_that_shows_the_event(tmp_path: Path) -> None:
    (tmp_path / "halting.py").write_text(HALTING)
    url = f"embedded:{tmp_path}/journal"
    listen = f"unix:{tmp_path}/socket"
    environment = {"PYTHONPATH": str(tmp_path)}
    place = {"journal": url, "listen": listen, "snapshots": tmp_path / "s"}
    with running("halting:app", **place, environment=environment) as service:
        with Client(listen) as client:
            client.request(("Give", {"number": 1}))
            client.submit(("Give", {"number": 13}))
            told = service.wait_for("halted: ")
        assert service.join() == 4
    words = told.partition("processor journal dump ")[2].split()
    done = processor("journal", "dump", *words, "--json")
    assert [json.loads(line)["fields"] for line in done.stdout.splitlines()] == [{"number": 13}]


HALTING = """
from processor import App, u32
app = App("halting")

@app.event
class Give:
    number: u32

@app.state
class State:
    last: int = 0

@app.on(Give)
def give(state, event, context):
    if event.number == 13:
        raise RuntimeError("unlucky")
    state.last = event.number
"""


@pytest.mark.parametrize("words", [("journal",), ("journal", "info"), ("journal", "dump"), ()])
def test_help_has_examples_and_exit_codes(words: tuple[str, ...]) -> None:
    text = processor(*words, "--help").stdout
    assert "processor" in text and (not words or "examples:" in text) and (len(words) == 2 or "exit codes:" in text)
