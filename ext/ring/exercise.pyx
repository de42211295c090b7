"""Threads over a ring, for its tests and benchmarks: every field of a slot is derived from its position, so that a torn, lost
or doubled slot shows. All loops run without the GIL; Python threads call them, one a stage.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport SLOT_HEADER_BYTES, Slot, payload_of
from processor.ring.buffer cimport Ring
from processor.ring.sequence cimport (
    load_acquire, sequence_get, waiter_busy, waiter_cancel, waiter_full, waiter_idle, waiter_prepare, waiter_sleep,
)


cdef inline uint64_t mixed(uint64_t x) noexcept nogil:
    # SplitMix64's finalizer (Steele, Lea, Flood 2014): neighbours have nothing in common.
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef inline void fill(Slot* slot, uint64_t position, uint32_t slot_bytes) noexcept nogil:
    cdef uint64_t key = mixed(position + 1)
    cdef uint64_t* words = <uint64_t*>payload_of(slot)
    cdef uint32_t k
    slot.sequence = position + 1
    slot.timestamp = <int64_t>key
    slot.session = <uint32_t>(key >> 7)
    slot.type = <unsigned short>(key >> 11)
    slot.length = <unsigned short>(key >> 23)
    slot.request = ~key
    for k in range((slot_bytes - SLOT_HEADER_BYTES) // 8):
        words[k] = key + k


cdef inline bint is_whole(Slot* slot, uint64_t position, uint32_t slot_bytes, uint64_t passed) noexcept nogil:
    cdef uint64_t key = mixed(position + 1)
    cdef uint64_t* words = <uint64_t*>payload_of(slot)
    cdef uint32_t k
    if (slot.sequence != position + 1 + passed or slot.timestamp != <int64_t>key or slot.session != <uint32_t>(key >> 7)
            or slot.type != <unsigned short>(key >> 11) or slot.length != <unsigned short>(key >> 23)
            or slot.request != ~key):
        return False
    for k in range((slot_bytes - SLOT_HEADER_BYTES) // 8):
        if words[k] != key + k:
            return False
    return True


def produce(Ring ring not None, uint64_t count, uint64_t claim=1):
    """Publishes `count` slots, at most `claim` at once, waiting for room; returns how often it found the ring full."""
    cdef uint64_t position = sequence_get(&ring.sequences[0])
    cdef uint64_t end = position + count
    cdef uint64_t run, k
    cdef uint64_t full = 0
    with nogil:
        while position < end:
            run = ring.free_run(False)
            if run == 0:
                full += 1
                if waiter_full(&ring.waiters[0]):
                    waiter_prepare(&ring.waiters[0])
                    if ring.free_run(False):
                        waiter_cancel(&ring.waiters[0])
                    else:
                        waiter_sleep(&ring.waiters[0], -1, -1)
                continue
            waiter_busy(&ring.waiters[0])
            if run > claim:
                run = claim
            if run > end - position:
                run = end - position
            for k in range(run):
                fill(ring.slot(position + k), position + k, ring.slot_bytes)
            position += run
            ring.advance(0, position)
    return full


def consume(Ring ring not None, int stage, uint64_t count, uint64_t most=1024):
    """Passes `count` slots as `stage` (from 1), at most `most` at once, checks every field and adds 1 to each sequence.

    Returns (positions that were not whole, largest run taken).
    """
    cdef uint64_t position = sequence_get(&ring.sequences[stage])
    cdef uint64_t end = position + count
    cdef uint64_t run, k
    cdef uint64_t wrong = 0
    cdef uint64_t largest = 0
    with nogil:
        while position < end:
            run = ring.available_run(stage, position, most)
            if run == 0:
                if waiter_idle(&ring.waiters[stage]):
                    waiter_prepare(&ring.waiters[stage])
                    if ring.available_run(stage, position, most):
                        waiter_cancel(&ring.waiters[stage])
                    else:
                        waiter_sleep(&ring.waiters[stage], -1, -1)
                continue
            waiter_busy(&ring.waiters[stage])
            if run > largest:
                largest = run
            for k in range(run):
                if not is_whole(ring.slot(position + k), position + k, ring.slot_bytes, stage - 1):
                    wrong += 1
                ring.slot(position + k).sequence += 1
            position += run
            ring.advance(stage, position)
    return wrong, largest


def claimable(Ring ring not None, bint control=False):
    """(slots free for the producer, how many of them follow each other in memory)."""
    return ring.free_slots(control), ring.free_run(control)


def damage(Ring ring not None, uint64_t position, uint32_t byte):
    """Flips one bit in a byte of a published slot, to prove that the checks see it."""
    (<char*>ring.slot(position))[byte] ^= 1


def publish_unwritten(Ring ring not None, uint64_t count):
    """Publishes slots with what an earlier round left in them, as a producer that loses its writes, to prove that the checks see it."""
    ring.advance(0, sequence_get(&ring.sequences[0]) + count)
