"""Generated order flow: a seeded stream of slots for the exchange, about as a busy venue sees it.

Of all messages about half are new orders, two fifths cancels, the rest modifies. New orders lie around a price that
walks at random, each symbol's its own; some cross the spread, most of those as IOC. Cancels and modifies name orders
that were sent before and not yet cancelled; those that have traded meanwhile are refused by the exchange, as in life.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from processor.apps.exchange import CancelOrder, ModifyOrder, NewOrder, app

Slots = np.ndarray[Any, np.dtype[np.uint8]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

BLOCK = 8192
MODIFIES = 0.08
AGGRESSIVE = 0.2  # of new orders: priced through the mid
IOC = 0.75  # of aggressive ones
SPREAD_TICKS = 2
DEPTH_TICKS = 40.0  # mean distance of passive orders behind the spread
START_TICKS = 33_000
STEP_TICKS = 8  # at most, from block to block
LOWEST_TICKS = 1_000


class OrderFlow:
    """An endless stream of slots, the same for the same arguments however it is taken.

    Ids and seqs count from `first_id`, so that a second stream can follow on one book. About `resting` orders stay
    uncancelled. Raises ValueError for arguments out of range.
    """

    def __init__(self, seed: int = 1, symbols: int = 1, resting: int = 20_000, first_id: int = 1) -> None:
        if not 1 <= symbols <= 65_536:
            raise ValueError(f"symbols: 1 to 65536, not {symbols}")
        if resting < 1:
            raise ValueError(f"resting: at least 1 order, not {resting}")
        self._draw = np.random.default_rng(seed)
        self._mid = START_TICKS + self._draw.integers(-2_000, 2_000, symbols)
        self._resting = resting
        self._next_seq = first_id
        self._next_id = first_id
        # Orders that may be cancelled or modified: id, symbol, side.
        self._live = np.zeros((0, 3), np.int64)
        self._new = app.message_of(NewOrder)
        self._cancel = app.message_of(CancelOrder)
        self._modify = app.message_of(ModifyOrder)
        self._left = np.empty((0, app.schema.slot_bytes), np.uint8)

    def take(self, count: int) -> Slots:
        """The next messages, shape (count, slot_bytes), uint8; session, request, sequence and time are 0."""
        parts = []
        while count > 0:
            if len(self._left) == 0:
                self._left = self._block()
            parts.append(self._left[:count])
            self._left = self._left[count:]
            count -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate([*parts, self._left[:0]])

    def _block(self) -> Slots:
        draw = self._draw
        slots = np.zeros((BLOCK, app.schema.slot_bytes), np.uint8)
        flat = slots.reshape(-1)
        # More cancels the more orders there are: the book reaches its size and keeps it.
        fullness = min(len(self._live) / self._resting, 2.0)
        dice = draw.random(BLOCK)
        cancels = np.flatnonzero(dice < (1 - MODIFIES) / 2 * fullness)[: len(self._live) // 2]
        modifies = np.flatnonzero(dice > 1 - MODIFIES)[: len(self._live) // 2]
        others = np.ones(BLOCK, bool)
        others[cancels] = others[modifies] = False
        news = np.flatnonzero(others)
        chosen = draw.permutation(len(self._live))[: len(cancels) + len(modifies)]
        seqs = self._next_seq + np.arange(BLOCK)
        self._next_seq += BLOCK

        gone = self._live[chosen[: len(cancels)]]
        payload = self._rows(flat, self._cancel, cancels, seqs)
        payload["id"][cancels], payload["symbol"][cancels] = gone[:, 0], gone[:, 1]

        changed = self._live[chosen[len(cancels) :]]
        payload = self._rows(flat, self._modify, modifies, seqs)
        payload["id"][modifies], payload["symbol"][modifies] = changed[:, 0], changed[:, 1]
        payload["price"][modifies] = self._prices(changed[:, 1], changed[:, 2], np.zeros(len(changed), bool))
        payload["quantity"][modifies] = self._quantities(len(changed))

        self._live = np.delete(self._live, chosen[: len(cancels)], axis=0)
        self._news(flat, news, seqs)
        # The prices of the next block lie around where the walk is then.
        steps = draw.integers(-STEP_TICKS, STEP_TICKS + 1, len(self._mid))
        self._mid = np.maximum(self._mid + steps, LOWEST_TICKS)
        return slots

    def _news(self, flat: Slots, news: Ints, seqs: Ints) -> None:
        draw = self._draw
        count = len(news)
        ids = self._next_id + np.arange(count)
        self._next_id += count
        symbols = draw.integers(0, len(self._mid), count)
        sides = draw.integers(0, 2, count)
        aggressive = draw.random(count) < AGGRESSIVE
        ioc = aggressive & (draw.random(count) < IOC)
        payload = self._rows(flat, self._new, news, seqs)
        payload["id"][news], payload["symbol"][news] = ids, symbols
        payload["side"][news], payload["ioc"][news] = sides, ioc
        payload["price"][news] = self._prices(symbols, sides, aggressive)
        payload["quantity"][news] = self._quantities(count)
        kept = ~ioc
        self._live = np.concatenate([self._live, np.stack([ids[kept], symbols[kept], sides[kept]], axis=1)])

    def _rows(self, flat: Slots, event: Any, rows: Ints, seqs: Ints) -> Any:
        """The payloads of all slots as this event's; type, length and seq are set in `rows`."""
        mine = flat.view(app.schema.slot_dtype(event))
        mine["type"][rows] = event.number
        mine["length"][rows] = event.length
        payload = mine["payload"]
        payload["seq"][rows] = seqs[rows]
        return payload

    def _prices(self, symbols: Ints, sides: Ints, aggressive: np.ndarray[Any, np.dtype[np.bool_]]) -> Ints:
        """Behind the mid by an exponential distance, or through it by a few ticks."""
        passive = SPREAD_TICKS + self._draw.exponential(DEPTH_TICKS, len(symbols)).astype(np.int64)
        through = -self._draw.integers(SPREAD_TICKS, 4 * SPREAD_TICKS, len(symbols))
        distance = np.where(aggressive, through, passive)
        return np.asarray(self._mid[symbols] + np.where(sides == 0, -distance, distance))

    def _quantities(self, count: int) -> Ints:
        return 1 + self._draw.geometric(0.02, count)
