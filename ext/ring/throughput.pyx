"""The ring alone, as fast as it goes: 8-byte events through a stream of one producer and one consumer, or there and back again.

For benchmarks. All loops run without the GIL; Python threads call them, one a side. An event is a slot whose request field holds a
value; the consumer's sum shows that none was lost, doubled or torn.
"""

from libc.stdint cimport uint64_t

from processor.ring.buffer cimport Ring
from processor.ring.sequence cimport (
    sequence_get, waiter_busy, waiter_cancel, waiter_full, waiter_idle, waiter_prepare, waiter_sleep,
)


cdef inline uint64_t claimed(Ring ring, uint64_t most) noexcept nogil:
    """A run that the producer may fill, waited for."""
    cdef uint64_t run = ring.claim_run(most)
    while run == 0:
        if waiter_full(&ring.waiters[0]):
            waiter_prepare(&ring.waiters[0])
            if ring.claim_run(most):
                waiter_cancel(&ring.waiters[0])
            else:
                waiter_sleep(&ring.waiters[0], -1, -1)
        run = ring.claim_run(most)
    waiter_busy(&ring.waiters[0])
    return run


cdef inline uint64_t arrived(Ring ring, uint64_t position, uint64_t most) noexcept nogil:
    """A run that the consumer may read from `position` on, waited for."""
    cdef uint64_t run = ring.available_run(1, position, most)
    while run == 0:
        if waiter_idle(&ring.waiters[1]):
            waiter_prepare(&ring.waiters[1])
            if ring.available_run(1, position, most):
                waiter_cancel(&ring.waiters[1])
            else:
                waiter_sleep(&ring.waiters[1], -1, -1)
        run = ring.available_run(1, position, most)
    waiter_busy(&ring.waiters[1])
    return run


def send(Ring ring not None, uint64_t count, uint64_t claim):
    """Publishes the values 0 to count - 1, `claim` slots at once (fewer at the end of the memory)."""
    cdef uint64_t position = sequence_get(&ring.sequences[0])
    cdef uint64_t value = 0
    cdef uint64_t run, k
    with nogil:
        while value < count:
            run = claimed(ring, claim if claim < count - value else count - value)
            for k in range(run):
                ring.slot(position + k).request = value + k
            value += run
            position += run
            ring.advance(0, position)


def receive(Ring ring not None, uint64_t count, uint64_t most=4096):
    """Passes `count` slots as stage 1, everything that is there at once up to `most`; the sum of their values modulo 2^64."""
    cdef uint64_t position = sequence_get(&ring.sequences[1])
    cdef uint64_t end = position + count
    cdef uint64_t total = 0
    cdef uint64_t run, k
    with nogil:
        while position < end:
            run = arrived(ring, position, most)
            for k in range(run):
                total += ring.slot(position + k).request
            position += run
            ring.advance(1, position)
    return total


def ask(Ring out not None, Ring back not None, uint64_t count):
    """Sends a value, waits for what comes back, `count` times; the sum of the answers modulo 2^64."""
    cdef uint64_t there = sequence_get(&out.sequences[0])
    cdef uint64_t here = sequence_get(&back.sequences[1])
    cdef uint64_t total = 0
    cdef uint64_t value
    with nogil:
        for value in range(count):
            claimed(out, 1)
            out.slot(there + value).request = value
            out.advance(0, there + value + 1)
            arrived(back, here + value, 1)
            total += back.slot(here + value).request
            back.advance(1, here + value + 1)
    return total


def echo(Ring out not None, Ring back not None, uint64_t count):
    """The other side of `ask`: sends each value back, one more than it came."""
    cdef uint64_t there = sequence_get(&out.sequences[1])
    cdef uint64_t here = sequence_get(&back.sequences[0])
    cdef uint64_t k
    with nogil:
        for k in range(count):
            arrived(out, there + k, 1)
            claimed(back, 1)
            back.slot(here + k).request = out.slot(there + k).request + 1
            out.advance(1, there + k + 1)
            back.advance(0, here + k + 1)
