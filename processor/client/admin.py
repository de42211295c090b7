"""Commands to a running service: one JSON object there, one back."""

from __future__ import annotations

import json
from typing import Any

from processor.client.handshake import KIND_ADMIN, NotNow, connect, hello
from processor.errors import ClientError, ClientTimeout


def admin(address: str, command: dict[str, Any], *, timeout_s: float = 60.0) -> dict[str, Any]:
    """Sends the command to the service at `address` (unix:/path) and returns its answer.

    Raises ClientError when nobody answers there or what comes is no JSON object, ClientTimeout when nothing comes in
    time.
    """
    try:
        connection = connect(address, timeout_s)
    except NotNow as error:
        raise ClientError(f"{error}: is the service running, and is this its address?") from error
    with connection, connection.makefile("rwb") as stream:
        try:
            stream.write(hello(KIND_ADMIN) + json.dumps(command).encode() + b"\n")
            stream.flush()
            line = stream.readline()
        except TimeoutError as error:
            raise ClientTimeout(
                f"the service at {address} did not answer the command within {timeout_s:g} s"
            ) from error
        except OSError as error:
            raise ClientError(f"the connection to {address} was lost: {error.strerror or error}") from error
    try:
        answer = json.loads(line)
    except ValueError:
        shown = line[32:].decode(errors="replace").strip("\0") or "nothing"
        raise ClientError(f"the service at {address} refused the command: it said {shown}") from None
    if not isinstance(answer, dict):
        raise ClientError(f"the service at {address} answered {answer!r}, not a JSON object")
    return answer
