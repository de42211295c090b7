"""The output queue against a plain list: nothing is lost, doubled, torn or seen too early, wherever its memory wraps.

Two threads over one that is much too small: tests/gateway/test_back_pressure.py and tests/test_output_room.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.errors import WrongUse
from processor.outputs.queue import BIND, TO_CONNECTION, TO_SESSION, OutputQueue

CAPACITY = 4096
MOST = CAPACITY // 2 - 16  # bytes of the longest parcel
Parcel = tuple[int, int, bytes]


def joined(parcels: list[Parcel]) -> list[Parcel]:
    """Runs of parcels to one session as one: how frames are cut into parcels is the queue's own business."""
    out: list[Parcel] = []
    for kind, target, frames in parcels:
        if out and kind == TO_SESSION and out[-1][:2] == (kind, target):
            out[-1] = (kind, target, out[-1][2] + frames)
        else:
            out.append((kind, target, frames))
    return out


def take_all(queue: OutputQueue) -> list[Parcel]:
    return list(iter(queue.take, None))


kinds = st.sampled_from([TO_SESSION, TO_SESSION, TO_SESSION, TO_CONNECTION, BIND])
sizes = st.one_of(st.integers(1, 20), st.integers(1, MOST // 8)).map(lambda words: 8 * words)
puts = st.tuples(st.just("put"), kinds, st.integers(1, 3), sizes)
steps = st.lists(
    st.one_of(puts, puts, puts, st.just(("flush",)), st.tuples(st.just("take"), st.integers(1, 5))), max_size=80
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_what_is_taken_is_what_was_put_and_flushed_in_its_order(steps: list[tuple]) -> None:
    queue = OutputQueue(CAPACITY)
    put: list[Parcel] = []
    flushed = 0  # of what was put
    taken: list[Parcel] = []
    for number, step in enumerate(steps):
        if step[0] == "put":
            _, kind, target, size = step
            frames = bytes([number % 256]) * size
            if queue.put(kind, target, frames, flush=False):
                put.append((kind, target, frames))
            else:
                # In the way can only be what is in it (a header and padding for each parcel), and the end of the
                # memory that one parcel did not fit before.
                in_it = sum(len(p[2]) + 32 for p in put) - sum(len(p[2]) for p in taken)
                assert in_it + (size + 32) + max([size, *(len(p[2]) for p in put)]) + 32 > CAPACITY
        elif step[0] == "flush":
            queue.publish()
            flushed = len(put)
        else:
            for _ in range(step[1]):
                parcel = queue.take()
                if parcel is None:
                    assert joined(taken) == joined(put[:flushed])
                    break
                taken.append(parcel)
        seen = b"".join(frames for _, _, frames in taken)
        assert b"".join(frames for _, _, frames in put[:flushed]).startswith(seen)
    queue.publish()
    assert joined(taken + take_all(queue)) == joined(put)
    assert queue.put(TO_CONNECTION, 1, bytes(MOST)), "an empty queue takes the longest parcel wherever it stands"


@pytest.mark.parametrize("size", [8, 16, 24, 1000, MOST - 8, MOST])
def test_parcels_of_one_size_go_round_and_round(size: int) -> None:
    queue = OutputQueue(CAPACITY)
    for number in range(3 * CAPACITY // 8):
        frames = number.to_bytes(2, "little") * (size // 2)
        assert queue.put(TO_CONNECTION, number, frames)
        assert queue.take() == (TO_CONNECTION, number, frames)
    assert queue.take() is None


def test_frames_for_one_session_share_a_parcel_until_they_are_flushed() -> None:
    queue = OutputQueue(CAPACITY)
    for kind, target, flush in [
        (TO_SESSION, 1, False),
        (TO_SESSION, 1, True),
        (TO_SESSION, 1, False),
        (TO_SESSION, 2, False),
        (BIND, 2, False),
        (BIND, 2, True),
    ]:
        assert queue.put(kind, target, b"12345678", flush=flush)
    assert take_all(queue) == [
        (TO_SESSION, 1, b"12345678" * 2),
        (TO_SESSION, 1, b"12345678"),
        (TO_SESSION, 2, b"12345678"),
        (BIND, 2, b"12345678"),
        (BIND, 2, b"12345678"),
    ]


def test_a_full_queue_says_so_and_has_room_again_behind_what_is_taken() -> None:
    queue = OutputQueue(CAPACITY)
    count = 0
    while queue.put(TO_CONNECTION, count, b"x" * 48):
        count += 1
    assert count == CAPACITY // 64
    assert not queue.put(TO_CONNECTION, count, b"x" * 8)
    assert queue.take() == (TO_CONNECTION, 0, b"x" * 48)
    assert queue.put(TO_CONNECTION, count, b"x" * 48)
    assert [target for _, target, _ in take_all(queue)] == list(range(1, count + 1))


@pytest.mark.parametrize("size", [0, 7, 12, MOST + 8])
def test_a_parcel_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(WrongUse, match=f"multiple of 8 bytes, at most {MOST}, not {size}"):
        OutputQueue(CAPACITY).put(TO_SESSION, 1, bytes(size))


@pytest.mark.parametrize("capacity", [0, 2048, 5000])
def test_a_queue_that_cannot_be_is_refused(capacity: int) -> None:
    with pytest.raises(WrongUse, match=f"power of two of bytes, at least 4096, not {capacity}"):
        OutputQueue(capacity)
