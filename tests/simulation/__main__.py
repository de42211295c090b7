"""make simulate and make simulate-mutants; `python -m tests.simulation --seed 1234 --trace` shows one seed."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence

from tqdm import tqdm

from tests.simulation.leader import Leader
from tests.simulation.mutants import MUTANTS
from tests.simulation.seeds import ENOUGH_SEEDS, SEEDS_TO_FIND_A_MUTANT, missing, results
from tests.simulation.world import Result, simulate


def command(result: Result, mutant: str = "") -> str:
    return f"python -m tests.simulation --seed {result.seed} --trace{f' --mutant {mutant}' if mutant else ''}"


def run(seeds: range, workers: int, mutant: str = "") -> int:
    """All seeds, to the first violation; prints what was seen. Returns the exit code."""
    coverage: Counter[str] = Counter()
    for result in tqdm(results(seeds, workers, mutant), total=len(seeds), unit="seed", disable=None):
        if result.failure:
            print(f"seed {result.seed}: {result.failure}\nrepeat it with: {command(result, mutant)}")
            return 1
        coverage += result.coverage
    print(f"{len(seeds)} seeds, nothing violated; among them:")
    for name, times in sorted(coverage.items()):
        print(f"  {times:10,} {name.replace('-', ' ')}")
    never = missing(coverage)
    if never and len(seeds) >= ENOUGH_SEEDS:
        print(f"among {len(seeds)} seeds there was never: {', '.join(never)}. The simulation has stopped covering that")
        return 1
    return 0


def run_mutants(seeds: range, workers: int) -> int:
    """Every rule taken out once: 0 if each is found."""
    survivors = []
    for name, mutant in MUTANTS.items():
        found = next((result for result in results(seeds, workers, name) if result.failure), None)
        if found is None:
            survivors.append(name)
            print(f"{name}: NOT found within {len(seeds)} seeds ({(mutant.__doc__ or '').strip()})")
        else:
            print(f"{name}: found by seed {found.seed}: {found.failure}\n    {command(found, name)}")
    if survivors:
        print(f"nobody noticed that these rules were taken out: {', '.join(survivors)}")
        return 1
    print(f"each of the {len(MUTANTS)} rules was noticed when it was taken out")
    return 0


def show(seed: int, mutant: str, tracing: bool) -> int:
    result = simulate(seed, process=MUTANTS.get(mutant, Leader), tracing=tracing)
    for line in result.trace:
        print(line)
    print(f"seed {seed}: {result.failure or 'nothing violated'}")
    return 1 if result.failure else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS_TO_FIND_A_MUTANT, help="how many (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first one (default %(default)s)")
    workers = min(2, os.cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=workers, help="processes (default %(default)s)")
    parser.add_argument("--mutants", action="store_true", help="take every rule out once; fails unless each is found")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS], help="run with this rule taken out")
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--trace", action="store_true", help="with --seed: show what happens")
    chosen = parser.parse_args(arguments)
    if chosen.seeds < 1:
        parser.error(f"--seeds is 1 or more, not {chosen.seeds}")
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.seed is not None:
        return show(chosen.seed, chosen.mutant, chosen.trace)
    return run_mutants(seeds, chosen.workers) if chosen.mutants else run(seeds, chosen.workers, chosen.mutant)


if __name__ == "__main__":
    sys.exit(main())
