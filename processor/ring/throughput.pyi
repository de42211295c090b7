from processor.ring.buffer import Ring

def send(ring: Ring, count: int, claim: int) -> None:
    """Publishes the values 0 to count - 1, `claim` slots at once (fewer at the end of the memory)."""

def receive(ring: Ring, count: int, most: int = 4096) -> int:
    """Passes `count` slots as stage 1, everything that is there at once up to `most`; the sum of their values modulo 2^64."""

def ask(out: Ring, back: Ring, count: int) -> int:
    """Sends a value, waits for what comes back, `count` times; the sum of the answers modulo 2^64."""

def echo(out: Ring, back: Ring, count: int) -> None:
    """The other side of `ask`: sends each value back, one more than it came."""
