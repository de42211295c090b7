"""A NumPy handler that raises with many events in hand: which event it was is found out, live and in recovery."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processor import App, i64
from processor.errors import ClientError, Halted
from tests.local.conftest import Running

ARRAY = np.ndarray[Any, np.dtype[np.int64]]


def application(handler: Any) -> tuple[App, Any]:
    app = App("summing")

    @app.event
    class Add:
        amount: i64

    @app.state
    class Sum:
        total: ARRAY = field(default_factory=lambda: np.zeros(1, np.int64))

    app.on_run(Add, handler)
    return app, Add


def fussy(state: Any, events: Any, ctx: Any) -> None:
    """Changes the state before it raises, as handlers do."""
    for amount in events["amount"]:
        state.total[0] += amount
        if amount == 13:
            raise ValueError("thirteen")


def easy(state: Any, events: Any, ctx: Any) -> None:
    state.total[0] += events["amount"].sum()


def amounts(app: App, event: Any, values: list[int]) -> np.ndarray[Any, Any]:
    made = np.zeros(len(values), app.message_of(event).dtype)
    made["amount"] = values
    return made


def feed(running: Running, event: Any, values: list[int]) -> None:
    with running.service.session(answers=False) as session:
        session.submit_array(event, amounts(running.service.app, event, values))
        session.wait()


def test_a_halted_service_names_the_one_event_of_the_run(tmp_path: Path) -> None:
    app, event = application(fussy)
    running = Running(app, tmp_path)
    with pytest.raises(ClientError, match="the service has stopped"):
        feed(running, event, [1] * 500 + [13] + [1] * 500)
    assert running.ended() == 4
    assert any("raised in the run of sequences" in line and "one by one" in line for line in running.lines), (
        running.lines
    )
    halted = next(line for line in running.lines if line.startswith("halted: "))
    # The session's opening was sequence 1.
    assert "raised at sequence 502 (session 1, request 501, Add(amount=13)): ValueError: thirteen" in halted
    assert "--from 502 --to 502" in halted


def test_a_recovery_that_halts_names_it_too_and_begins_at_the_snapshot(tmp_path: Path) -> None:
    app, event = application(easy)
    journal = f"embedded://{tmp_path}/journal"
    running = Running(app, tmp_path, journal, snapshot_every=100)
    feed(running, event, [1] * 300)
    feed(running, event, [13] * 3 + [2] * 50)
    assert running.stop() == 0
    bad, _ = application(fussy)
    with pytest.raises(Halted, match=r"raised at sequence \d+ \(session 2, request 1, Add\(amount=13\)\)"):
        Running(bad, tmp_path, journal)


def test_a_handler_that_raises_only_for_long_runs_is_told_apart(tmp_path: Path) -> None:
    def moody(state: Any, events: Any, ctx: Any) -> None:
        if len(events) > 1:
            raise ValueError("too many at once")

    app, event = application(moody)
    running = Running(app, tmp_path)
    with pytest.raises(ClientError, match="the service has stopped"):
        feed(running, event, [1] * 400)
    assert running.ended() == 4
    assert any("one by one none of them raises" in line for line in running.lines), running.lines
