"""Other logic than what wrote the journal is found out by the state hashes in it, also when many triggers stand before each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.service_process import ServiceProcess
from processor import Client
from processor.journal import open_journal
from processor.journal.records import BlockRecord, open_to_look, records
from processor.keeper import CONTROL_SNAPSHOT, CONTROL_STATE_HASH, STATE_HASH
from processor.layout import SLOT_HEADER_BYTES
from tests.service.conftest import Make

TRIGGERS_BETWEEN = 5


def control_events(url: str) -> Iterator[tuple[int, int, bytes]]:
    """(sequence, type, payload) of the snapshot triggers and recorded hashes in the journal."""
    with open_to_look(url) as journal:
        for record in records(journal):
            if isinstance(record, BlockRecord) and not record.void:
                for number, head in enumerate(record.headers):
                    if head["type"] in (CONTROL_SNAPSHOT, CONTROL_STATE_HASH):
                        at = number * record.slot_bytes + SLOT_HEADER_BYTES
                        yield int(head["sequence"]), int(head["type"]), record.slots[at : at + int(head["length"])]


def load_until(service: ServiceProcess, kind: int, count: int) -> list[tuple[int, int, bytes]]:
    """Feeds it until the journal holds so many control events of this kind; all that it holds."""
    with Client(service.listen) as client:
        while True:
            client.send_many(("Add", {"amount": 1}) for _ in range(50))
            assert len(list(client.answers())) == 50
            found = list(control_events(service.journal))
            if sum(one[1] == kind for one in found) >= count:
                return found


def journal_end(url: str) -> int:
    with open_journal(url) as journal:
        return int(journal.ends()[1])


def test_a_hash_is_compared_though_other_triggers_stand_between_it_and_its_own(make: Make, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    service = make(
        "tests.service.held:counter", options=("--snapshot-every", "20"), environment={"SNAPSHOTS_MAY_GO_ON": str(go_on)}
    ).start()
    found = load_until(service, CONTROL_SNAPSHOT, 1 + TRIGGERS_BETWEEN)
    assert not any(kind == CONTROL_STATE_HASH for _, kind, _ in found)
    go_on.touch()
    found = load_until(service, CONTROL_STATE_HASH, 3)
    service.kill()
    at, _, payload = next(one for one in found if one[1] == CONTROL_STATE_HASH)
    sequence, state, sessions = STATE_HASH.unpack(payload)
    assert sequence == next(one[0] for one in found if one[1] == CONTROL_SNAPSHOT)
    assert sum(sequence < other < at and kind == CONTROL_SNAPSHOT for other, kind, _ in found) >= TRIGGERS_BETWEEN

    end = journal_end(service.journal)
    other = make("tests.service.restated:counter", snapshots=tmp_path / "none")
    other.begin()
    assert other.join() == 3, other.lines
    line = next(line for line in other.lines if "recorded the state hash" in line)
    said = re.search(r"at sequence (\d+) .*hash (\w+) \(sessions (\w+)\), .* gives (\w+) \(sessions (\w+)\)", line)
    assert said is not None, line
    assert said.group(1, 2, 3) == (str(sequence), state.hex(), f"{sessions:016x}")
    assert len(said[4]) == len(said[2])
    assert said[4] != said[2]
    assert not any("Traceback" in line for line in other.lines), other.lines
    assert journal_end(service.journal) == end

    same = make("tests.service.apps:counter", snapshots=tmp_path / "none").start()
    assert same.recovered[1] is None
    assert same.recovered[0] >= found[-1][0]
    with Client(same.listen) as client:
        total = client.request(("Add", {"amount": 0})).outputs[0].fields["total"]
    assert total % 50 == 0
    assert total >= 50
