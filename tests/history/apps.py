"""Applications that a verification has to find out, each with one event and one thing that a handler must not do."""

import random
import time
from dataclasses import field

from processor import App, i64, text


def counter(name: str) -> tuple[App, type]:
    app = App(name)

    @app.event
    class Add:
        amount: i64
        name: text[16]

    @app.state
    class Sums:
        total: int = 0
        names: set[str] = field(default_factory=set)

    return app, Add


sound, SoundAdd = counter("sound")
other, OtherAdd = counter("sound")  # the same schema, other logic
dice, DiceAdd = counter("dice")
clock, ClockAdd = counter("clock")
ordered, OrderedAdd = counter("ordered")
hidden, HiddenAdd = counter("hidden")
touchy, TouchyAdd = counter("sound")

THRESHOLD = 300  # from this sequence on the bad ones are bad
seen = [0]  # what `hidden` keeps outside of its state


@sound.on(SoundAdd)
def add(sums, event, ctx):
    sums.total += event.amount


@other.on(OtherAdd)
def add_less(sums, event, ctx):
    sums.total += event.amount - (event.sequence >= THRESHOLD)


@dice.on(DiceAdd)
def add_random(sums, event, ctx):
    sums.total += event.amount + (random.randrange(1 << 40) if event.sequence >= THRESHOLD else 0)


@clock.on(ClockAdd)
def add_time(sums, event, ctx):
    sums.total += event.amount + (time.time_ns() % 1_000_003 if event.sequence >= THRESHOLD else 0)


@ordered.on(OrderedAdd)
def add_in_the_order_of_a_set(sums, event, ctx):
    sums.names.add(event.name)
    if event.sequence >= THRESHOLD:
        sums.total = hash_of(list(sums.names))


@hidden.on(HiddenAdd)
def add_what_was_seen(sums, event, ctx):
    seen[0] += 1
    sums.total += event.amount + seen[0]


@touchy.on(TouchyAdd)
def refuse_to_go_on(sums, event, ctx):
    if event.sequence >= THRESHOLD:
        raise ZeroDivisionError("a handler that raises")
    sums.total += event.amount


def hash_of(names: list[str]) -> int:
    """A number that depends on the order of the names, and on nothing else."""
    value = 0
    for name in names:
        value = (value * 1_000_003 + sum(name.encode())) % (1 << 61)
    return value


@sound.query
def total(sums):
    return sums.total


@sound.query
def plus(sums, amount: int, label: str = ""):
    return [sums.total + amount, label]
