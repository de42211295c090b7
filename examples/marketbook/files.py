"""LOBSTER's two files, row by row: https://lobsterdata.com (message and orderbook of the same day and symbol)."""

from __future__ import annotations

import csv
import datetime
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from processor.errors import WrongUse

NO_PRICE = 9_999_999_999  # with a sign: this side has no such level
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class MessageRow:
    """`time_ns`: ns since the epoch, the file's time of day on the file's date, taken as UTC."""

    time_ns: int
    type: int
    order: int
    size: int
    price: int
    side: int


def midnight_ns(path: str | Path) -> int:
    """The day in the file's name (0, the epoch's, where it names none), ns since the epoch."""
    found = DATE.search(Path(path).name)
    if found is None:
        return 0
    try:
        day = datetime.date.fromisoformat(found[0])
    except ValueError:
        raise WrongUse(f"{path}: {found[0]} in its name is no day") from None
    return (day - datetime.date(1970, 1, 1)).days * 86_400 * 1_000_000_000


def read_messages(path: str | Path) -> Iterator[MessageRow]:
    """The rows of a message file; raises WrongUse, naming the row, for one that is none."""
    midnight = midnight_ns(path)
    for number, row in _rows(path):
        try:
            seconds, kind, order, size, price, side = row[:6]
            whole, _, rest = seconds.partition(".")
            time_ns = midnight + int(whole) * 1_000_000_000 + int(rest[:9].ljust(9, "0"))
            yield MessageRow(time_ns, int(kind), int(order), int(size), int(price), int(side))
        except ValueError:
            raise WrongUse(
                f"{path}, row {number}: expected time, type, order id, size, price, direction; found "
                f"{','.join(row)[:100]!r}"
            ) from None


def read_levels(path: str | Path) -> Iterator[list[tuple[int, int, int, int]]]:
    """The rows of an orderbook file: lists of (ask price, ask size, bid price, bid size), the best level first."""
    for number, row in _rows(path):
        try:
            values = [int(value) for value in row]
            if not values or len(values) % 4:
                raise ValueError
        except ValueError:
            raise WrongUse(
                f"{path}, row {number}: expected four whole numbers a level; found {','.join(row)[:100]!r}"
            ) from None
        yield [(values[k], values[k + 1], values[k + 2], values[k + 3]) for k in range(0, len(values), 4)]


def sides(row: list[tuple[int, int, int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(asks, bids) of an orderbook row, each (price, size), without what is no level."""
    asks = [(price, size) for price, size, _, _ in row if abs(price) != NO_PRICE]
    bids = [(price, size) for _, _, price, size in row if abs(price) != NO_PRICE]
    return asks, bids


def _rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    path = Path(path)
    try:
        with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
            yield from enumerate(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WrongUse(f"{path}: cannot be read: {error}") from error
