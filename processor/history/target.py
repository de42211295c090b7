"""A moment in a journal as people name it: the sequence of an event, or a time."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from processor.errors import WrongUse

NANOSECONDS_FROM = 10**15  # whole numbers from here on are ns since the epoch (12 January 1970), smaller ones sequences
FORMS = (
    "a sequence (a whole number below 10^15), a time in ns since the epoch (10^15 or more), or an ISO 8601 time "
    "such as "
    "2026-01-31T12:00:00.5 (UTC, unless it names a zone)"
)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Target:
    """Behind the event `sequence`, or behind the last event whose timestamp is not later than `time_ns`; neither:
    the end.
    """

    sequence: int | None = None
    time_ns: int | None = None

    def __str__(self) -> str:
        if self.sequence is not None:
            return f"sequence {self.sequence}"
        return "the end" if self.time_ns is None else time_text(self.time_ns)


def target_of(moment: int | str | datetime.datetime | Target | None) -> Target:
    """The one rule that tells a sequence from a time, for the commands and for Python; raises WrongUse for anything
    else.
    """
    if moment is None:
        return Target()
    if isinstance(moment, Target):
        return moment
    if isinstance(moment, datetime.datetime):
        return Target(time_ns=_nanoseconds(moment, ""))
    if isinstance(moment, str):
        text = moment.strip()
        if not text.isascii() or not text.lstrip("+-").isdigit():
            return Target(time_ns=_parsed(text))
        moment = int(text)
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise WrongUse(f"{moment!r} names no moment: it is {FORMS}")
    if moment < 0:
        raise WrongUse(f"{moment} names no moment: sequences count from 1 (0: before the first event)")
    return Target(time_ns=moment) if moment >= NANOSECONDS_FROM else Target(sequence=moment)


def _parsed(text: str) -> int:
    head, dot, rest = text.replace(",", ".").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    if (dot and not digits) or len(digits) > 9:
        raise WrongUse(f"{text!r} names no moment: it is {FORMS}")
    try:
        moment = datetime.datetime.fromisoformat(head + rest[len(digits) :])
    except ValueError:
        raise WrongUse(f"{text!r} names no moment: it is {FORMS}") from None
    return _nanoseconds(moment, digits)


def _nanoseconds(moment: datetime.datetime, digits: str) -> int:
    """Exact, which a float of seconds would not be: a datetime holds microseconds, `digits` what stands behind the
    point.
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    past = moment - EPOCH
    whole = (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
    return whole * 1_000 + int(digits.ljust(9, "0") if digits else 0)


def time_text(time_ns: int) -> str:
    """A time in UTC with all its nanoseconds, in the form that target_of reads."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    text = (EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09}Z"
