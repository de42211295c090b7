"""Handlers that Numba compiles: what they see, what they raise, what is refused before it runs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import field
from typing import Any

import numpy as np
import pytest

from processor import App, checked, f64, i64, text, u8, u16, u64
from processor.client.wire import split
from processor.errors import WrongUse
from tests.logic.drive import Driven

ARRAY = np.ndarray[Any, np.dtype[Any]]


base = App("compiled")


@base.event
class Ask:
    code: u8
    number: i64
    whole: u64


@base.output
class Told:
    small: u8
    number: i64
    ratio: f64


@base.state
class Tables:
    lone: ARRAY = field(default_factory=lambda: np.zeros(3, np.int64))
    grid: ARRAY = field(default_factory=lambda: np.zeros((2, 3), np.float64))
    rows: ARRAY = field(default_factory=lambda: np.zeros(2, [("count", "<u4"), ("total", "<i8")]))
    note: str = "not seen by compiled handlers"


def driven(handler: Any) -> Driven:
    app = base.twin()
    app.on_compiled(Ask, handler)
    return Driven(app)


def ask(on: Driven, code: int = 0, number: int = 0, whole: int = 0, request: int = 1) -> int:
    payload = np.zeros(1, base.message_of(Ask).dtype)
    payload["code"], payload["number"], payload["whole"] = code, number, whole
    return on.apply(on.slots(Ask, payload, [request]))


def test_a_compiled_handler_sees_tables_event_and_time_and_emits() -> None:
    def handler(state: Any, event: Any, ctx: Any) -> None:
        state.lone[event.code] = event.number
        state.grid[1, 2] += 0.5
        state.rows[1].count += np.uint32(1)
        state.rows[1].total = ctx.now + event.timestamp + event.session + np.int64(event.request)
        ctx.emit(Told(event.code, number=len(state.lone), ratio=state.grid[1, 2]))
        ctx.emit(Told(7, -1, 2))

    on = driven(handler)
    assert ask(on, code=2, number=-9) == 1, on.core.trouble
    state = on.core.state
    assert state.lone.tolist() == [0, 0, -9]
    assert state.grid[1, 2] == 0.5
    assert state.rows[1].tolist() == (1, 2 * 2000 + 1 + 1)
    message = base.message_of(Told)
    assert [message.unpack(frame[6]) for frame in split(on.frames[1])] == [
        {"small": 2, "number": 3, "ratio": 0.5},
        {"small": 7, "number": -1, "ratio": 2.0},
    ]


def test_tables_may_grow_between_events() -> None:
    def handler(state: Any, event: Any, ctx: Any) -> None:
        state.lone[len(state.lone) - 1] = event.number

    app = base.twin()
    app.on_compiled(Ask, handler)
    grown = Tables()
    grown.lone = np.zeros(100, np.int64)
    on = Driven(app)
    on.core = type(on.core)(app, on.core.sessions, state=grown)
    on.core.restore(1, 0)
    assert ask(on, number=5) == 1
    assert grown.lone[99] == 5


TROUBLES = (
    "sum",
    "difference",
    "product",
    "in place",
    "unsigned",
    "helper",
    "output",
    "bounds",
    "division",
    "raise",
    "said twice",
)


def trouble(state: Any, event: Any, ctx: Any) -> None:
    """Does what TROUBLES[event.code] says: one function, since compiling takes seconds."""
    code = event.code
    if code == 0:
        state.lone[0] = event.number + 1
    elif code == 1:
        state.lone[0] = -event.number - 2
    elif code == 2:
        state.lone[0] = event.number * 3
    elif code == 3:
        state.lone[0] = event.number
        state.lone[0] += 1
    elif code == 4:
        state.lone[0] = np.int64(event.whole - 1)
    elif code == 5:
        state.lone[0] = checked.multiply(event.number, event.number)
    elif code == 6:
        ctx.emit(Told(event.number, 0, 0.0))
    elif code == 7:
        state.lone[code + event.whole] = 1
    elif code == 8:
        state.lone[0] = event.number // np.int64(event.whole)
    elif code == 9:
        if event.number > 9:
            raise ValueError("more than 9")
    else:
        ctx.reject("no")
        if event.number > 9:
            ctx.emit(Told(1, 1, 1.0))


@pytest.mark.parametrize("code", range(len(TROUBLES)), ids=TROUBLES)
def test_what_raises_in_python_halts_in_compiled_code(code: int) -> None:
    on = driven(trouble)
    assert ask(on, code=code, number=2**63 - 1, whole=0) == 0
    assert "the handler of Ask raised at sequence 2" in on.core.trouble
    assert on.frames == {}


@pytest.mark.parametrize(
    ("code", "number", "wanted"),
    [
        (0, -3, -2),
        (1, -3, 1),
        (2, -3, -9),
        (3, -3, -2),
        (4, 0, 4),
        (5, -3, 9),
        (6, 3, 0),
        (8, 10, 2),
        (9, 9, 0),
        (10, 9, 0),
    ],
)
def test_what_fits_does_not_raise(code: int, number: int, wanted: int) -> None:
    on = driven(trouble)
    assert ask(on, code=code, number=number, whole=5) == 1, on.core.trouble
    assert on.core.state.lone[0] == wanted


def test_arithmetic_of_arrays_and_floats_stays_as_it_is() -> None:
    def handler(state: Any, event: Any, ctx: Any) -> None:
        lone = state.lone
        lone += event.number
        state.grid[0] = state.grid[0] * 2.0 + 1.5
        other = state.lone + state.lone
        state.rows[0].total = other[1] - np.int64(event.code)

    on = driven(handler)
    assert ask(on, code=1, number=4) == 1, on.core.trouble
    assert on.core.state.lone.tolist() == [4, 4, 4]
    assert on.core.state.grid[0].tolist() == [1.5, 1.5, 1.5]
    assert on.core.state.rows[0]["total"] == 7


def unknown_name(state: Any, event: Any, ctx: Any) -> None:
    state.lone[0] = state.missing[0]


def computed_reason(state: Any, event: Any, ctx: Any) -> None:
    ctx.reject("a" if event.code else "b")


def mixed_signs(state: Any, event: Any, ctx: Any) -> None:
    state.lone[0] = event.whole + event.number


def assigned_field(state: Any, event: Any, ctx: Any) -> None:
    state.lone = state.lone + 1


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (assigned_field, "lone"),
        (unknown_name, "missing"),
        (computed_reason, "constant text"),
        (mixed_signs, "no common type"),
    ],
)
def test_what_cannot_be_compiled_is_refused_before_anything_runs(handler: Any, words: str) -> None:
    with pytest.raises(WrongUse, match="cannot be compiled") as refused:
        driven(handler)
    assert words in str(refused.value)


def test_an_output_with_text_is_refused() -> None:
    app = App("texts")

    @app.event
    class Say:
        number: u16

    @app.output
    class Said:
        words: text[4]

    app.state(
        type("Some", (), {"__annotations__": {"rows": ARRAY}, "rows": field(default_factory=lambda: np.zeros(1))})
    )
    app.on_compiled(Say, lambda state, event, ctx: ctx.emit(Said("no")))
    with pytest.raises(WrongUse, match="emit numbers only"):
        Driven(app)


def test_a_state_without_tables_is_refused() -> None:
    app = App("tableless")

    @app.event
    class Say:
        number: u16

    app.state(type("Nothing", (), {"__annotations__": {"count": int}, "count": 0}))
    app.on_compiled(Say, trouble)
    with pytest.raises(WrongUse, match="no NumPy arrays among its fields"):
        Driven(app)


def test_without_numba_the_extra_is_named_and_all_else_works() -> None:
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from bench import balance\n"
        "from tests.logic.drive import Driven\n"
        "Driven(balance.numpy), Driven(balance.native), Driven(balance.python)\n"
        "try: Driven(balance.compiled)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("WrongUse ")
    assert "pip install 'processor[numba]'" in done.stdout


def test_a_python_handler_that_swaps_a_table_is_followed_and_one_that_spoils_it_halts() -> None:
    app = App("swapping")

    @app.event
    class Put:
        number: i64

    @app.event
    class Swap:
        number: i64

    Rows = app.state(
        type(
            "Rows",
            (),
            {"__annotations__": {"rows": ARRAY}, "rows": field(default_factory=lambda: np.zeros(2, np.int64))},
        )
    )
    assert Rows is app.state_type

    def put(state: Any, event: Any, ctx: Any) -> None:
        state.rows[len(state.rows) - 1] = event.number

    def swap(state: Any, event: Any, ctx: Any) -> None:
        state.rows = np.zeros(event.number, np.int64) if event.number else np.zeros(2, np.float32)

    app.on_compiled(Put, put)
    app.on(Swap, swap)
    on = Driven(app)

    def one(event: Any, number: int, request: int) -> np.ndarray[Any, Any]:
        payload = np.zeros(1, app.message_of(event).dtype)
        payload["number"] = number
        return on.slots(event, payload, [request])

    rows = np.concatenate([one(Put, 1, 1), one(Swap, 5, 2), one(Put, 6, 3)])
    assert on.apply(rows) == 3, on.core.trouble
    assert on.core.state.rows.tolist() == [0, 0, 0, 0, 6]
    on.apply(np.concatenate([one(Swap, 0, 4), one(Put, 1, 5)]))
    assert "a handler has spoilt the state" in on.core.trouble
    assert "only the number of rows may change" in on.core.trouble
