"""The layouts of layout.pxd as NumPy dtypes, and the numbers that go with them.

HEADER is the 32-byte head of an event's slot, REPLY that of a reply frame, BLOCK_HEADER what describes a journal's block.
All are little-endian and have no holes.
"""

import numpy as np

SLOT_HEADER_BYTES = 32
SLOT_BYTES_MIN = 64
CONTROL_FIRST = 0xFF00

CONTROL_NAMES = {
    0xFF01: "session-open",
    0xFF02: "session-evict",
    0xFF03: "snapshot",
    0xFF04: "state-hash",
    0xFF05: "timer",
    0xFF06: "read-marker",
    0xFF07: "step-down",
    0xFF08: "quarantine",
}

REPLY_NAMES = {
    0xFF01: "done",
    0xFF02: "rejected",
    0xFF03: "too-old",
    0xFF04: "gap",
    0xFF05: "outputs-gone",
    0xFF06: "evicted",
    0xFF07: "welcome",
    0xFF08: "error",
    0xFF09: "busy",
}

REPLY_LAST = 1
REPLY_REPEATED = 2

HEADER = np.dtype(
    [
        ("sequence", "<u8"),
        ("timestamp", "<i8"),
        ("session", "<u4"),
        ("type", "<u2"),
        ("length", "<u2"),
        ("request", "<u8"),
    ]
)

REPLY = np.dtype(
    [
        ("sequence", "<u8"),
        ("timestamp", "<i8"),
        ("index", "<u2"),
        ("flags", "<u2"),
        ("type", "<u2"),
        ("length", "<u2"),
        ("request", "<u8"),
    ]
)

BLOCK_HEADER = np.dtype(
    [
        ("magic", "<u4"),
        ("version", "<u2"),
        ("kind", "<u2"),
        ("epoch_offset", "<i8"),
        ("epoch_writer", "<u8"),
        ("first_sequence", "<u8"),
        ("count", "<u4"),
        ("slot_bytes", "<u4"),
        ("fingerprint", "<u8"),
        ("synced", "<u8"),
        ("data_bytes", "<u4"),
        ("checksum", "<u4"),
    ]
)

CONTROL_PAYLOADS = {
    0xFF01: np.dtype([("token", "V16"), ("connection", "<u8"), ("session", "<u4"), ("reserved", "<u4")]),
    0xFF02: np.dtype([("last_sequence", "<u8"), ("session", "<u4"), ("reserved", "<u4")]),
    0xFF03: np.dtype([("number", "<u8"), ("reason", "<u4"), ("reserved", "<u4")]),
    0xFF04: np.dtype([("sequence", "<u8"), ("state", "V16"), ("sessions", "<u8")]),
}

assert HEADER.itemsize == SLOT_HEADER_BYTES
assert REPLY.itemsize == 32
assert BLOCK_HEADER.itemsize == 64
