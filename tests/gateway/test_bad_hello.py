"""Whoever does not say hello as it should be is told so and let go; nobody else notices."""

from __future__ import annotations

import os
import re

import pytest

from examples.bank import app as bank
from processor.client import Client
from processor.client.handshake import HELLO, KIND_SESSION, hello
from processor.errors import ClientError
from processor.service import Service
from tests.gateway.echo import app as echo
from tests.gateway.raw import Raw
from tests.gateway.rig import rig, until

DEPOSIT = bank.schema.event_names["Deposit"]


def changed(**fields: int) -> bytes:
    import numpy as np

    record = np.frombuffer(hello(KIND_SESSION, token=os.urandom(16)), HELLO).copy()
    for name, value in fields.items():
        record[name] = value
    return record.tobytes()


BAD = {
    "garbage": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n".ljust(64, b" "),
        r"no hello of a processor client: it starts with 0x20544547, not with 0x4F4C4850; is this the address",
    ),
    "more garbage than a hello": (
        os.urandom(7) * 10_000,
        r"no hello of a processor client: it starts with 0x[0-9A-F]{8}",
    ),
    "another version": (
        changed(version=2),
        r"speaks version 2 of the protocol, the service version 1: use the same release",
    ),
    "an unknown kind": (changed(kind=9), r"unknown kind of connection 9: 1 is a session, 2 an administrator"),
    "another size of slots": (
        changed(slot_bytes=128),
        r"frames have 128 bytes, the service's have 64: compare the schemas",
    ),
    "another schema": (
        changed(fingerprint=echo.schema.fingerprint),
        rf"fingerprint {echo.schema.fingerprint:016x}, the service's has {bank.schema.fingerprint:016x}: .* the same",
    ),
}


@pytest.mark.parametrize(("greeting", "text"), BAD.values(), ids=BAD.keys())
def test_a_bad_hello_is_refused_with_its_reason(raw: Raw, bystander: Client, greeting: bytes, text: str) -> None:
    raw.send(greeting)
    error = raw.read_error()
    assert re.search(text, error), error


def test_a_client_with_another_applications_classes_is_refused(service: Service, bystander: Client) -> None:
    with pytest.raises(ClientError, match="refused the connection: the client's schema has the fingerprint"):
        Client(service.listen, echo)


def test_frames_before_the_welcome_are_refused() -> None:
    with rig() as service, Raw(service.address) as raw:
        service.double.hold()           # so that the welcome is surely not there before the frames are
        raw.send(hello(KIND_SESSION, token=raw.token) + bytes(64))
        assert raw.read_error() == (
            "frames came before the welcome: wait for it, it names the session that they belong to"
        )


def test_a_client_that_says_nothing_is_let_go_after_the_time_for_a_hello(
    raw: Raw, service: Service, bystander: Client
) -> None:
    assert raw.read_error() == (
        "no hello came in time: 0 of its 64 bytes came; a client begins with the whole hello and then waits "
        "for the welcome"
    )


def test_a_client_that_says_half_a_hello_is_told_how_much_came(raw: Raw, bystander: Client) -> None:
    raw.send(hello(KIND_SESSION)[:20])
    assert "no hello came in time: 20 of its 64 bytes came" in raw.read_error()


def test_a_hello_that_ends_in_its_middle_is_told_so_at_once(bystander: Client, service: Service) -> None:
    with rig(hello_s=1000) as patient, Raw(patient.address) as raw:
        raw.send(hello(KIND_SESSION)[:20])
        raw.socket.shutdown(1)
        assert "the connection ended within the hello: 20 of its 64 bytes came" in raw.read_error()


def test_a_hello_in_two_parts_is_taken(raw: Raw, bystander: Client) -> None:
    greeting = hello(KIND_SESSION, token=raw.token)
    raw.send(greeting[:1])
    raw.send(greeting[1:])
    *_, kind, _, payload = raw.read()
    assert kind == 0xFF07
    assert payload.endswith(bank.schema.text.encode())


def test_someone_who_connects_and_hangs_up_leaves_nothing_behind(service: Service, bystander: Client) -> None:
    refused = service.gateway.counts["errors"]
    before = service.gateway.counts["connections_total"]
    for said in (b"", b"x", hello(KIND_SESSION, token=os.urandom(16))):
        with Raw(service.listen) as raw:
            raw.send(said)
    # The first of them is gone for sure when a later connection has been welcomed.
    until(
        lambda: (
            service.gateway.counts["connections_total"] == before + 3
            and service.gateway.counts["connections_open"] == 1
        )
    )
    assert service.gateway.counts["errors"] == refused


def test_one_connection_too_many_is_told_why_and_there_is_room_again_later() -> None:
    with rig(connections_max=2) as small:
        with Raw(small.address) as first, Raw(small.address) as second:
            first.open()
            second.open()
            with Raw(small.address) as third:
                assert third.read_error() == (
                    "the service has no place for one more connection (it has 2, connections_max is 2): "
                    "close some, or raise it"
                )
        until(lambda: small.counts("connections_open") == 0)
        with Raw(small.address) as later:
            assert later.open().session == 3
