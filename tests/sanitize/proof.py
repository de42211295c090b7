"""Breaks the ring on purpose and expects the sanitizers to say so: else, that they are silent would mean nothing.

Each mutant is a small copy of the ring with one change, run in the sanitised tree in place of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.sanitize.run import environment, found_by, start_clean
from tests.sanitize.tree import ROOT, CannotBuild, Tree, run

# With "yield" nothing but the two sequences orders the slots; one that sleeps is woken through a fence of its own.
THREADS = """
import threading
from processor.ring.buffer import Ring
from processor.ring.exercise import consume, produce
ring = Ring(64, 64, reserved=0, stages=2, wait="yield")
works = (produce, (ring, 20_000, 7)), (consume, (ring, 1, 20_000))
threads = [threading.Thread(target=work, args=arguments) for work, arguments in works]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
CONTROL = """
from processor.ring.buffer import Ring
from processor.ring.control import ControlQueue
queue = ControlQueue(Ring(64, 64, reserved=0, stages=2), 4)
for number in range(20):
    assert queue.put(0xFF03, bytes([number, 1]))
    assert queue.drain_now() == 1
"""
RELEASE = "__atomic_store_n(&s->value, v, __ATOMIC_RELEASE)"
ACQUIRE = "__atomic_load_n(&s->value, __ATOMIC_ACQUIRE)"


@dataclass(frozen=True)
class Mutant:
    """One change: `old` becomes `new` in `file`; `program` shows it, and the report must contain `expected`."""

    name: str
    sanitizer: str
    modules: tuple[str, ...]
    file: str
    old: str
    new: str
    program: str
    expected: str


MUTANTS = (
    Mutant("a sequence stored without release", "thread", ("buffer", "exercise"), "processor/ring/sequence.pxd",
           RELEASE, RELEASE.replace("RELEASE", "RELAXED"), THREADS, "data race"),
    Mutant("a sequence stored as a plain number", "thread", ("buffer", "exercise"), "processor/ring/sequence.pxd",
           RELEASE, "(void)(s->value = v)", THREADS, "data race"),
    Mutant("a sequence loaded without acquire", "thread", ("buffer", "exercise"), "processor/ring/sequence.pxd",
           ACQUIRE, ACQUIRE.replace("ACQUIRE", "RELAXED"), THREADS, "data race"),
    Mutant("a control queue one place too small", "address", ("buffer", "control"), "ext/ring/control.pyx",
           "calloc(capacity, sizeof", "calloc(capacity - 1, sizeof", CONTROL, "heap-buffer-overflow"),
)


def prove(trees: dict[str, Tree], mutants: tuple[Mutant, ...] = MUTANTS) -> list[str]:
    """What the sanitizers have missed, one line each: mutants without a report, and reports without a mutant."""
    missed = []
    for sanitizer, program in {mutant.sanitizer: mutant.program for mutant in mutants}.items():
        code, said = outcome(trees[sanitizer], program)
        if code or said:
            missed.append(f"the {sanitizer} sanitizer reports the ring as it is (exit code {code}):\n{said}")
    for number, mutant in enumerate(mutants):
        tree = trees[mutant.sanitizer]
        directory = tree.root / "mutants" / str(number)
        build(mutant, tree, directory)
        code, said = outcome(tree, mutant.program, directory)
        if code == 0 or mutant.expected not in said:
            missed.append(f"{mutant.name}: expected a report of a {mutant.expected}, found exit code {code}:\n{said}")
        else:
            print(f"found: {mutant.name}", flush=True)
    return missed


def build(mutant: Mutant, tree: Tree, directory: Path) -> None:
    """The tree's ring with the one change, compiled in `directory`; raises CannotBuild."""
    shutil.rmtree(directory, ignore_errors=True)
    # All other modules are the tree's own: importing the package takes some of them.
    skipped = shutil.ignore_patterns("__pycache__", *(f"{module}.*.so" for module in mutant.modules))
    shutil.copytree(tree.root / "processor", directory / "processor", ignore=skipped)
    (directory / "ext" / "ring").mkdir(parents=True)
    for module in mutant.modules:
        shutil.copy2(ROOT / "ext" / "ring" / f"{module}.pyx", directory / "ext" / "ring")
    shutil.copy2(ROOT / "setup.py", directory)
    changed = directory / mutant.file
    text = changed.read_text()
    if text.count(mutant.old) != 1:
        raise CannotBuild(f"{mutant.file} does not have {mutant.old!r} exactly once: adapt {__file__}")
    changed.write_text(text.replace(mutant.old, mutant.new))
    made = {**os.environ, "PROCESSOR_SANITIZE": mutant.sanitizer, "PROCESSOR_BUILD_DIR": str(directory / "c")}
    run([sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--parallel", "2"], cwd=directory, env=made)


def outcome(tree: Tree, program: str, directory: Path | None = None) -> tuple[int, str]:
    """(exit code, what was reported) of a program in the tree, with the modules in `directory` before its own."""
    start_clean(tree)
    where = directory or tree.root
    shown = f"import processor.ring.buffer as ring\nassert ring.__file__.startswith({str(where)!r}), ring.__file__\n"
    made = {**environment(tree), "PYTHONPATH": str(where)}
    ended = subprocess.run(
        [tree.python, "-c", shown + program], cwd=where, env=made, capture_output=True, text=True, timeout=300
    )
    reports = "".join(report.read_text(errors="replace") for report in found_by(tree))
    return ended.returncode, (reports or ended.stderr)[:5000]
