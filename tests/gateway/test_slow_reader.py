"""A client that does not read what it gets: it slows itself, memory stays bounded, and the others do not notice."""

from __future__ import annotations

import threading

import numpy as np

from processor.client import Client
from tests.gateway.echo import ECHO, MANY, app
from tests.gateway.raw import Raw
from tests.gateway.rig import rig, until

REPLY_BYTES = 48
PAUSE_BYTES = 65_536


def work(address: str, count: int, failures: list[str]) -> None:
    """One good client: all its answers, in order."""
    values = np.zeros(count, ECHO.dtype)
    values["value"] = np.arange(1, count + 1)
    with Client(address, app) as client:
        client.send_array("Echo", values)
        if [(a.request, a.outputs[0].value) for a in client.answers()] != [(k, k) for k in range(1, count + 1)]:
            failures.append(f"session {client.session}")


def test_twenty_clients_work_while_one_does_not_read_which_then_reads_it_all() -> None:
    count, slots = 80_000, 256
    with (
        rig(ring_slots=slots, unsent_pause_bytes=PAUSE_BYTES, queue_bytes=65_536) as service,
        Raw(service.address) as slow,
    ):
        slow.open()
        frames = b"".join(slow.frame(ECHO, k, value=k, other=0) for k in range(1, count + 1))
        sender = threading.Thread(target=slow.send, args=(frames,))
        sender.start()
        until(lambda: service.counts("pauses") == 1)
        failures: list[str] = []
        workers = [threading.Thread(target=work, args=(service.address, 500, failures)) for _ in range(20)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert failures == []
        assert sender.is_alive()  # it is what has to wait
        taken = service.double.applied - 20 * 500
        assert taken < count
        # What was in the ring when it was paused may still have been answered.
        assert 0 < service.counts("unsent_bytes") <= PAUSE_BYTES + 2 * slots * REPLY_BYTES + 65_536
        answers = slow.read_answers(count)
        sender.join()
        assert list(answers) == list(range(1, count + 1))
        assert all(answers[k] == [ECHO.pack({"value": k, "other": 0})] for k in answers)
        assert service.counts("overflows") == 0
        until(lambda: service.counts("unsent_bytes") == 0)


def test_a_client_with_too_much_unsent_is_let_go_and_finds_its_session_again() -> None:
    with rig(unsent_pause_bytes=PAUSE_BYTES, unsent_close_bytes=4 * PAUSE_BYTES) as service:
        with Raw(service.address) as slow:
            session = slow.open().session
            slow.send(slow.frame(MANY, 1, value=60_000, other=0) + slow.frame(ECHO, 2, value=2, other=2))
            until(lambda: service.counts("overflows") == 1)
            assert service.counts("unsent_bytes") == 0
            until(lambda: service.double.applied == 2)
        with Raw(service.address) as again:
            assert again.open(token=slow.token, session=session).last_request == 2
            again.send(again.frame(ECHO, 2, value=2, other=2))
            assert again.read_answers(1) == {2: [ECHO.pack({"value": 2, "other": 2})]}
        assert (service.double.applied, service.double.repeated) == (2, 1)
