"""Seeds in which nothing may be violated; `make simulate SEEDS=10000` runs many more of them."""

from collections import Counter

import pytest

from tests.simulation.__main__ import main
from tests.simulation.seeds import EXPECTED, SEEDS_TO_FIND_A_MUTANT, missing, results
from tests.simulation.world import World, simulate

SEEDS = 300
ELSEWHERE = 1_000_000             # not those that people run by hand


def test_nothing_is_violated_and_every_kind_of_fault_happens() -> None:
    coverage: Counter[str] = Counter()
    for result in results(range(ELSEWHERE, ELSEWHERE + SEEDS), workers=1):
        assert not result.failure, f"python -m tests.simulation --seed {result.seed} --trace: {result.failure}"
        coverage += result.coverage
    assert missing(coverage) == []
    assert coverage["answers"] > 10 * SEEDS


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_is_the_same_world(seed: int) -> None:
    first, again = (simulate(seed, tracing=True) for _ in range(2))
    assert len(first.trace) > 50
    assert first.trace == again.trace
    assert first.coverage == again.coverage
    assert first.trace != simulate(seed + 1, tracing=True).trace


def test_several_processes_run_the_seeds_as_one_does() -> None:
    alone, together = (list(results(range(40), workers)) for workers in (1, 2))
    assert [result.seed for result in together] == list(range(40))
    assert alone == together


def test_a_world_that_never_gets_quiet_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "connect", lambda self, client, process: Deaf())
    result = simulate(3)
    assert "still not quiet" in result.failure
    assert "client 0 for " in result.failure


class Deaf:
    """A connection on which nothing ever arrives."""

    number = 1
    open = True
    process = None

    def to_process(self, event: object) -> None:
        """Gone."""

    def lose(self) -> None:
        self.open = False


def test_a_kind_of_fault_that_never_happens_is_told() -> None:
    seen = Counter(dict.fromkeys(EXPECTED, 1))
    assert missing(seen) == []
    del seen["crashes"]
    assert missing(seen) == ["crashes"]


def test_a_failure_prints_the_command_that_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "20", "--workers", "1", "--mutant", "durability"]) == 1
    first = capsys.readouterr().out.splitlines()
    assert first[0].startswith("seed 0: ")
    assert first[1] == "repeat it with: python -m tests.simulation --seed 0 --trace --mutant durability"
    assert main(first[1].partition("tests.simulation ")[2].split()) == 1
    traced = capsys.readouterr().out.splitlines()
    assert traced[-1] == first[0]
    assert "starts" in traced[0]


def test_totals_are_printed_when_nothing_is_violated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "10", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("10 seeds, nothing violated; among them:\n")
    assert "answers" in out
    assert SEEDS_TO_FIND_A_MUTANT == 1000
