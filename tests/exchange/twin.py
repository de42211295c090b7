"""The exchange once more in plain Python: the readable reference that the native handlers are tested against.

`app` has the same schema and Python handlers; the state exports the same bytes. Slow where the native one is fast (the
best price is searched), and nothing else.
"""

from __future__ import annotations

import struct
from typing import Any

from processor import App, i64, u8, u16, u32, u64

BUY, SELL = 0, 1

app = App("exchange")


@app.event
class NewOrder:
    seq: u64
    id: u64
    price: i64
    quantity: u32
    symbol: u16
    side: u8
    ioc: u8


@app.event
class CancelOrder:
    seq: u64
    id: u64
    symbol: u16


@app.event
class ModifyOrder:
    seq: u64
    id: u64
    price: i64
    quantity: u32
    symbol: u16


@app.output
class Acknowledged:
    seq: u64
    id: u64
    price: i64
    quantity: u32
    symbol: u16
    side: u8


@app.output
class Traded:
    seq: u64
    maker: u64
    taker: u64
    price: i64
    quantity: u32
    symbol: u16


@app.output
class Cancelled:
    seq: u64
    id: u64
    price: i64
    quantity: u32
    symbol: u16
    side: u8


@app.output
class Modified:
    seq: u64
    id: u64
    price: i64
    quantity: u32
    symbol: u16
    side: u8


@app.output
class CancelRejected:
    seq: u64
    id: u64
    symbol: u16


@app.output
class ModifyRejected:
    seq: u64
    id: u64
    symbol: u16


class Book:
    """One symbol: where each order rests, and the orders of each price, oldest first (dicts keep that order)."""

    def __init__(self) -> None:
        self.places: dict[int, tuple[int, int]] = {}  # id -> (side, price)
        self.levels: tuple[dict[int, dict[int, int]], ...] = ({}, {})  # side -> price -> id -> quantity left

    def best(self, side: int) -> int:
        return (max if side == BUY else min)(self.levels[side])

    def add(self, side: int, id: int, price: int, quantity: int) -> None:
        self.places[id] = (side, price)
        self.levels[side].setdefault(price, {})[id] = quantity

    def remove(self, id: int) -> tuple[int, int, int]:
        """Side, price and what was left of an order that rests."""
        side, price = self.places.pop(id)
        quantity = self.levels[side][price].pop(id)
        if not self.levels[side][price]:
            del self.levels[side][price]
        return side, price, quantity

    def trade(self, event: Any, side: int, price: int, quantity: int, ctx: Any) -> int:
        """Best price first, oldest order first, at the maker's price. What is left."""
        other = self.levels[1 - side]
        while quantity and other:
            best = self.best(1 - side)
            if best > price if side == BUY else best < price:
                break
            maker, offered = next(iter(other[best].items()))
            traded = min(quantity, offered)
            quantity -= traded
            if traded == offered:
                self.remove(maker)
            else:
                other[best][maker] -= traded
            ctx.emit(Traded(event.seq, maker, event.id, best, traded, event.symbol))
        return quantity


@app.state
class Books:
    books: dict[int, Book]

    def __init__(self) -> None:
        self.books = {}

    def book(self, symbol: int) -> Book:
        return self.books.setdefault(symbol, Book())

    def export(self) -> bytes:
        """The same bytes as Exchange.export()."""
        orders = []
        for symbol, book in sorted(self.books.items()):
            for side, levels in enumerate(book.levels):
                for price in sorted(levels, reverse=side == BUY):
                    orders += [(id, price, left, symbol, side, 0) for id, left in levels[price].items()]
        head = struct.pack("<4sIQ", b"PXBK", 1, len(orders))
        return head + b"".join(struct.pack("<QqIHBB", *order) for order in orders)


@app.on(NewOrder)
def new_order(state: Books, event: NewOrder, ctx: Any) -> None:
    book = state.book(event.symbol)
    if event.quantity == 0:
        return ctx.reject("a quantity is at least 1, not 0")
    if event.side not in (BUY, SELL):
        return ctx.reject("a side is 0 (buy) or 1 (sell)")
    if event.ioc not in (0, 1):
        return ctx.reject("ioc is 0 or 1")
    if event.id in book.places:
        return ctx.reject("order id is in use")
    ctx.emit(Acknowledged(event.seq, event.id, event.price, event.quantity, event.symbol, event.side))
    left = book.trade(event, event.side, event.price, event.quantity, ctx)
    if left and event.ioc:
        ctx.emit(Cancelled(event.seq, event.id, event.price, left, event.symbol, event.side))
    elif left:
        book.add(event.side, event.id, event.price, left)


@app.on(CancelOrder)
def cancel_order(state: Books, event: CancelOrder, ctx: Any) -> None:
    book = state.book(event.symbol)
    if event.id not in book.places:
        return ctx.emit(CancelRejected(event.seq, event.id, event.symbol))
    side, price, left = book.remove(event.id)
    ctx.emit(Cancelled(event.seq, event.id, price, left, event.symbol, side))


@app.on(ModifyOrder)
def modify_order(state: Books, event: ModifyOrder, ctx: Any) -> None:
    book = state.book(event.symbol)
    if event.quantity == 0:
        return ctx.reject("a quantity is at least 1, not 0")
    if event.id not in book.places:
        return ctx.emit(ModifyRejected(event.seq, event.id, event.symbol))
    side, _, _ = book.remove(event.id)
    ctx.emit(Modified(event.seq, event.id, event.price, event.quantity, event.symbol, side))
    left = book.trade(event, side, event.price, event.quantity, ctx)
    if left:
        book.add(side, event.id, event.price, left)
