"""A handler that raises stops the service at the event before, keeps the half-made change out, and says what to look at."""

from __future__ import annotations

import pytest

from bench.service_process import ServiceProcess
from processor import Client
from processor.client import admin
from processor.errors import ClientError
from processor.snapshot.store import SnapshotStore
from tests.service.apps import Keys, Put, Size, fragile
from tests.service.conftest import Make


def halt(service: ServiceProcess) -> None:
    """Feeds it up to the event that breaks, with one behind it."""
    with Client(service.listen, fragile, reconnect_s=0.0) as client:
        for key in (1, 2, 3):
            answer = client.request(Put(key))
        assert list(answer) == [Size(3)]
        assert admin(service.listen, {"command": "snapshot"})["ok"]
        client.send_many([Put(4)])
        # In one batch: what is before the bad event is answered, the bad one and what is behind it are not.
        client.send_many(Put(key) for key in (5, 13, 6))
        heard = []
        with pytest.raises(ClientError):
            heard.extend(client.answers())
        assert [answer.outputs for answer in heard] == [[Size(4)], [Size(5)]]
        assert client.unanswered == (6, 7)
    assert service.join() == 4


def test_a_handler_that_raises_ends_with_exit_code_4_and_names_event_and_command(make: Make) -> None:
    service = make("tests.service.apps:fragile").start()
    halt(service)
    said = next(line for line in service.lines if line.startswith("halted:"))
    assert "Put" in said and "key=13" in said and "ValueError: 13 is where this handler breaks" in said
    assert f"processor journal dump {service.journal} --from" in said


def test_the_half_made_change_is_in_no_snapshot_and_every_restart_stops_at_the_same_event(make: Make) -> None:
    service = make("tests.service.apps:fragile", options=("--snapshot-every", "1")).start()
    halt(service)
    files = SnapshotStore(service.snapshots).files()
    assert files
    for found in files:
        assert 13 not in found.read().load_state(Keys).keys
    for _ in range(2):
        again = make("tests.service.apps:fragile")
        again.begin()
        assert again.join() == 4
        assert any("key=13" in line for line in again.lines), again.lines
        assert not any(line.startswith("listening") for line in again.lines)


def test_nothing_that_was_answered_is_gone_when_the_handler_is_mended(make: Make) -> None:
    service = make("tests.service.apps:fragile").start()
    halt(service)
    # The same application with a handler that does not raise: what was journaled behind the event is applied as well.
    mended = make("tests.service.mended:fragile").start()
    with Client(mended.listen) as client:
        answer = client.request(("Put", {"key": 1}))
    assert answer.outputs[0].fields == {"size": 7}
