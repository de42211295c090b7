"""Arithmetic that raises instead of wrapping around, against Python's own integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor import checked

KINDS = [np.dtype(name) for name in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
OPERATIONS = {checked.add: int.__add__, checked.subtract: int.__sub__, checked.multiply: int.__mul__}


@st.composite
def columns(draw: Any) -> tuple[np.dtype[Any], list[int], list[int]]:
    kind = draw(st.sampled_from(KINDS))
    info = np.iinfo(kind)
    edge = st.sampled_from(
        [int(info.min), int(info.min) + 1, int(info.max), int(info.max) - 1, 0, 1, int(info.max) // 2]
    )
    numbers = st.lists(edge | st.integers(int(info.min), int(info.max)) | st.integers(0, 9), min_size=3, max_size=3)
    return kind, draw(numbers), draw(numbers)


@given(columns(), st.sampled_from(list(OPERATIONS)))
def test_arrays_give_the_exact_result_or_raise(case: Any, operation: Any) -> None:
    kind, left, right = case
    exact = [OPERATIONS[operation](a, b) for a, b in zip(left, right, strict=True)]
    info = np.iinfo(kind)
    if all(info.min <= value <= info.max for value in exact):
        made = operation(np.array(left, kind), np.array(right, kind))
        assert made.dtype == kind
        assert made.tolist() == exact
    else:
        with pytest.raises(OverflowError, match=f"does not fit {kind}"):
            operation(np.array(left, kind), np.array(right, kind))


@given(st.integers(-(2**64), 2**64), st.integers(-(2**64), 2**64), st.sampled_from(list(OPERATIONS)))
def test_plain_integers_fit_64_bits_or_raise(a: int, b: int, operation: Any) -> None:
    exact = OPERATIONS[operation](a, b)
    if -(2**63) <= exact < 2**63:
        assert operation(a, b) == exact
    else:
        with pytest.raises(OverflowError):
            operation(a, b)


def test_a_plain_integer_takes_the_type_of_the_array_beside_it() -> None:
    assert checked.add(np.array([1, 2], np.uint8), 253).tolist() == [254, 255]
    with pytest.raises(OverflowError):
        checked.add(np.array([1, 3], np.uint8), 253)


def test_what_are_no_integers_or_have_no_common_type_is_refused() -> None:
    with pytest.raises(TypeError, match="is for integers"):
        checked.add(np.array([1.0]), np.array([2.0]))
    with pytest.raises(TypeError, match="no common integer type"):
        checked.add(np.array([1], np.uint64), np.array([1], np.int64))
