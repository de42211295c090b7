"""The admin desk: JSON lines over the service's own socket, for the commands that talk to a running service."""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from processor.service import Service

LINE_BYTES_MAX = 65_536
GUESTS_MAX = 64


class AdminDesk:
    """Answers admin connections that the gateway has handed over; called by the service's own thread only."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._guests: dict[socket.socket, bytearray] = {}
        self._commands: dict[str, Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], None]] = {
            "snapshot": self._snapshot,
            "stats": self._stats,
            "query": self._query,
        }

    def welcome(self, selector: selectors.BaseSelector) -> None:
        """Takes over what the gateway has for us."""
        while (descriptor := self._service.gateway.take_admin()) is not None:
            guest = socket.socket(fileno=descriptor)
            if len(self._guests) == GUESTS_MAX:
                # Descriptors are the clients', too: who has asked nothing for longest makes room.
                self._let_go(selector, next(iter(self._guests)))
            guest.setblocking(False)
            self._guests[guest] = bytearray()
            selector.register(guest, selectors.EVENT_READ, lambda guest=guest: self._read(selector, guest))

    def _read(self, selector: selectors.BaseSelector, guest: socket.socket) -> None:
        try:
            data = guest.recv(LINE_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        kept = self._guests.pop(guest)
        self._guests[guest] = kept              # the last one to have said something
        kept += data
        if not data or len(kept) > LINE_BYTES_MAX:
            self._let_go(selector, guest)
            return
        while b"\n" in kept:
            line, _, rest = bytes(kept).partition(b"\n")
            kept[:] = rest
            self._answer(line, lambda reply: self._say(guest, reply))

    def _let_go(self, selector: selectors.BaseSelector, guest: socket.socket) -> None:
        selector.unregister(guest)
        del self._guests[guest]
        guest.close()

    def _answer(self, line: bytes, say: Callable[[dict[str, Any]], None]) -> None:
        try:
            asked = json.loads(line)
            command = self._commands[asked["command"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            say({"ok": False, "error": f"a command is a JSON object with \"command\": one of {', '.join(self._commands)}"})
            return
        try:
            command(asked, say)
        except Exception as error:      # whatever a guest asks for, the service and its other guests go on
            say({"ok": False, "error": f"{type(error).__name__}: {error}"})

    def _say(self, guest: socket.socket, reply: dict[str, Any]) -> None:
        if guest not in self._guests:
            return      # gone meanwhile; there is nobody to tell
        try:
            guest.setblocking(True)
            guest.settimeout(1.0)
            guest.sendall(json.dumps(reply).encode() + b"\n")
            guest.setblocking(False)
        except OSError as error:
            self._service.report(f"an admin connection was lost: {error}")

    def _snapshot(self, asked: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        self._service.keeper.ask(asked.get("keep"), say)

    def _query(self, asked: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        self._service.queries.ask(asked.get("name"), asked.get("arguments", []), say)

    def _stats(self, asked: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        say({"ok": True, **self._service.counters.all(), "gateway": self._service.gateway.counts})

    def close(self) -> None:
        """Hangs up."""
        for guest in self._guests:
            guest.close()
        self._guests.clear()
