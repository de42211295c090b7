"""What names a moment: one rule for commands and Python."""

from __future__ import annotations

import datetime

import pytest

from processor.errors import WrongUse
from processor.history.target import NANOSECONDS_FROM, Target, target_of, time_text

NOON = 1_769_860_800_000_000_000  # 2026-01-31T12:00:00Z


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, Target()),
        (7, Target(sequence=7)),
        ("7", Target(sequence=7)),
        (NANOSECONDS_FROM - 1, Target(sequence=NANOSECONDS_FROM - 1)),
        (NANOSECONDS_FROM, Target(time_ns=NANOSECONDS_FROM)),
        (str(NOON), Target(time_ns=NOON)),
        ("2026-01-31T12:00:00", Target(time_ns=NOON)),
        ("2026-01-31 12:00:00Z", Target(time_ns=NOON)),
        ("2026-01-31T13:00:00+01:00", Target(time_ns=NOON)),
        ("2026-01-31T12:00:00.123456789", Target(time_ns=NOON + 123_456_789)),
        ("2026-01-31T12:00:00.5Z", Target(time_ns=NOON + 500_000_000)),
        ("1969-12-31T23:59:59.999999999Z", Target(time_ns=-1)),
        (datetime.datetime(2026, 1, 31, 12, 0, 0, 3), Target(time_ns=NOON + 3_000)),
    ],
)
def test_a_moment_is_a_sequence_or_a_time_by_one_rule(given: object, expected: Target) -> None:
    assert target_of(given) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given", ["", "noon", "-3", "2026-13-01", "2026-01-31T12:00:00.", "2026-01-31T12:00:00.1234567891", 1.5, True]
)
def test_anything_else_is_refused_with_the_forms_there_are(given: object) -> None:
    with pytest.raises(WrongUse, match="names no moment"):
        target_of(given)  # type: ignore[arg-type]


def test_a_time_as_text_reads_back_exactly() -> None:
    for time_ns in (NOON, NOON + 1, -1, 0, 999_999_999):
        assert target_of(time_text(time_ns)) == Target(time_ns=time_ns)
