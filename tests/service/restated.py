"""The application `counter` of apps.py with a handler that leaves another state, from the first event on."""

from tests.service import apps

counter = apps.counter


def add_one_more(count, event, ctx):
    count.total += event.amount + 1
    ctx.emit(apps.Total(count.total))


counter.handlers[1] = add_one_more
