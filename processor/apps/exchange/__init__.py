"""An exchange: limit order books by price-time priority, native handlers. `processor run processor.apps.exchange:app`

The outputs mirror the published report kinds 0 to 5 (an output's number is its kind and one). Prices are whole ticks,
any i64; quantities 1 to 2^32 - 1; side 0 buys, 1 sells; an id is unique among the live orders of its symbol, and may be
used again after. An event with a quantity of 0, with another side, or with the id of a live order is rejected and
changes nothing.
"""

from processor.app import App
from processor.apps.exchange.handlers import cancel_order, modify_order, new_order
from processor.apps.exchange.state import Exchange
from processor.fields import i64, u8, u16, u32, u64

__all__ = [
    "Acknowledged",
    "CancelOrder",
    "CancelRejected",
    "Cancelled",
    "Exchange",
    "Modified",
    "ModifyOrder",
    "ModifyRejected",
    "NewOrder",
    "Traded",
    "app",
]

app = App("exchange")


@app.event
class NewOrder:
    """Trades at once what it can; the rest stays in the book, or with ioc = 1 is cancelled."""

    seq: u64  # the sender's own number of the message, repeated in its outputs
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
    """Cancels the order and inserts it again with this price and quantity, behind all others: so it can trade."""

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
    """At the maker's price; of one event in the order in which they happened."""

    seq: u64
    maker: u64
    taker: u64
    price: i64
    quantity: u32
    symbol: u16


@app.output
class Cancelled:
    """An order, or the rest of an IOC; `quantity` is what was left of it."""

    seq: u64
    id: u64
    price: i64
    quantity: u32
    symbol: u16
    side: u8


@app.output
class Modified:
    """Says the new price and quantity, before the trades that they lead to."""

    seq: u64
    id: u64
    price: i64
    quantity: u32
    symbol: u16
    side: u8


@app.output
class CancelRejected:
    """There is no such order (any more)."""

    seq: u64
    id: u64
    symbol: u16


@app.output
class ModifyRejected:
    """There is no such order (any more)."""

    seq: u64
    id: u64
    symbol: u16


app.state(Exchange)
app.on(NewOrder, new_order)
app.on(CancelOrder, cancel_order)
app.on(ModifyOrder, modify_order)
