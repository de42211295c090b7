"""What the simulated service runs: a ledger whose state tells the order of everything that was ever applied to it."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from processor import App
from processor.fields import i64, u32, u64

CHAIN_FACTOR = 1_000_003
CHAIN_MODULUS = 2**61 - 1      # a state's int is an i64
REASON = "nothing to add"

app = App("ledger")


@app.event
class Add:
    account: u32
    amount: i64


@app.output
class Total:
    account: u32
    total: i64
    chain: u64


@app.state
class Ledger:
    count: int = 0
    chain: int = 1
    totals: dict[int, int] = field(default_factory=dict)


@app.on(Add)
def add(ledger: Any, event: Any, ctx: Any) -> None:
    """0 is refused; any other amount is answered by amount % 3 outputs."""
    if event.amount == 0:
        ctx.reject(REASON)
        return
    ledger.count += 1
    ledger.chain = (ledger.chain * CHAIN_FACTOR + event.session * 31 + event.amount + event.timestamp) % CHAIN_MODULUS
    ledger.totals[event.account] = ledger.totals.get(event.account, 0) + event.amount
    for part in range(event.amount % 3):
        ctx.emit(Total(event.account, ledger.totals[event.account], ledger.chain + part))
