"""A full ring stops the reading of sockets: clients wait, nothing is lost, and control events still get in."""

from __future__ import annotations

import select
import socket
import threading

import pytest

from processor.client import Client
from processor.client.handshake import KIND_ADMIN, hello
from processor.errors import ClientTimeout
from tests.gateway.echo import ECHO, Echo, Echoed, Many
from tests.gateway.echo import app as echo
from tests.gateway.raw import TIMEOUT_S, Raw
from tests.gateway.rig import rig, until

SLOTS, RESERVED = 64, 16
SNAPSHOT, QUARANTINE = 0xFF03, 0xFF08


@pytest.mark.parametrize("wait", ["block", "yield", "spin"])
def test_a_stalled_journal_stops_the_clients_and_nothing_is_lost_when_it_goes_on(wait: str) -> None:
    count = 8_000
    with rig(ring_slots=SLOTS, wait=wait) as service, Raw(service.address) as raw, Raw(service.address) as late:
        raw.open()
        service.double.hold()
        frames = b"".join(raw.frame(ECHO, k, value=k, other=0) for k in range(1, count + 1))
        sender = threading.Thread(target=raw.send, args=(frames,))
        sender.start()
        until(lambda: service.counts("frames") == SLOTS - RESERVED)
        until(lambda: service.ring.position(0) == SLOTS - RESERVED + 1)  # with the session open before them
        assert sender.is_alive()  # more than sockets hold: it waits
        assert service.control.put(SNAPSHOT, bytes(32))
        until(lambda: service.control.pending == 0)
        service.double.hold(False)
        answers = raw.read_answers(count)
        sender.join()
        assert list(answers) == list(range(1, count + 1))
        assert all(answers[k] == [ECHO.pack({"value": k, "other": 0})] for k in answers)
        assert (service.double.applied, service.double.control_events) == (count, 1)
        assert late.open().session == 2


def test_a_hello_that_meets_a_full_ring_waits_longer_than_the_time_for_a_hello() -> None:
    with rig(ring_slots=SLOTS, hello_s=0.1) as service, Raw(service.address) as raw, Raw(service.address) as late:
        raw.open()
        service.double.hold()
        raw.send(b"".join(raw.frame(ECHO, k, value=k, other=0) for k in range(1, 101)))
        until(lambda: service.counts("frames") == SLOTS - RESERVED)
        opening = threading.Thread(target=late.open)
        opening.start()
        until(lambda: service.counts("connections_open") == 2)
        opening.join(0.4)
        assert opening.is_alive()
        service.double.hold(False)
        opening.join()
        assert late.welcome is not None
        assert list(raw.read_answers(100)) == list(range(1, 101))


def test_the_last_slot_of_a_full_ring_takes_a_quarantine_and_nothing_else() -> None:
    with rig(ring_slots=SLOTS) as service, Raw(service.address) as raw:
        raw.open()
        service.double.hold()
        raw.send(b"".join(raw.frame(ECHO, k, value=k, other=0) for k in range(1, 101)))
        until(lambda: service.counts("frames") == SLOTS - RESERVED)
        used = service.ring.position(0)
        timers = 0
        while service.ring.position(0) < used + RESERVED - 1:
            timers += service.control.put(0xFF05, timers.to_bytes(8, "little"))
            until(lambda: service.control.pending == 0)
        assert service.control.put(0xFF05, b"one too many")
        assert service.control.put(QUARANTINE, b"named")
        until(lambda: service.ring.position(0) == used + RESERVED)
        assert service.control.pending == 1
        service.double.hold(False)
        assert list(raw.read_answers(100)) == list(range(1, 101))
        until(lambda: service.double.control_events == timers + 2)


def test_a_client_waits_for_a_stalled_service_tells_what_is_unanswered_and_goes_on() -> None:
    with rig(ring_slots=SLOTS) as service, Client(service.address, echo, timeout_s=0.2) as client:
        service.double.hold()
        numbers = client.send_many(Echo(k, k) for k in range(1, 1001))
        with pytest.raises(
            ClientTimeout, match=r"no answer from unix:.* for 0.2 s; 1000 requests stay in flight"
        ) as caught:
            list(client.answers())
        assert caught.value.unanswered == tuple(numbers) == tuple(range(1, 1001))
        service.double.hold(False)
        assert [list(answer) for answer in client.answers()] == [[Echoed(k, k)] for k in range(1, 1001)]
        assert (service.double.applied, service.double.repeated) == (1000, 0)


def test_a_full_window_blocks_the_client_until_there_are_answers() -> None:
    with rig() as service, Client(service.address, echo, window=10, timeout_s=0.2) as client:
        service.double.hold()
        with pytest.raises(ClientTimeout) as caught:
            client.send_many(Echo(k, k) for k in range(1, 100))
        assert caught.value.unanswered == tuple(range(1, 11))
        assert service.counts("frames") == 10
        service.double.hold(False)
        client.timeout_s = 20
        client.send_many(Echo(k, k) for k in range(11, 100))
        assert [list(answer) for answer in client.answers()] == [[Echoed(k, k)] for k in range(1, 100)]


def test_outputs_of_many_times_the_queue_pass_through_it() -> None:
    with rig(queue_bytes=4096, ring_slots=SLOTS) as service, Client(service.address, echo) as client:
        client.send_many(Many(k, 9) for k in range(1, 300))
        for answer, k in zip(client.answers(), range(1, 300), strict=True):
            assert list(answer) == [Echoed(k, 9)] * k


def test_an_administrator_gets_in_while_the_ring_is_full() -> None:
    with rig(ring_slots=SLOTS) as service, Raw(service.address) as raw, Raw(service.address) as guest:
        raw.open()
        service.double.hold()
        raw.send(b"".join(raw.frame(ECHO, k, value=k, other=0) for k in range(1, 101)))
        until(lambda: service.counts("frames") == SLOTS - RESERVED)
        guest.send(hello(KIND_ADMIN) + b"{}\n")
        assert select.select([service.gateway.admin_fd], [], [], TIMEOUT_S)[0]
        descriptor = service.gateway.take_admin()
        assert descriptor is not None
        with socket.socket(fileno=descriptor) as handed_over:
            assert handed_over.recv(100) == b"{}\n"
        assert service.gateway.take_admin() is None
