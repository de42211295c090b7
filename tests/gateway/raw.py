"""A client made of bytes, for what processor.Client would never send."""

from __future__ import annotations

import os
import socket

import numpy as np

from processor.client.handshake import KIND_SESSION, Welcome, hello, open_session
from processor.client.wire import split
from processor.layout import HEADER, REPLY, REPLY_LAST, REPLY_NAMES
from processor.schema import Message

TIMEOUT_S = 20.0  # of whatever is waited for: only a failing test ever waits this long
ERROR = 0xFF08


class Raw:
    """One connection; `frame` makes event frames of this session unless told otherwise."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(address.removeprefix("unix:"))
        self.welcome: Welcome | None = None
        self.token = os.urandom(16)

    def open(self, *, token: bytes | None = None, session: int = 0) -> Welcome:
        """Says hello and takes the welcome; raises what open_session raises."""
        self.token = token or self.token
        self.welcome = open_session(self.socket, hello(KIND_SESSION, token=self.token, session=session))
        return self.welcome

    def frame(
        self,
        message: Message,
        request: int,
        *,
        session: int | None = None,
        type: int | None = None,
        length: int | None = None,
        **values: object,
    ) -> bytes:
        """One event frame; session, type and length are right unless given."""
        assert self.welcome is not None
        payload = message.pack(values)
        head = np.zeros((), HEADER)
        head["session"] = self.welcome.session if session is None else session
        head["type"] = message.number if type is None else type
        head["length"] = len(payload) if length is None else length
        head["request"] = request
        return (head.tobytes() + payload).ljust(self.welcome.slot_bytes, b"\0")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> tuple[int, int, int, int, int, int, bytes]:
        """The next reply frame: (sequence, timestamp, index, flags, type, request, payload). EOFError at the end."""
        head = self._read(REPLY.itemsize)
        length = int(np.frombuffer(head, REPLY)[0]["length"])
        return split(head + self._read(-(-length // 8) * 8))[0]

    def read_answers(self, count: int) -> dict[int, list[bytes]]:
        """The payloads of the next `count` answers, by request; their frames must be numbered without a hole."""
        answers: dict[int, list[bytes]] = {}
        outputs: list[bytes] = []
        while len(answers) < count:
            _, _, index, flags, kind, request, payload = self.read()
            assert kind < 0xFF00 or REPLY_NAMES[kind] == "done", f"{REPLY_NAMES.get(kind, kind)}: {payload!r}"
            assert index == len(outputs)
            outputs.append(payload)
            if flags & REPLY_LAST:
                assert request not in answers, f"request {request} was answered twice"
                answers[request], outputs = outputs, []
        return answers

    def read_error(self) -> str:
        """The text of the error that must come next, behind which the service must close."""
        *_, kind, _, payload = self.read()
        assert kind == ERROR, f"an error was expected, not {REPLY_NAMES.get(kind, kind)}: {payload!r}"
        assert self.is_closed()
        return payload.decode()

    def is_closed(self) -> bool:
        """Waits for the end of the stream; False when something else comes."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True  # closed while bytes of ours were unread there

    def close(self) -> None:
        self.socket.close()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError(f"the service closed after {len(data)} of {size} bytes")
            data += more
        return data

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
