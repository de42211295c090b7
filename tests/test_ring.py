"""The ring: no slot is lost, torn or passed twice, whatever the stages, the strategy and the sizes of runs."""

import resource
import threading

import pytest

from processor.errors import WrongUse
from processor.ring.buffer import Ring
from processor.ring.exercise import claimable, consume, damage, produce, publish_unwritten


def run_stages(ring: Ring, count: int, claim: int, most: int) -> dict[int, tuple[int, int]]:
    results: dict[int, tuple[int, int]] = {}
    threads = [threading.Thread(target=produce, args=(ring, count, claim))]
    for stage in range(1, ring.stages):
        def follow(stage: int = stage) -> None:
            results[stage] = consume(ring, stage, count, most)
        threads.append(threading.Thread(target=follow))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("wait", ["block", "yield", "spin"])
@pytest.mark.parametrize("stages", [2, 3])
@pytest.mark.parametrize(("claim", "most"), [(1, 1), (7, 1024), (100, 3)])
def test_every_slot_passes_every_stage_once_and_whole(wait: str, stages: int, claim: int, most: int) -> None:
    count = 3_000 if wait == "spin" else 30_000
    ring = Ring(72, 256, reserved=8, stages=stages, wait=wait)
    results = run_stages(ring, count, claim, most)
    assert results == {stage: (0, results[stage][1]) for stage in range(1, stages)}
    assert all(largest <= most for _, largest in results.values())
    assert [ring.position(stage) for stage in range(stages)] == [count] * stages


@pytest.mark.parametrize("byte", range(72))
def test_the_checker_sees_a_change_of_any_byte_of_a_slot(byte: int) -> None:
    ring = Ring(72, 16, reserved=0, stages=2)
    produce(ring, 4)
    damage(ring, 2, byte)
    assert consume(ring, 1, 4)[0] == 1


@pytest.mark.parametrize("wait", ["block", "yield", "spin"])
def test_a_producer_that_finds_the_ring_full_goes_on_when_the_last_stage_has_passed(wait: str) -> None:
    ring = Ring(64, 8, reserved=2, stages=3, wait=wait)
    full: list[int] = []
    producer = threading.Thread(target=lambda: full.append(produce(ring, 100)))
    producer.start()
    # Every stage takes what there is, then waits for the one before it: nobody is ahead by more than the ring holds.
    while ring.position(0) < 6:
        continue
    assert [ring.position(stage) for stage in range(3)] == [6, 0, 0]
    assert consume(ring, 1, 6)[0] == 0
    assert ring.position(0) == 6                # free only behind the last stage
    followers = [threading.Thread(target=consume, args=(ring, stage, count)) for stage, count in ((2, 100), (1, 94))]
    for thread in followers:
        thread.start()
    for thread in [producer, *followers]:
        thread.join()
    assert [ring.position(stage) for stage in range(3)] == [100, 100, 100]
    assert full[0] > 0


def test_a_stage_that_blocks_sleeps_until_it_is_woken() -> None:
    ring = Ring(64, 8, reserved=0, stages=2, wait="block")
    slept: list[int] = []

    def follow() -> None:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        for _ in range(20):
            assert consume(ring, 1, 1)[0] == 0
        slept.append(resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before)

    thread = threading.Thread(target=follow)
    thread.start()
    for done in range(20):
        produce(ring, 1)
        while ring.position(1) <= done:
            continue
    thread.join()
    assert slept[0] > 0
    assert ring.position(1) == 20


def test_the_checker_sees_slots_that_were_lost() -> None:
    ring = Ring(64, 16, reserved=0, stages=3)
    produce(ring, 16)
    assert consume(ring, 1, 16)[0] == consume(ring, 2, 16)[0] == 0
    produce(ring, 5)
    publish_unwritten(ring, 3)
    produce(ring, 2)
    assert consume(ring, 1, 10)[0] == consume(ring, 2, 10)[0] == 3


def test_a_full_ring_keeps_the_reserved_slots_for_control_events() -> None:
    ring = Ring(64, 16, reserved=4, stages=2)
    produce(ring, 12)
    assert claimable(ring) == (0, 0)
    assert claimable(ring, control=True) == (4, 4)
    consume(ring, 1, 12)
    assert claimable(ring) == (12, 4)


def test_a_run_never_crosses_the_end_of_the_memory() -> None:
    ring = Ring(64, 16, reserved=0, stages=2)
    produce(ring, 10)
    consume(ring, 1, 10)
    assert claimable(ring) == (16, 6)
    produce(ring, 16, claim=16)
    assert consume(ring, 1, 16) == (0, 10)


def test_a_claim_that_is_not_published_does_not_wedge_the_ring() -> None:
    ring = Ring(64, 16, reserved=0, stages=2)
    for _ in range(100):
        free, _ = claimable(ring)        # looked at, and left alone
        assert free == 16
        produce(ring, 3)
        assert consume(ring, 1, 3)[0] == 0


@pytest.mark.parametrize(
    ("slot_bytes", "capacity", "options"),
    [(64, 100, {}), (64, 1, {}), (60, 16, {}), (32, 16, {}), (64, 16, {"reserved": 16}), (64, 64, {"wait": "sleep"}),
     (64, 64, {"stages": 1})],
)
def test_a_ring_that_cannot_be_is_refused(slot_bytes: int, capacity: int, options: dict[str, object]) -> None:
    with pytest.raises(WrongUse):
        Ring(slot_bytes, capacity, **{"reserved": 0, **options})
