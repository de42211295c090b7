"""What a NumPy handler sees of its run, and what it may say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np
import pytest

from processor import App, f64, i64, raw, text, u8, u32
from processor.client.wire import split
from processor.layout import REPLY_LAST
from tests.logic.drive import Driven

REJECTED = 0xFF02
DONE = 0xFF01
STOP_RAISED = 3


def bank(handler: Callable[..., None]) -> tuple[App, Any, Any]:
    """An application with this handler, its event, and its output."""
    app = App("runs")

    @app.event
    class Move:
        amount: i64
        name: text[4]
        small: u8

    @app.output
    class Told:
        small: u8
        amount: i64
        ratio: f64
        name: text[4]
        data: raw[3]

    @app.state
    class Seen:
        total: int = 0
        runs: list[int] = field(default_factory=list)

    app.on_run(Move, handler)
    return app, Move, Told


def moves(app: App, event: Any, count: int, **columns: Any) -> np.ndarray[Any, Any]:
    payloads = np.zeros(count, app.message_of(event).dtype)
    for name, values in columns.items():
        payloads[name] = values
    return payloads


def driven_with(
    handler: Callable[..., None], count: int = 4, *, strict: bool = False, **columns: Any
) -> tuple[Driven, int]:
    app, event, _ = bank(handler)
    driven = Driven(app, strict=strict)
    passed = driven.apply(driven.slots(event, moves(app, event, count, **columns), np.arange(count) + 1))
    return driven, passed


def test_a_run_is_a_read_only_view_of_header_and_fields() -> None:
    seen: dict[str, Any] = {}

    def handler(state: Any, events: Any, ctx: Any) -> None:
        seen.update({name: events[name].tolist() for name in events.dtype.names})
        seen["writeable"] = events.flags.writeable or events["amount"].flags.writeable
        seen["owns"] = events.flags.owndata

    _, passed = driven_with(handler, 3, amount=[5, -6, 7], name=[b"a", b"bb", b"cccc"], small=[1, 2, 255])
    assert passed == 3
    assert seen == {
        "amount": [5, -6, 7],
        "name": [b"a", b"bb", b"cccc"],
        "small": [1, 2, 255],
        "sequence": [2, 3, 4],
        "timestamp": [2000, 3000, 4000],
        "session": [1, 1, 1],
        "request": [1, 2, 3],
        "writeable": False,
        "owns": False,
    }


def test_runs_are_cut_at_other_types_and_at_requests_that_are_not_applied() -> None:
    def handler(state: Any, events: Any, ctx: Any) -> None:
        state.runs.append(len(events))

    app, event, _ = bank(handler)
    driven = Driven(app, 2)
    requests = [1, 2, 2, 3, 1, 9, 4, 1]
    sessions = [1, 1, 1, 1, 2, 1, 1, 2]
    passed = driven.apply(driven.slots(event, moves(app, event, 8), requests, sessions))
    assert passed == 8
    assert driven.core.state.runs == [2, 2, 1]
    assert [frame[5] for frame in split(driven.frames[1])] == [1, 2, 2, 3, 9, 4]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("part", ["events", "column", "memory"])
def test_a_handler_that_keeps_its_events_is_found_out(strict: bool, part: str) -> None:
    kept: list[Any] = []

    def handler(state: Any, events: Any, ctx: Any) -> None:
        kept.append({"events": events, "column": events["amount"][1:], "memory": memoryview(events["amount"])}[part])

    driven, passed = driven_with(handler, strict=strict)
    assert passed == 0
    assert driven.core.stop == STOP_RAISED
    assert "has kept the events of its run" in driven.core.trouble


def test_a_handler_may_keep_a_copy_and_hold_its_events_in_a_cycle() -> None:
    kept: list[Any] = []

    def handler(state: Any, events: Any, ctx: Any) -> None:
        kept.append(events["amount"].copy())
        cycle: list[Any] = [events]
        cycle.append(cycle)

    driven, passed = driven_with(handler, amount=[1, 2, 3, 4])
    assert passed == 4, driven.core.trouble
    assert kept[0].tolist() == [1, 2, 3, 4]


def test_in_strict_mode_the_memory_of_a_run_is_overwritten_behind_the_handler() -> None:
    addresses: list[int] = []

    def handler(state: Any, events: Any, ctx: Any) -> None:
        kept.append(events)
        addresses.append(events["amount"][0])

    kept: list[Any] = []
    driven_with(handler, strict=True, amount=[1, 2, 3, 4])
    assert addresses == [1]
    assert kept[0]["amount"].view(np.uint64).tolist() == [0xDBDBDBDBDBDBDBDB] * 4


def test_outputs_go_to_the_events_they_name_in_the_order_they_were_said() -> None:
    def handler(state: Any, events: Any, ctx: Any) -> None:
        blank = {"ratio": 0.5, "name": "", "data": b""}
        ctx.emit(told, {"small": [30, 0, 31], "amount": 1, **blank}, [3, 0, 3])
        ctx.emit(
            told, {"small": np.arange(2), "amount": np.array([-1, -2]), **blank}, np.array([True, False, False, True])
        )
        ctx.reject([1], "no")

    app, event, told = bank(handler)
    driven = Driven(app)
    assert driven.apply(driven.slots(event, moves(app, event, 4), np.arange(4) + 1)) == 4, driven.core.trouble
    frames = split(driven.frames[1])
    message = app.message_of(told)
    said = [
        (request, index, kind, message.unpack(payload)["small"] if kind == 1 else payload)
        for _, _, index, _, kind, request, payload in frames
    ]
    assert said == [
        (1, 0, 1, 0),
        (1, 1, 1, 0),
        (2, 0, REJECTED, b"no"),
        (3, 0, DONE, b""),
        (4, 0, 1, 30),
        (4, 1, 1, 31),
        (4, 2, 1, 1),
    ]
    assert [bool(frame[3] & REPLY_LAST) for frame in frames] == [False, True, True, True, False, False, True]
    assert driven.core.sessions.stored_frames(1, 4) == driven.frames[1][-192:]


def test_an_output_has_the_bytes_that_the_python_tier_would_give_it() -> None:
    def handler(state: Any, events: Any, ctx: Any) -> None:
        ctx.emit(
            told, {"small": events["small"], "amount": events["amount"], "ratio": 1, "name": ["é", "ab"], "data": b"x"}
        )

    app, event, told = bank(handler)
    driven = Driven(app)
    driven.apply(driven.slots(event, moves(app, event, 2, small=[1, 2], amount=[3, -4]), [1, 2]))
    message = app.message_of(told)
    wanted = [
        message.pack({"small": k, "amount": a, "ratio": 1.0, "name": n, "data": b"x"})
        for k, a, n in ((1, 3, "é"), (2, -4, "ab"))
    ]
    assert [frame[6] for frame in split(driven.frames[1])] == wanted


def values(**changed: Any) -> dict[str, Any]:
    return {"small": 1, "amount": 2, "ratio": 0.0, "name": b"", "data": b"", **changed}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda ctx, told: ctx.emit(told, values(small=np.array([0, 256, 0, 0]))),
            OverflowError,
            "Told.small is u8: 256",
        ),
        (lambda ctx, told: ctx.emit(told, values(small=-1)), OverflowError, "Told.small is u8: -1"),
        (lambda ctx, told: ctx.emit(told, values(amount=np.uint64(2**63))), OverflowError, "Told.amount is i64"),
        (lambda ctx, told: ctx.emit(told, values(amount=1.5)), TypeError, "integers are needed"),
        (lambda ctx, told: ctx.emit(told, values(ratio="x")), TypeError, "numbers are needed"),
        (lambda ctx, told: ctx.emit(told, values(name="12345")), OverflowError, "5 bytes do not fit"),
        (lambda ctx, told: ctx.emit(told, values(name=np.array([b"a\0b"] * 4))), ValueError, "zero byte"),
        (lambda ctx, told: ctx.emit(told, {"small": 1}), TypeError, "amount is not there"),
        (lambda ctx, told: ctx.emit(told, values(small=[1, 2])), ValueError, "4 outputs are said"),
        (lambda ctx, told: ctx.emit(int, values()), TypeError, "not declared with @app.output"),
        (lambda ctx, told: ctx.emit(told, values(), [4]), IndexError, "the run has 4 events"),
        (lambda ctx, told: ctx.emit(told, values(), [-1]), IndexError, "-1 to -1 were named"),
        (lambda ctx, told: ctx.emit(told, values(), np.array([True])), ValueError, "an item for each"),
        (lambda ctx, told: ctx.emit(told, values(), [0.5]), TypeError, "by a mask or by indices"),
        (lambda ctx, told: (ctx.reject([1], "no"), ctx.emit(told, values())), RuntimeError, "rejected already"),
        (lambda ctx, told: (ctx.emit(told, values(), [2]), ctx.reject(None, "no")), RuntimeError, "instead of outputs"),
        (lambda ctx, told: (ctx.reject([1], "no"), ctx.reject([1, 2], "no")), RuntimeError, "and once"),
    ],
)
def test_what_cannot_be_said_raises_and_halts_before_anything_of_the_run_is_answered(
    call: Any, error: type[Exception], words: str
) -> None:
    caught: list[BaseException] = []

    def handler(state: Any, events: Any, ctx: Any) -> None:
        try:
            call(ctx, told)
        except Exception as failure:
            caught.append(failure)
            raise

    app, event, told = bank(handler)
    driven = Driven(app)
    before = driven.core.sessions.export()
    assert driven.apply(driven.slots(event, moves(app, event, 4), np.arange(4) + 1)) == 0
    assert type(caught[0]) is error
    assert words in str(caught[0])
    assert driven.frames == {}
    assert driven.core.sessions.export() == before
    assert driven.core.raised_events == 4
    assert "raised in the run of sequences 2 to 5" in driven.core.trouble


def test_a_context_is_over_when_the_handler_has_returned() -> None:
    kept: list[Any] = []
    app, event, told = bank(lambda state, events, ctx: kept.append(ctx))
    driven = Driven(app)
    assert driven.apply(driven.slots(event, moves(app, event, 1), [1])) == 1
    with pytest.raises(RuntimeError, match="this context is over"):
        kept[0].emit(told, values())
    with pytest.raises(RuntimeError, match="this context is over"):
        kept[0].reject(None, "no")


def test_a_run_of_one_event_names_it_when_its_handler_raises() -> None:
    def handler(state: Any, events: Any, ctx: Any) -> None:
        raise KeyError("gone")

    driven, passed = driven_with(handler, 1, amount=[8])
    assert passed == 0
    assert "the handler of Move raised at sequence 2 (session 1, request 1, Move(amount=8" in driven.core.trouble
    assert driven.core.raised_events == 1


def test_a_field_of_the_event_hides_one_of_the_header() -> None:
    app = App("hidden")

    @app.event
    class Odd:
        session: u32

    app.state(type("Nothing", (), {}))
    seen: list[Any] = []
    app.on_run(Odd, lambda state, events, ctx: seen.append((events["session"].tolist(), events["request"].tolist())))
    driven = Driven(app)
    driven.apply(driven.slots(Odd, moves(app, Odd, 2, session=[7, 8]), [1, 2]))
    assert seen == [([7, 8], [1, 2])]
