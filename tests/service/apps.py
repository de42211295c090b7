"""Applications that misbehave in ways a service has to survive, and one whose state is a few bytes."""

from __future__ import annotations

import threading
from dataclasses import field

from processor import App, i64

counter = App("counter")
fragile = App("fragile")
other = App("other")
changed = App("counter")


@counter.event
class Add:
    amount: i64


@counter.output
class Total:
    total: i64


@counter.state
class Count:
    total: int = 0


@counter.on(Add)
def add(count, event, ctx):
    count.total += event.amount
    ctx.emit(Total(count.total))


@fragile.event
class Put:
    key: i64


@fragile.output
class Size:
    size: i64


@fragile.state
class Keys:
    keys: dict[int, int] = field(default_factory=dict)


@fragile.on(Put)
def put(keys, event, ctx):
    keys.keys[event.key] = 1
    if event.key == 13:
        raise ValueError("13 is where this handler breaks, after its change")
    ctx.emit(Size(len(keys.keys)))


for app in (other, changed):
    @app.event
    class Touch:
        amount: i64
        more: i64

    @app.state
    class Nothing:
        touched: int = 0

    @app.on(Touch)
    def touch(nothing, event, ctx):
        nothing.touched += 1


stuck = App("stuck")


@stuck.event
class Wait:
    amount: i64


@stuck.output
class Went:
    amount: i64


@stuck.state
class Waits:
    waited: int = 0


@stuck.on(Wait)
def wait(waits, event, ctx):
    if event.amount == 13:
        threading.Event().wait()
    waits.waited += 1
    ctx.emit(Went(event.amount))
