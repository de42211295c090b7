"""The exchange's state: all books in C memory, exported in price-time order and loaded back.

    export: | "PXBK" u32 | version u32 | orders u64 |  then 24 bytes an order:
            | id u64 | price i64 | quantity u32 | symbol u16 | side u8 | 0 u8 |

Orders stand by symbol, bids before asks, the best price first, the oldest first: so equal books give equal bytes, whatever happened to
them before. Golden layout: snapshots hold it (tests/exchange/test_state.py).
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from processor.apps.exchange.book cimport (
    SYMBOLS_MAX, Book, Market, book_add, book_open, book_reserve, market_close, market_open,
)
from processor.apps.exchange.ids cimport ids_find
from processor.apps.exchange.ladder cimport ladder_above, ladder_below, level_at
from processor.apps.exchange.messages cimport BUY, SELL
from processor.apps.exchange.orders cimport Order, order_at
from processor.apps.exchange.pool cimport NONE
from processor.logic.native cimport NativeState

cdef enum:
    EXPORT_MAGIC = 0x4B425850     # "PXBK"
    EXPORT_VERSION = 1

cdef struct ExportHead:
    uint32_t magic
    uint32_t version
    uint64_t orders

cdef struct ExportedOrder:
    uint64_t id
    int64_t price
    uint32_t quantity
    uint16_t symbol
    uint8_t side
    uint8_t reserved

cdef enum Fault:
    FINE = 0
    MEMORY_SHORT = 1
    BAD_ORDER = 2                 # a quantity of 0, a side that is none, or padding that is not 0
    OUT_OF_ORDER = 3              # by symbol, side and price
    CROSSED = 4
    DOUBLE_ID = 5


cdef uint64_t write_side(const Market* market, const Book* book, uint32_t symbol, uint32_t side, ExportedOrder* out) noexcept nogil:
    """Writes the orders of a side, best first; returns how many."""
    cdef ExportedOrder* first = out
    cdef const Order* order
    cdef uint32_t handle = book.best[side]
    cdef uint32_t index
    while handle != NONE:
        index = level_at(&market.nodes, handle).first
        while index != NONE:
            order = order_at(&market.orders, index)
            out.id = order.id
            out.price = order.price
            out.quantity = order.quantity
            out.symbol = <uint16_t>symbol
            out.side = <uint8_t>side
            out.reserved = 0
            out += 1
            index = order.next
        handle = ladder_below(&market.nodes, handle) if side == BUY else ladder_above(&market.nodes, handle)
    return <uint64_t>(out - first)


cdef Fault fill(Market* market, const ExportedOrder* orders, uint64_t count, uint64_t* at) noexcept nogil:
    """Builds the books; at a fault `at` tells which order."""
    cdef const ExportedOrder* order
    cdef const ExportedOrder* before = NULL
    cdef Book* book
    for at[0] in range(count):
        order = orders + at[0]
        if order.quantity == 0 or order.side > 1 or order.reserved != 0:
            return BAD_ORDER
        book = book_open(market, order.symbol)
        if book == NULL or book_reserve(market, book) != 0:
            return MEMORY_SHORT
        if before != NULL:
            if order.symbol < before.symbol:
                return OUT_OF_ORDER
            if order.symbol == before.symbol:
                if order.side < before.side:
                    return OUT_OF_ORDER
                if order.side == before.side:
                    if order.price > before.price if order.side == BUY else order.price < before.price:
                        return OUT_OF_ORDER
        if order.side == SELL and book.best[BUY] != NONE and order.price <= book.best_price[BUY]:
            return CROSSED
        if ids_find(&book.ids, &market.orders, order.id) != NONE:
            return DOUBLE_ID
        book_add(market, book, order.side, order.id, order.price, order.quantity)
        before = order
    return FINE


cdef class Exchange(NativeState):
    """All order books. Made empty; not safe for use by two threads at a time."""

    cdef Market* market

    def __cinit__(self):
        # Seeded from outside, so that nobody can choose order ids that share a place in the table; no result depends on it.
        self.market = opened(int.from_bytes(os.urandom(8), "little"))

    def __dealloc__(self):
        closed(self.market)

    cdef void* pointer(self) noexcept:
        return self.market

    def __len__(self):
        """How many orders rest in all books."""
        return orders_of(self.market)

    def describe(self):
        """The resting orders as plain values, {symbol: {id: {price, quantity, side}}}: what commands show and compare."""
        from processor.apps.exchange.exported import resting_orders

        found = {}
        for row in resting_orders(self.export()).tolist():
            found.setdefault(row[3], {})[row[0]] = {"price": row[1], "quantity": row[2], "side": row[4]}
        return found

    cpdef bytes export(self):
        """The canonical export (see the module's drawing). Raises MemoryError."""
        cdef Market* market = self.market
        cdef uint64_t count = orders_of(market)
        cdef bytes data = PyBytes_FromStringAndSize(NULL, sizeof(ExportHead) + count * sizeof(ExportedOrder))
        cdef ExportHead* head = <ExportHead*>PyBytes_AS_STRING(data)
        cdef ExportedOrder* out = <ExportedOrder*>(head + 1)
        cdef uint32_t symbol
        head.magic = EXPORT_MAGIC
        head.version = EXPORT_VERSION
        head.orders = count
        with nogil:
            for symbol in range(<uint32_t>SYMBOLS_MAX):
                if market.books[symbol] != NULL:
                    out += write_side(market, market.books[symbol], symbol, BUY, out)
                    out += write_side(market, market.books[symbol], symbol, SELL, out)
        return data

    cpdef load(self, bytes data):
        """Replaces all books by those of an export. Raises ValueError for bytes that are none, MemoryError; then nothing changes."""
        cdef const ExportHead* head = <const ExportHead*>PyBytes_AS_STRING(data)
        cdef uint64_t length = len(data)
        cdef uint64_t at = 0
        cdef Fault fault
        cdef Market* market
        if length < sizeof(ExportHead) or head.magic != EXPORT_MAGIC:
            raise ValueError(f"{length} bytes that are no export of the exchange: one starts with PXBK")
        if head.version != EXPORT_VERSION:
            raise ValueError(f"an export of the exchange in version {head.version}; this code reads version {EXPORT_VERSION}")
        if (length - sizeof(ExportHead)) % sizeof(ExportedOrder) or (length - sizeof(ExportHead)) // sizeof(ExportedOrder) != head.orders:
            raise ValueError(f"an export of {head.orders} orders does not have {length} bytes")
        market = opened(self.market.seed)
        with nogil:
            fault = fill(market, <const ExportedOrder*>(head + 1), head.orders, &at)
        if fault != FINE:
            closed(market)
            if fault == MEMORY_SHORT:
                raise MemoryError(f"no memory for order {at} of {head.orders}")
            raise ValueError(f"order {at} of the export of {head.orders} orders {FAULTS[fault]}")
        # The market stays where it is: whoever runs the handlers has its address.
        self.market[0], market[0] = market[0], self.market[0]
        closed(market)


FAULTS = {
    BAD_ORDER: "has no quantity, no side or dirty padding",
    OUT_OF_ORDER: "does not stand in the order of symbol, side and price",
    CROSSED: "crosses the bids of its symbol",
    DOUBLE_ID: "has the id of another of its symbol",
}


cdef Market* opened(uint64_t seed) except NULL:
    cdef Market* market = <Market*>calloc(1, sizeof(Market))
    if market == NULL:
        raise MemoryError("no memory for an exchange")
    if market_open(market, seed) != 0:
        closed(market)
        raise MemoryError("no memory for an exchange")
    return market


cdef void closed(Market* market) noexcept nogil:
    if market != NULL:
        market_close(market)
        free(market)


cdef uint64_t orders_of(const Market* market) noexcept nogil:
    cdef uint64_t count = 0
    cdef uint32_t symbol
    for symbol in range(<uint32_t>SYMBOLS_MAX):
        if market.books[symbol] != NULL:
            count += market.books[symbol].ids.count
    return count
