"""The export is canonical, the load its inverse, and both are strict."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from processor.apps.exchange import CancelOrder, Exchange, ModifyOrder, NewOrder, app
from processor.apps.exchange.exported import depth, resting_orders
from processor.errors import WrongUse
from processor.layout import REPLY
from processor.logic.bare import Bare
from tests.exchange.drive import native

HEAD = struct.Struct("<4sIQ")
ORDER = struct.Struct("<QqIHBB")


def export_of(*orders: tuple[int, int, int, int, int, int], count: int | None = None, version: int = 1) -> bytes:
    head = HEAD.pack(b"PXBK", version, len(orders) if count is None else count)
    return head + b"".join(ORDER.pack(*order) for order in orders)


def test_the_export_has_its_golden_layout() -> None:
    # Snapshots hold these bytes: to change them is to change the export's version. Ask for a third pair of eyes.
    events = [
        NewOrder(1, 0x1122334455667788, -2, 0xAABBCCDD, 0x1234, 1, 0),
        NewOrder(2, 5, 100, 7, 1, 0, 0),
        NewOrder(3, 6, 100, 8, 1, 0, 0),
        NewOrder(4, 7, 101, 9, 1, 0, 0),
        NewOrder(5, 5, 102, 1, 1, 1, 0),  # rejected: the id is in use
        NewOrder(6, 8, 103, 2, 1, 1, 0),
    ]
    assert native(events)[1].state.export().hex() == (
        "5058424b" "01000000" "0500000000000000"
        "0700000000000000" "6500000000000000" "09000000" "0100" "00" "00"
        "0500000000000000" "6400000000000000" "07000000" "0100" "00" "00"
        "0600000000000000" "6400000000000000" "08000000" "0100" "00" "00"
        "0800000000000000" "6700000000000000" "02000000" "0100" "01" "00"
        "8877665544332211" "feffffffffffffff" "ddccbbaa" "3412" "01" "00"
    )  # fmt: skip


def test_an_empty_exchange_exports_its_head_alone() -> None:
    assert Exchange().export() == export_of()
    fresh = Exchange()
    fresh.load(export_of())
    assert len(fresh) == 0


def test_equal_books_export_equal_bytes_whatever_happened_to_them_before() -> None:
    draw = random.Random(7)
    wanted = [(100 + n, draw.randint(1, 40), draw.randint(1, 9), n % 3) for n in range(300)]
    plain = [NewOrder(0, id, price + 1000 * (id % 2), size, symbol, id % 2, 0) for id, price, size, symbol in wanted]
    busy: list[Any] = []
    for at, order in enumerate(plain):
        # Orders that come and go, in this book and in others; ids used twice.
        busy.append(NewOrder(0, 10_000 + at, draw.randint(-900, -1), 5, order.symbol, 0, 0))
        busy.append(NewOrder(0, order.id, -5000, 1, order.symbol, 0, 0))
        busy.append(CancelOrder(0, order.id, order.symbol))
        busy.append(NewOrder(0, 20_000, draw.randint(-(2**60), 2**60), 5, 9, draw.randint(0, 1), 0))
        busy.append(CancelOrder(0, 20_000, 9))
        busy.append(order)
    busy += [CancelOrder(0, 10_000 + at, order.symbol) for at, order in reversed(list(enumerate(plain)))]
    # And a size that only a trade has made.
    plain.append(NewOrder(0, 1, 50, 4, 5, 0, 0))
    busy += [NewOrder(0, 1, 50, 9, 5, 0, 0), NewOrder(0, 2, 50, 5, 5, 1, 1)]
    export = native(plain)[1].state.export()
    assert native(busy)[1].state.export() == export
    assert len(resting_orders(export)) == 301


def test_the_depth_of_a_symbol_sums_the_orders_of_each_price() -> None:
    events = [NewOrder(0, n, 100 - n % 2, 2**32 - 1, 3, 0, 0) for n in range(4)] + [NewOrder(0, 9, 105, 4, 3, 1, 0)]
    export = native(events)[1].state.export()
    assert depth(export, 3) == ([(100, 2 * (2**32 - 1)), (99, 2 * (2**32 - 1))], [(105, 4)])
    assert depth(export, 2) == ([], [])


def test_a_load_replaces_what_was_there_and_keeps_the_handlers_running() -> None:
    _, bare = native([NewOrder(1, 1, 100, 5, 0, 1, 0), NewOrder(2, 2, 100, 5, 7, 1, 0)])
    bare.state.load(export_of((9, 50, 3, 0, 1, 0)))
    said, _ = native([NewOrder(3, 3, 100, 5, 0, 0, 1), CancelOrder(4, 2, 7)], bare)
    assert [name for name, _ in said[0]] == ["Acknowledged", "Traded", "Cancelled"]
    assert [name for name, _ in said[1]] == ["CancelRejected"]


BID, ASK = (1, 100, 5, 0, 0, 0), (2, 101, 5, 0, 1, 0)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no export"),
        (b"PXBK", "no export"),
        (b"PXBJ" + export_of()[4:], "no export"),
        (export_of(version=2), "version 2"),
        (export_of(BID, count=2), "2 orders"),
        (export_of(BID, count=2**63), "orders"),
        (export_of(BID, ASK)[:-1], "2 orders"),
        (export_of(BID) + b"\0", "1 orders"),
        (export_of((1, 100, 0, 0, 0, 0)), "order 0 .* quantity"),
        (export_of((1, 100, 5, 0, 2, 0)), "order 0 .* side"),
        (export_of((1, 100, 5, 0, 0, 1)), "order 0 .* padding"),
        (export_of(ASK, BID), "order 1 .* order of symbol"),
        (export_of(BID, (2, 101, 5, 0, 0, 0)), "order 1 .* order of symbol"),
        (export_of((1, 102, 5, 0, 1, 0), ASK), "order 1 .* order of symbol"),
        (export_of((1, 100, 5, 4, 0, 0), (2, 100, 5, 3, 0, 0)), "order 1 .* order of symbol"),
        (export_of(BID, (2, 100, 5, 0, 1, 0)), "order 1 .* crosses"),
        (export_of(BID, (1, 101, 5, 0, 1, 0)), "order 1 .* id"),
        (export_of(BID, BID), "order 1 .* id"),
    ],
)
def test_bytes_that_are_no_export_are_refused_and_change_nothing(data: bytes, complaint: str) -> None:
    state = Exchange()
    state.load(export_of(BID, ASK))
    with pytest.raises(ValueError, match=complaint):
        state.load(data)
    assert state.export() == export_of(BID, ASK)


def test_any_changed_byte_gives_another_export_or_is_refused() -> None:
    export = native([NewOrder(n, n, 100 - n, n + 1, n % 2, 0, 0) for n in range(6)])[1].state.export()
    for at in range(len(export)):
        data = bytearray(export)
        data[at] ^= 0x41
        state = Exchange()
        try:
            state.load(bytes(data))
        except ValueError:
            continue
        assert state.export() == bytes(data)


def test_the_same_id_lives_in_two_symbols() -> None:
    here, there = NewOrder(1, 5, 10, 1, 0, 0, 0), NewOrder(2, 5, 10, 1, 1, 0, 0)
    said, bare = native([here, there, CancelOrder(3, 5, 0), ModifyOrder(4, 5, 11, 2, 1)])
    assert [name for outputs in said for name, _ in outputs] == [
        "Acknowledged",
        "Acknowledged",
        "Cancelled",
        "Modified",
    ]
    assert depth(bare.state.export(), 1) == ([(11, 2)], [])


def test_a_live_id_is_refused_and_a_dead_one_is_not() -> None:
    first, second, third = (NewOrder(seq, 5, 10 + seq, 1, 0, 0, 0) for seq in (1, 2, 4))
    said, _ = native([first, second, CancelOrder(3, 5, 0), third])
    assert said[1] == [("reject", {"reason": "order id is in use"})]
    assert said[3][0][0] == "Acknowledged"


def test_ids_that_share_a_hash_stay_apart() -> None:
    """Of 300,000 random ids about ten pairs share the 32 bits that the id table keeps of their hash."""
    ids = np.random.default_rng(3).integers(0, 2**64, 300_000, np.uint64)
    bare = Bare(app)
    for event, reply in ((NewOrder, "Acknowledged"), (CancelOrder, "Cancelled")):
        declared = app.message_of(event)
        slots = np.zeros(len(ids), app.schema.slot_dtype(declared))
        slots["type"] = declared.number
        slots["payload"]["id"] = ids
        if event is NewOrder:
            slots["payload"]["quantity"] = 1
        bare.run(slots.view(np.uint8))
        said = app.schema.output_names[reply]
        frames = np.frombuffer(bare.frames(), np.dtype([("head", REPLY), ("payload", said.dtype)]))
        assert (frames["head"]["type"] == said.number).all()
        assert np.array_equal(frames["payload"]["id"], ids)
    assert len(bare.state) == 0


SHORT_OF_MEMORY = """
import resource, sys
import numpy as np
from processor.apps.exchange import NewOrder, app
from processor.errors import Halted
from processor.logic.bare import Bare

bare = Bare(app)
new = app.message_of(NewOrder)
slots = np.zeros((4096, app.schema.slot_bytes), np.uint8)
table = slots.reshape(-1).view(app.schema.slot_dtype(new))
table["type"] = new.number
table["payload"]["quantity"] = 1
draw = np.random.default_rng(1)
payload = table["payload"]
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (96 << 20),) * 2)
done = 0
try:
    while done < 1 << 22:
        payload["id"] = np.arange(done, done + 4096)
        payload["price"] = -draw.integers(0, 1 << int(sys.argv[1]), 4096)
        payload["symbol"] = draw.integers(0, int(sys.argv[2]), 4096)
        bare.run(slots.reshape(-1))
        done += 4096
except Halted as error:
    assert "memory is short" in str(error), error
    print("halted", len(bare.state) >= done)
"""


@pytest.mark.parametrize(("price_bits", "symbols"), [(4, 1), (60, 1), (4, 65536)])
def test_a_handler_without_memory_fails_and_does_not_crash(price_bits: int, symbols: int) -> None:
    """Orders and ids, price levels, and books run out of memory, each in a process of its own."""
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(price_bits), str(symbols)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "halted True\n"), ran.stderr


def test_a_type_that_the_application_does_not_have_is_refused() -> None:
    slots = np.zeros(app.schema.slot_bytes, np.uint8)
    with pytest.raises(WrongUse, match="type 0"):
        Bare(app).run(slots)
    with pytest.raises(WrongUse, match="whole number"):
        Bare(app).run(slots[:-8])
