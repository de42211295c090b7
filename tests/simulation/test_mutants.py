"""A rule that is taken out is missed: or the simulation would prove nothing of it."""

import pytest

from tests.simulation import __main__ as command
from tests.simulation.leader import Leader
from tests.simulation.mutants import MUTANTS
from tests.simulation.seeds import SEEDS_TO_FIND_A_MUTANT, results


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_taken_out_is_noticed(name: str) -> None:
    found = next((one for one in results(range(SEEDS_TO_FIND_A_MUTANT), 1, name) if one.failure), None)
    assert found is not None, f"nobody noticed that {name} was taken out"
    # The rule is all that is wrong with that seed.
    assert next(results([found.seed], 1)).failure == ""


def test_the_rules_that_the_design_names_are_among_them() -> None:
    assert list(MUTANTS)[:4] == ["validity", "read-back", "own-claim", "session-table"]


def test_a_mutant_that_survives_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MUTANTS", {"nothing": Leader, "durability": MUTANTS["durability"]})
    assert command.main(["--mutants", "--seeds", "10", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert "nothing: NOT found within 10 seeds" in out
    assert "durability: found by seed 0" in out
    assert out.endswith("nobody noticed that these rules were taken out: nothing\n")
