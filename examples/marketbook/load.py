"""Imports a LOBSTER pair into a new journal, with the file's own times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from examples.marketbook import Level, Message, Opening, app
from examples.marketbook.book import ADD, BUY, HIDDEN, SELL, Book
from examples.marketbook.files import MessageRow, read_levels, read_messages, sides
from processor.errors import WrongUse
from processor.journal.importer import JournalImport

Levels = list[tuple[int, int, int, int]]


def load(messages: str | Path, orderbook: str | Path, journal: str) -> tuple[int, int]:
    """(rows, sequence of the last event). Raises WrongUse, before anything is written, for files that are no pair."""
    pairs = list(_pairs(messages, orderbook))
    if not pairs:
        raise WrongUse(f"{messages} holds no message")
    with JournalImport(app, journal) as out:
        for event, time_ns in events(pairs):
            out.add(event, time_ns)
    return len(pairs), out.sequence


def _pairs(messages: str | Path, orderbook: str | Path) -> Iterator[tuple[MessageRow, Levels]]:
    levels = read_levels(orderbook)
    row = -1
    depth = 0
    for row, message in enumerate(read_messages(messages)):
        found = next(levels, None)
        if found is None:
            raise WrongUse(f"{orderbook} ends before row {row}, {messages} goes on: they are no pair")
        depth = depth or len(found)
        if len(found) != depth:
            raise WrongUse(f"{orderbook}, row {row}: has {len(found)} levels, row 0 has {depth}")
        yield message, found
    if next(levels, None) is not None:
        raise WrongUse(f"{messages} ends with row {row}, {orderbook} goes on: they are no pair")


def events(pairs: list[tuple[MessageRow, Levels]]) -> Iterator[tuple[Any, int]]:
    """(event, time in ns) of the whole import. The book beside is what tells where a level has to be taken over."""
    first, opening = pairs[0]
    book = Book(depth=len(opening))
    yield Opening(len(opening)), first.time_ns
    for side, known in zip((SELL, BUY), sides(opening), strict=True):
        for price, size in known:
            book.take_over(side, price, size)
            yield Level(price, size, side), first.time_ns
    for row, (message, levels) in enumerate(pairs):
        price, size = _far(book, row, message, levels)
        if size:
            book.take_over(message.side, price, size)
        yield (
            Message(message.order, message.price, message.size, price, size, row, message.type, message.side),
            message.time_ns,
        )


def _far(book: Book, row: int, message: MessageRow, levels: Levels) -> tuple[int, int]:
    """Applies the message; the far level that the row shows where it has emptied one, as (price, size), or (0, 0)."""
    if row == 0 or not ADD <= message.type < HIDDEN:
        return 0, 0
    if not book.apply(message.type, message.side, message.order, message.price, message.size):
        return 0, 0
    asks, bids = sides(levels)
    shown = bids if message.side == BUY else asks
    have = book.side(message.side)
    if len(shown) != len(have) + 1:
        return 0, 0
    price, size = shown[-1]
    behind = not have or (price < book.far(BUY) if message.side == BUY else price > book.far(SELL))
    return (price, size) if behind else (0, 0)
