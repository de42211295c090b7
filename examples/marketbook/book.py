"""The best levels of two sides, kept by the messages that change them."""

from __future__ import annotations

from dataclasses import dataclass, field

BUY, SELL = 1, -1
ADD, CANCEL, DELETE, EXECUTE, HIDDEN = 1, 2, 3, 4, 5
MESSAGE_TYPES = range(1, 8)  # 5 executes a hidden order, 6 is a cross trade, 7 a halt: the visible book stays
ANONYMOUS = 0  # the order that stands for everything at a level that no message announced


@dataclass
class Book:
    """`asks` and `bids`: price -> order -> size, of at most `depth` levels a side. `row`: the last message."""

    depth: int = 0
    row: int = -1
    asks: dict[int, dict[int, int]] = field(default_factory=dict)
    bids: dict[int, dict[int, int]] = field(default_factory=dict)

    def side(self, side: int) -> dict[int, dict[int, int]]:
        return self.bids if side == BUY else self.asks

    def far(self, side: int) -> int:
        """The worst price of a side that has levels."""
        return min(self.bids) if side == BUY else max(self.asks)

    def take_over(self, side: int, price: int, size: int) -> None:
        """A level that nothing announced, as one order."""
        self.side(side)[price] = {ANONYMOUS: size}

    def apply(self, kind: int, side: int, order: int, price: int, size: int) -> bool:
        """A message of type 1 to 4; whether it has emptied a level."""
        levels = self.side(side)
        if kind == ADD:
            levels.setdefault(price, {})[order] = size
            if len(levels) > self.depth:
                del levels[self.far(side)]
            return False
        level = levels.get(price)
        if level is None:
            return False  # behind the levels that are known
        if order not in level:
            order = ANONYMOUS
        left = level.get(order, 0) - size
        if left > 0:
            level[order] = left
        else:
            level.pop(order, None)
        if not level:
            del levels[price]
            return True
        return False

    def levels(self, count: int) -> list[list[int | None]]:
        """Best first: [ask price, ask size, bid price, bid size]; None and 0 where a side has no such level."""
        asks = [(price, sum(self.asks[price].values())) for price in sorted(self.asks)[:count]]
        bids = [(price, sum(self.bids[price].values())) for price in sorted(self.bids, reverse=True)[:count]]
        nothing = (None, 0)
        return [
            [*(asks[k] if k < len(asks) else nothing), *(bids[k] if k < len(bids) else nothing)]
            for k in range(min(count, max(len(asks), len(bids))))
        ]
