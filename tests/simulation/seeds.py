"""Many seeds, on several processes, in order; and what has to have happened among them."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.leader import Leader
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import Result, simulate

SEEDS_A_TASK = 25                 # few enough that a worker does not go far past the seed that was looked for

# What has to have happened somewhere among enough seeds: else the simulation has stopped simulating it.
EXPECTED = (
    "answers", "bytes-of-the-dead", "claims-again", "connections-lost", "crashes", "deposed", "evicted", "outputs-gone",
    "pauses", "repeats-answered", "replies-lost", "slow-logs", "snapshots", "snapshots-skipped", "snapshots-torn",
    "snapshots-used", "snapshots-used-mid-block", "snapshots-while-another-starts", "state-hashes-compared",
    "stray-records", "successors", "unknown-offsets-read-back", "void-blocks", "woken-beside-a-successor",
)  # fmt: skip
ENOUGH_SEEDS = 200
SEEDS_TO_FIND_A_MUTANT = 1000


def run_seed(mutant: str, seed: int) -> Result:
    return simulate(seed, process=MUTANTS.get(mutant, Leader))


def results(seeds: Sequence[int], workers: int, mutant: str = "") -> Iterator[Result]:
    """In the order of the seeds, whatever the number of workers."""
    if workers == 1:
        yield from map(partial(run_seed, mutant), seeds)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(partial(run_seed, mutant), seeds, chunksize=SEEDS_A_TASK)
    finally:
        pool.shutdown(cancel_futures=True)


def missing(coverage: Counter[str]) -> list[str]:
    """What was expected to happen and never did."""
    return [name for name in EXPECTED if not coverage[name]]


