"""Handlers that Numba compiles: plain functions per event, called by the core through a C function pointer, without the
GIL.

    @app.on_compiled(Deposit)
    def deposit(bank, event, ctx):
        balance = bank.balances[event.account] + event.amount
        bank.balances[event.account] = balance
        ctx.emit(Balance(event.account, balance))

`bank` has the fields of the state that are NumPy arrays (items are assigned, `bank.balances[k] = ...`, never a whole
field; between events the first axis may grow, dtype and other axes are fixed), `event` the event's fields and
`sequence`, `timestamp`, `session`, `request`; `ctx` has `emit(Output(...))`, `reject("a constant text")` and `now`.
Text and raw fields can be read as Numba allows; outputs of compiled handlers have numbers only.

An exception halts the service as in every tier; which one it was is not told, since nothing of Python runs there.
Indices are checked. The handler's own `+`, `-` and `*` of integers raise OverflowError instead of wrapping around (64
bits), as do numbers that do not fit an output's field. What is not seen: arithmetic on whole arrays (or in NumPy's
functions), in other compiled functions that it calls (use processor.checked there), and a number stored into a table of
narrower integers, which is cut off as in C.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

import numpy as np

from processor.errors import WrongUse
from processor.logic.native import NativeHandler
from processor.schema import Message

try:
    from numba import carray, cfunc, njit
    from numba.core.errors import NumbaError

    from processor.compiled_types import Checked, as_context, as_pointer, declare_output
except ImportError as error:
    raise WrongUse(
        f"@app.on_compiled needs Numba, which is not installed ({error}): pip install 'processor[numba]'"
    ) from error

if TYPE_CHECKING:
    from processor.app import App

ENTRY = """
def entry(state, context, event):
    words = carray(state, ({words},), uintp)
    try:
        handler(State({tables}), carray(event, (1,), event_dtype)[0], as_context(context))
    except Exception:
        return -1
    return 0
"""
TABLE = "carray(as_pointer(words[{at}]), (int(words[{at} + 1]),{rest}), dtype{k})"

_made: dict[Any, NativeHandler] = {}


def compile_handler(app: App, message: Message, function: Any, state: Any) -> NativeHandler:
    """The native handler of a function for states with tables like this one's; raises WrongUse for what Numba cannot
    compile."""
    from processor.logic.tables import Tables

    names = Tables(state).names
    arrays = [getattr(state, name) for name in names]
    key = (function, app.schema.fingerprint, names, tuple((array.dtype, array.shape[1:]) for array in arrays))
    if key not in _made:
        for cls, output in app.output_classes().items():
            declare_output(cls, output)
        _made[key] = _compiled(app, message, function, names, arrays)
    return _made[key]


def _compiled(app: App, message: Message, function: Any, names: tuple[str, ...], arrays: list[Any]) -> NativeHandler:
    tables = [
        TABLE.format(at=2 * k, k=k, rest="".join(f" {length}," for length in array.shape[1:]))
        for k, array in enumerate(arrays)
    ]
    scope: dict[str, Any] = {
        "State": namedtuple("State", names),
        "uintp": np.uintp,
        "carray": carray,
        "as_pointer": as_pointer,
        "as_context": as_context,
        "event_dtype": app.schema.run_dtype(message),
        "handler": njit(function, boundscheck=True, nogil=True, pipeline_class=Checked),
        **{f"dtype{k}": array.dtype for k, array in enumerate(arrays)},
    }
    # Numba needs each array as an expression of its own; nothing but the numbers and names of fields gets into this
    # text.
    exec(ENTRY.format(words=2 * len(arrays), tables=", ".join(tables)), scope)
    try:
        made = cfunc("int32(voidptr, voidptr, voidptr)")(scope["entry"])
    except (NumbaError, NotImplementedError) as error:
        raise WrongUse(
            f"{app.name}: the handler of {message.name} ({function.__qualname__}) cannot be compiled: {error}"
        ) from error
    return NativeHandler.at(function.__qualname__, made.address, made)
