"""Integer arithmetic that raises OverflowError instead of wrapping around, in every tier of handler.

Python's own integers do not overflow, and storing one where it does not fit raises. NumPy's and Numba's wrap silently:
handlers of those tiers use `add`, `subtract` and `multiply`. They take integers, or NumPy arrays of integers (then item
by item), and compiled handlers may call them as well. What nothing can see is a plain `+` on 64-bit numbers in a NumPy
or compiled handler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

I64 = (-(2**63), 2**63 - 1)


def add(a: Any, b: Any) -> Any:
    """a + b; raises OverflowError when it does not fit the result's type (plain integers: i64)."""
    return _checked(np.add, a, b)


def subtract(a: Any, b: Any) -> Any:
    """a - b; raises OverflowError when it does not fit the result's type (plain integers: i64)."""
    return _checked(np.subtract, a, b)


def multiply(a: Any, b: Any) -> Any:
    """a * b; raises OverflowError when it does not fit the result's type (plain integers: i64)."""
    return _checked(np.multiply, a, b)


def _checked(operation: np.ufunc, a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        result = int(operation(np.array(a, object), np.array(b, object)))
        if not I64[0] <= result <= I64[1]:
            raise OverflowError(f"{operation.__name__}({a}, {b}) is {result}, which does not fit 64 bits")
        return result
    x, y = np.asarray(a), np.asarray(b)
    # A plain integer takes the other side's type, as NumPy's own rules have it, and raises if it does not fit there.
    kind = np.result_type(a, b)
    if x.dtype.kind not in "iu" or y.dtype.kind not in "iu":
        raise TypeError(f"{operation.__name__} is for integers, not for {x.dtype} and {y.dtype}")
    if kind.kind not in "iu":
        raise TypeError(f"{x.dtype} and {y.dtype} have no common integer type: convert one of them first")
    result = operation(a, b)
    left, right = x.astype(kind), y.astype(kind)
    if operation is np.multiply:
        wrong = _multiplied_wrong(left, right, result)
    elif kind.kind == "u":
        wrong = result < left if operation is np.add else left < right
    elif operation is np.add:
        wrong = ((left ^ result) & (right ^ result)) < 0  # neither operand has the sign of the sum
    else:
        wrong = (
            (left ^ right) & (left ^ result)
        ) < 0  # the operands' signs differ, and the result has not the first one's
    if np.any(wrong):
        at = np.flatnonzero(np.broadcast_to(wrong, result.shape))[0] if result.ndim else 0
        pair = tuple(int(np.broadcast_to(side, result.shape).reshape(-1)[at]) for side in (left, right))
        raise OverflowError(f"{operation.__name__}{pair} does not fit {kind}")
    return result


def _multiplied_wrong(left: Any, right: Any, result: Any) -> Any:
    kind = result.dtype
    if kind.itemsize < 8:
        wide = left.astype(np.int64 if kind.kind == "i" else np.uint64)
        return wide * right != result
    # Dividing back is exact; the one quotient that does not fit itself (least / -1) is asked for apart.
    safe = np.where(right == 0, 1, right)
    wrong = (right != 0) & (result // safe != left)
    if kind.kind == "i":
        least = np.iinfo(kind).min
        wrong = wrong | ((left == least) & (right == -1)) | ((right == least) & (left == -1))
    return wrong
