"""The first words on a connection: hello, and the welcome or the refusal behind it."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

import numpy as np

from processor.errors import ClientError
from processor.gateway.listener import socket_path
from processor.layout import REPLY

HELLO = np.dtype(
    [
        ("magic", "<u4"),
        ("version", "<u2"),
        ("kind", "<u2"),
        ("fingerprint", "<u8"),
        ("token", "V16"),
        ("session", "<u4"),
        ("slot_bytes", "<u4"),
        ("reserved", "V24"),
    ]
)
WELCOME = np.dtype(
    [
        ("fingerprint", "<u8"),
        ("journal_id", "<u8"),
        ("last_request", "<u8"),
        ("session", "<u4"),
        ("window", "<u4"),
        ("slot_bytes", "<u4"),
        ("schema_bytes", "<u4"),
    ]
)
MAGIC = 0x4F4C4850
VERSION = 1
KIND_SESSION = 1
KIND_ADMIN = 2
SEND_BUFFER_BYTES = 1 << 20  # asked for; the system gives what it allows

REPLY_EVICTED = 0xFF06
REPLY_WELCOME = 0xFF07
REPLY_ERROR = 0xFF08
REPLY_BUSY = 0xFF09

assert HELLO.itemsize == 64
assert WELCOME.itemsize == 40


@dataclass(frozen=True)
class Welcome:
    """What the service says to a session that it opened, or opened again."""

    fingerprint: int
    journal_id: int
    last_request: int
    session: int
    window: int
    slot_bytes: int
    schema: bytes


class NotNow(Exception):
    """Nobody there, or no place at the moment: trying again later can help."""


class Evicted(Exception):
    """The session that was asked for is gone."""


def hello(kind: int, *, fingerprint: int = 0, token: bytes = bytes(16), session: int = 0, slot_bytes: int = 0) -> bytes:
    """The 64 bytes that open a connection."""
    record = np.zeros((), HELLO)
    record["magic"], record["version"], record["kind"] = MAGIC, VERSION, kind
    record["fingerprint"], record["token"] = fingerprint, np.void(token)
    record["session"], record["slot_bytes"] = session, slot_bytes
    return record.tobytes()


def connect(address: str, timeout_s: float) -> socket.socket:
    """A connected socket; raises NotNow when nobody listens there."""
    path = socket_path(address)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    made.settimeout(max(timeout_s, 0.001))
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        made.connect(path)
    except OSError as error:
        made.close()
        raise NotNow(f"nobody answers at {address} ({error.strerror or error})") from error
    return made


def open_session(connection: socket.socket, greeting: bytes) -> Welcome:
    """Says hello and waits for the welcome, as long as the socket's timeout.

    Raises Evicted, NotNow (no place, no answer, connection lost), or ClientError with the service's text.
    """
    with contextlib.suppress(OSError):        # then a refusal may be waiting to be read, or the read tells what is wrong
        connection.sendall(greeting)
    try:
        head = np.frombuffer(_read(connection, REPLY.itemsize), REPLY)[0]
        payload = _read(connection, -(-int(head["length"]) // 8) * 8)[: int(head["length"])]
    except TimeoutError as error:
        raise NotNow("the service did not answer the hello in time") from error
    except OSError as error:
        raise NotNow(f"the connection was lost before the welcome ({error.strerror or error})") from error
    kind = int(head["type"])
    if kind == REPLY_EVICTED:
        raise Evicted
    if kind == REPLY_BUSY:
        raise NotNow("the service's session table is full")
    if kind != REPLY_WELCOME:
        text = payload.decode(errors="replace") if kind == REPLY_ERROR else f"unexpected answer {kind:#x} to a hello"
        raise ClientError(f"the service refused the connection: {text}")
    fixed = np.frombuffer(payload, WELCOME, 1)[0]
    numbers = {name: int(fixed[name]) for name in WELCOME.names or ()}
    schema = payload[WELCOME.itemsize :][: numbers.pop("schema_bytes")]
    return Welcome(schema=schema, **numbers)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionResetError("closed by the service")
        data += more
    return data
