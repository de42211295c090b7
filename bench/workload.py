"""Published matching workloads: read a file, make slots of it, and hash the report stream that comes back.

file: | magic u64 | version u32 | count u32 |  then 40 bytes a message (MESSAGE)
"""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from processor.apps.exchange import CancelOrder, ModifyOrder, NewOrder, app
from processor.apps.exchange.reports import report_lines

FILE_HEAD = np.dtype([("magic", "<u8"), ("version", "<u4"), ("count", "<u4")])
FILE_MAGIC = 0x4D4542575F303031
MESSAGE = np.dtype(
    [
        ("type", "u1"),  # 0 new, 1 cancel, 2 modify
        ("side", "u1"),
        ("ioc", "u1"),
        ("pad", "u1"),
        ("quantity", "<u4"),
        ("seq", "<u8"),
        ("id", "<u8"),
        ("price", "<i8"),
        ("reserved", "<u8"),
    ]
)

# The published hash of the report stream, by the file's name without its endings.
KNOWN_SHA256 = {
    "normal_seed23_n1000000": "e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e",
}

ROOT = Path(__file__).resolve().parent.parent

Messages = np.ndarray[Any, np.dtype[Any]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def published(name: str = "normal_seed23_n1000000") -> Path:
    """The file of a published workload, in the data folder (PROCESSOR_DATA). Raises FileNotFoundError without it."""
    file = Path(os.environ.get("PROCESSOR_DATA", ROOT.parent / "shared" / "data")) / "matching" / f"{name}.bin.gz"
    if not file.exists():
        raise FileNotFoundError(f"{file} is not there: set PROCESSOR_DATA to the folder that holds matching/{file.name}")
    return file


def read_workload(path: str | Path) -> Messages:
    """The messages of FILE or FILE.gz: shape (n,), dtype MESSAGE. Raises ValueError for any other file, OSError."""
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < FILE_HEAD.itemsize:
        raise ValueError(f"{path}: {len(data)} bytes are no workload, its head alone has {FILE_HEAD.itemsize}")
    magic, version, count = np.frombuffer(data, FILE_HEAD, 1)[0].item()
    if magic != FILE_MAGIC or version != 1:
        raise ValueError(f"{path}: expected magic {FILE_MAGIC:#x} in version 1, found {magic:#x} in version {version}")
    if len(data) != FILE_HEAD.itemsize + count * MESSAGE.itemsize:
        raise ValueError(f"{path}: {count} messages do not have {len(data)} bytes; the file is cut or has a tail")
    messages = np.frombuffer(data, MESSAGE, count, FILE_HEAD.itemsize)
    if count and messages["type"].max() > 2:
        at = int(messages["type"].argmax())
        raise ValueError(
            f"{path}: message {at} is neither new (0), cancel (1) nor modify (2), but {messages['type'][at]}"
        )
    return messages


def known_sha256(path: str | Path) -> str | None:
    """The published hash of this file's report stream, if there is one."""
    return KNOWN_SHA256.get(Path(path).name.split(".")[0])


def to_slots(messages: Messages, symbol: int = 0) -> Bytes:
    """Slots of the exchange, shape (n, slot_bytes), uint8: session 1, requests and sequences from 1, time 0.

    A client overwrites session and request, the journaler sequence and time. The side of a cancel or a modify is left
    out: it is that of the order.
    """
    schema = app.schema
    slots = np.zeros((len(messages), schema.slot_bytes), np.uint8)
    flat = slots.reshape(-1)
    for kind, event in enumerate((NewOrder, CancelOrder, ModifyOrder)):
        declared = app.message_of(event)
        rows = np.flatnonzero(messages["type"] == kind)
        mine = flat.view(schema.slot_dtype(declared))
        chosen = messages[rows]
        mine["type"][rows] = declared.number
        mine["length"][rows] = declared.length
        payload = mine["payload"]
        for field in declared.fields:
            payload[field][rows] = symbol if field == "symbol" else chosen[field]
    header = flat.view(schema.slot_dtype(app.message_of(NewOrder)))
    header["session"] = 1
    header["sequence"] = header["request"] = np.arange(1, len(messages) + 1)
    return slots


class ReportHasher:
    """SHA-256 of the report stream: lines by (seq, kind), a newline between them and none at the end.

    Takes reply frames in the order of their requests, cut anywhere. Raises ValueError for a frame that is no report.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._rest = b""

    def add(self, frames: bytes | memoryview | Bytes) -> None:
        self._take(self._rest + bytes(frames) if self._rest else frames, finished=False)

    def hexdigest(self) -> str:
        """Ends the stream; raises ValueError when it ends within a frame."""
        self._take(self._rest, finished=True)
        if self._rest:
            raise ValueError(f"the report stream ends within a frame, {len(self._rest)} bytes are left")
        return self._hash.hexdigest()

    def _take(self, frames: bytes | memoryview | Bytes, finished: bool) -> None:
        view = memoryview(frames).cast("B")
        text, taken = report_lines(view, finished)
        self._rest = bytes(view[taken:])
        self._hash.update(text if self.bytes else text[1:])
        self.bytes += len(text)
