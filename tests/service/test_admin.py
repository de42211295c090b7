"""The admin connection: whatever somebody sends there, the service and its clients go on."""

from __future__ import annotations

import socket

import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor import Client
from processor.admin import GUESTS_MAX
from processor.client import admin
from processor.client.handshake import KIND_ADMIN, hello
from tests.service.conftest import Make


@pytest.mark.parametrize("line", [
    b"[" * 60_000, b"{", b"\xff\xfe", b"null", b"7", b'{"command": ["snapshot"]}', b'{"command": "snapshot", "keep": ["a"]}',
    b'{"command": "query", "name": {}, "arguments": 3}', b'{"command": "no such"}', b'{"command": "snapshot", "keep": "../up"}',
], ids=lambda line: line[:24].decode(errors="replace"))
def test_a_line_that_is_no_command_is_answered_as_such(make: Make, line: bytes) -> None:
    service = make(journal="memory:").start()
    with socket.socket(socket.AF_UNIX) as guest, Client(service.listen, bank) as client:
        guest.connect(service.listen.removeprefix("unix:"))
        guest.sendall(hello(KIND_ADMIN) + line + b"\n")
        with guest.makefile("rb") as answers:
            assert answers.readline().startswith(b'{"ok": false, "error": ')
        assert list(client.request(Deposit(1, 10))) == [Balance(1, 10)]
    assert service.stop() == 0


def test_guests_that_stay_and_ask_nothing_make_room_for_those_who_come(make: Make) -> None:
    service = make(journal="memory:").start()
    guests = []
    for _ in range(GUESTS_MAX + 1):
        guest = socket.socket(socket.AF_UNIX)
        guest.connect(service.listen.removeprefix("unix:"))
        guest.sendall(hello(KIND_ADMIN) + b'{"command": "stats"}\n')
        assert b'"ok": true' in guest.recv(65_536)
        guests.append(guest)
    assert guests[0].recv(1) == b""
    assert admin(service.listen, {"command": "stats"})["ok"]
    for guest in guests:
        guest.close()
    assert service.stop() == 0
