"""The order book of a real trading day, computed from the messages of a LOBSTER file. Load one, then ask it anything:

python -m examples.marketbook load MESSAGE.csv ORDERBOOK.csv --journal embedded:state/marketbook
python -m examples.marketbook check ORDERBOOK.csv --journal embedded:state/marketbook
processor query --app examples.marketbook:app --journal embedded:state/marketbook --at 2012-06-21T12:00:00 levels
"""

from examples.marketbook.book import BUY, HIDDEN, MESSAGE_TYPES, SELL, Book
from processor import App, i8, i64, u8, u16, u32, u64

__all__ = ["Book", "Level", "Message", "Opening", "app"]

app = App("marketbook")
app.state(Book)


@app.event
class Opening:
    """The file's row 0 is about to be told: how many levels a side the file keeps."""

    levels: u16


@app.event
class Level:
    """A level of row 0: what rests there is one order that nothing announced."""

    price: i64  # dollars times 10,000
    size: u64
    side: i8


@app.event
class Message:
    """A row of the message file, and the far level that the book takes over without a message (size 0: none)."""

    order: u64
    price: i64
    size: u64
    far_price: i64
    far_size: u64
    row: u32
    type: u8
    side: i8  # of the resting order


@app.on(Opening)
def opening(book, event, ctx):
    if book.depth or not event.levels:
        return ctx.reject("a book is opened once, with at least one level a side")
    book.depth = event.levels


@app.on(Level)
def level(book, event, ctx):
    if book.row >= 0 or event.side not in (BUY, SELL) or not event.size or event.price in book.side(event.side):
        return ctx.reject("a level is told before the first message, and once")
    book.take_over(event.side, event.price, event.size)


@app.on(Message)
def message(book, event, ctx):
    if event.row != book.row + 1 or event.type not in MESSAGE_TYPES:
        return ctx.reject(f"row {book.row + 1} was expected, of a type from 1 to 7")
    if event.row and event.type < HIDDEN:
        book.apply(event.type, event.side, event.order, event.price, event.size)
    if event.far_size:
        book.take_over(event.side, event.far_price, event.far_size)
    book.row = event.row


@app.query
def levels(book, count: int = 0):
    """Best first: [ask price, ask size, bid price, bid size] of each level, None where a side has none."""
    return book.levels(count or book.depth)


@app.query
def best(book):
    """The best ask and the best bid, each as [price, size], or None."""
    row = (book.levels(1) or [[None] * 4])[0]
    return {"ask": row[:2] if row[1] else None, "bid": row[2:] if row[3] else None}


@app.query
def orders(book, side: str, price: int):
    """The orders that rest at a price of a side (buy or sell): {order: size}; order 0 is what nothing announced."""
    return book.side(BUY if side == "buy" else SELL).get(price, {})
