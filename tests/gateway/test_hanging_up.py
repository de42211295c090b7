"""Connections that end, in every way and at every moment: nothing of others is lost, nothing half is applied."""

from __future__ import annotations

import socket

import pytest

from processor.client.handshake import Evicted
from tests.gateway.echo import ECHO, MANY
from tests.gateway.raw import Raw
from tests.gateway.rig import Rig, rig, until


def echo(raw: Raw, first: int, count: int) -> bytes:
    return b"".join(raw.frame(ECHO, k, value=k, other=7 * k) for k in range(first, first + count))


def echoed(first: int, count: int) -> dict[int, list[bytes]]:
    return {k: [ECHO.pack({"value": k, "other": 7 * k})] for k in range(first, first + count)}


def assert_works(service: Rig) -> None:
    with Raw(service.address) as other:
        other.open()
        other.send(echo(other, 1, 100))
        assert other.read_answers(100) == echoed(1, 100)


@pytest.mark.parametrize("part", [1, 31, 32, 63])
def test_half_a_frame_and_then_nothing_applies_what_was_whole(part: int) -> None:
    with rig() as service:
        with Raw(service.address) as raw:
            raw.open()
            raw.send((echo(raw, 1, 4))[: 3 * 64 + part])
        until(lambda: service.counts("connections_open") == 0 and service.double.applied == 3)
        assert_works(service)
        assert service.double.applied == 103


def test_a_frame_byte_by_byte_among_other_clients_frames_stays_one_frame() -> None:
    with rig() as service, Raw(service.address) as slow, Raw(service.address) as fast:
        slow.open()
        fast.open()
        for k, byte in enumerate(echo(slow, 1, 2)):
            slow.send(bytes([byte]))
            fast.send(echo(fast, k + 1, 1))
            assert fast.read_answers(1) == echoed(k + 1, 1)
        assert slow.read_answers(2) == echoed(1, 2)


def test_a_client_that_dies_with_requests_in_flight_disturbs_nobody() -> None:
    with rig() as service:
        service.double.hold()
        with Raw(service.address) as bystander:
            dying = Raw(service.address)
            service.double.hold(False)
            bystander.open()
            dying.open()
            service.double.hold()
            dying.send(echo(dying, 1, 50))
            bystander.send(echo(bystander, 1, 50))
            until(lambda: service.counts("frames") == 100)
            dying.close()
            until(lambda: service.counts("connections_open") == 1)
            service.double.hold(False)
            assert bystander.read_answers(50) == echoed(1, 50)
        assert service.double.applied == 100
        assert_works(service)


def test_a_client_that_dies_while_it_does_not_read_disturbs_nobody() -> None:
    with rig(unsent_pause_bytes=1 << 16) as service:
        with Raw(service.address) as raw:
            raw.open()
            raw.send(raw.frame(MANY, 1, value=60_000, other=0))
            until(lambda: service.counts("pauses") == 1)
            assert_works(service)
        until(lambda: service.counts("connections_open") == 0)
        assert_works(service)


def test_a_client_that_ends_its_writing_side_gets_all_its_answers_and_then_the_end() -> None:
    with rig() as service, Raw(service.address) as raw:
        raw.open()
        raw.send(echo(raw, 1, 2_000))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.read_answers(2_000) == echoed(1, 2_000)
        assert raw.is_closed()
        until(lambda: service.counts("connections_open") == 0)
        assert service.counts("errors") == 0


def test_answers_that_become_durable_long_after_the_writing_side_ended_still_come() -> None:
    with rig() as service, Raw(service.address) as raw, Raw(service.address) as other:
        raw.open()
        other.open()
        service.double.hold()
        raw.send(echo(raw, 1, 100))
        raw.socket.shutdown(socket.SHUT_WR)
        until(lambda: service.counts("frames") == 100)
        other.send(echo(other, 1, 10))
        until(lambda: service.counts("frames") == 110)
        assert service.counts("connections_open") == 2
        service.double.hold(False)
        assert raw.read_answers(100) == echoed(1, 100)
        assert raw.is_closed()
        assert other.read_answers(10) == echoed(1, 10)


def test_a_client_that_ended_its_writing_side_may_read_slowly() -> None:
    with rig(closing_s=0.0, unsent_pause_bytes=1 << 16) as service, Raw(service.address) as raw:
        raw.open()
        raw.send(raw.frame(MANY, 1, value=60_000, other=3))
        raw.socket.shutdown(socket.SHUT_WR)
        # All of it is on the gateway's hands now: logic has passed it, the queue is empty, the socket takes no more.
        until(lambda: service.double.applied == 1)
        assert_works(service)
        until(lambda: service.counts("connections_open") == 1)
        ((request, outputs),) = raw.read_answers(1).items()
        assert (request, len(outputs)) == (1, 60_000)
        assert raw.is_closed()


def test_a_frame_that_ends_in_its_middle_is_named_behind_the_answers_to_those_before_it() -> None:
    with rig() as service, Raw(service.address) as raw:
        raw.open()
        raw.send(echo(raw, 1, 4)[:-24])
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.read_answers(3) == echoed(1, 3)
        assert raw.read_error() == (
            "the connection ended within frame 4: 40 of its 64 bytes came; that frame was not taken, "
            "send it again whole"
        )
        assert service.double.applied == 3


def test_last_words_wait_for_outputs_of_several_rounds() -> None:
    with rig(queue_bytes=1 << 22) as service, Raw(service.address) as raw:
        raw.open()
        raw.send(raw.frame(MANY, 1, value=60_000, other=3) + b"half")
        raw.socket.shutdown(socket.SHUT_WR)
        ((request, outputs),) = raw.read_answers(1).items()
        assert (request, len(outputs)) == (1, 60_000)
        assert raw.read_error().startswith("the connection ended within frame 2: 4 of its 64 bytes came")


def test_a_client_whose_last_words_wait_for_it_dies_and_leaves_nothing_behind() -> None:
    with rig(closing_s=1000.0) as service:
        with Raw(service.address) as raw:
            raw.open()
            raw.send(raw.frame(MANY, 1, value=60_000, other=3) + raw.frame(ECHO, 2, type=99, value=1, other=1))
            until(lambda: service.counts("errors") == 1)
            assert_works(service)
            until(lambda: service.counts("connections_open") == 1)
        until(lambda: service.counts("connections_open") == 0)


def test_a_client_that_does_not_take_its_last_words_is_closed_after_the_time_for_it() -> None:
    with rig(closing_s=0.2) as service, Raw(service.address) as raw:
        raw.open()
        raw.send(raw.frame(MANY, 1, value=60_000, other=3) + raw.frame(ECHO, 2, type=99, value=1, other=1))
        until(lambda: service.counts("errors") == 1)
        until(lambda: service.counts("connections_open") == 0)
        assert_works(service)


def test_the_end_of_the_service_sends_what_is_unsent_and_closes_all() -> None:
    with rig() as service, Raw(service.address) as raw, Raw(service.address) as silent:
        raw.open()
        service.double.hold()
        raw.send(echo(raw, 1, 500))
        until(lambda: service.counts("frames") == 500)
        assert service.stop()
        assert raw.read_answers(500) == echoed(1, 500)
        assert raw.is_closed()
        assert silent.is_closed()


def test_a_welcome_for_a_connection_that_is_gone_is_dropped_and_its_session_stays_usable() -> None:
    with rig() as service:
        service.double.hold()
        with Raw(service.address) as raw:
            from processor.client.handshake import KIND_SESSION, hello

            raw.send(hello(KIND_SESSION, token=raw.token))
            until(lambda: service.ring.position(0) == 1)
        until(lambda: service.counts("connections_open") == 0)
        service.double.hold(False)
        until(lambda: service.counts("dropped_parcels") == 2)
        with Raw(service.address) as again, pytest.raises(Evicted):
            again.open(session=1)  # another token's session
        with Raw(service.address) as again:
            assert again.open(token=raw.token).session == 1
