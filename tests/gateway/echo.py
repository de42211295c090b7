"""What processor.gateway.double understands, declared: events by number, and the one output."""

from processor import App, u64

app = App("echo")


@app.event
class Echo:
    """Answered with Echoed of the same fields."""

    value: u64
    other: u64


@app.event
class Quiet:
    """Answered with nothing to say."""

    value: u64


@app.event
class Unwanted:
    """Answered with a rejection."""

    value: u64


@app.event
class Many:
    """Answered with `value` outputs, or nothing to say when that is 0."""

    value: u64
    other: u64


@app.output
class Echoed:
    value: u64
    other: u64


ECHO, MANY = (app.schema.event_names[name] for name in ("Echo", "Many"))
