"""Runs tests in a sanitised tree and finds out what any process of the run has reported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.sanitize.tree import ROOT, CannotBuild, Tree

# What runs threads, handles memory of its own, or forks. A name that is not there is passed over;
# nothing at all is an error.
SELECTED = (
    "ring", "test_ring.py", "test_control.py",
    "journal", "test_journaler.py",
    "gateway", "outputs", "test_output_queue.py",
    "client", "test_wire.py",
    "snapshot", "test_snapshot_taker.py", "test_snapshot_cli.py",
    "logic", "test_sessions.py", "test_recovery_plan.py",
    "test_whole_service.py",
)
LONGEST_S = 1200
HANGS_S = 240

# Every process writes what it found into a file of its own, since nobody may look at its exit code or stderr (a forked
# child, a killed service, a test that captures output). exitcode is for people who run the tree's python by hand.
# handle_segv=0: a test crashes a child by SIGSEGV and expects to see that signal; a real one still kills the run.
COMMON = "exitcode=66:handle_segv=0:handle_abort=0:log_path={reports}/report"
OPTIONS = {
    # history_size: how far back the stack of the other access is remembered; the default soon forgets it.
    "thread": f"{COMMON}:halt_on_error=0:history_size=4:suppressions={{root}}/tests/sanitize/thread.supp",
    # detect_leaks=0: the interpreter, NumPy and pytest leave thousands of objects behind at exit, and a leak of ours
    # comes through their frames as well, so that it could not be told from theirs.
    "address": f"{COMMON}:detect_leaks=0:detect_stack_use_after_return=1:strict_string_checks=1",
}


def environment(tree: Tree) -> dict[str, str]:
    """The environment of the tree's python."""
    options = OPTIONS[tree.sanitizer].format(reports=tree.reports, root=tree.root)
    made = {**os.environ, f"{'TSAN' if tree.sanitizer == 'thread' else 'ASAN'}_OPTIONS": options,
            "PROCESSOR_SANITIZED": tree.sanitizer,
            "PROCESSOR_KAFKA_JARS": os.environ.get("PROCESSOR_KAFKA_JARS", str(ROOT / ".kafka" / "jars")),
            "PYTHONFAULTHANDLER": "1"}
    if tree.sanitizer == "address":
        # Every object of the interpreter's in a block of its own: running over the end of a bytes object is seen too.
        made["PYTHONMALLOC"] = "malloc"
    made.pop("PYTHONPATH", None)
    return made


def selection() -> list[str]:
    """The selected paths that exist, relative to the tree; raises CannotBuild when there are none."""
    found = [f"tests/{name}" for name in SELECTED if (ROOT / "tests" / name).exists()]
    if not found:
        raise CannotBuild(f"none of the selected tests exists under {ROOT / 'tests'}: see SELECTED in {__file__}")
    return found


def found_by(tree: Tree) -> list[Path]:
    """The reports that the processes of this tree have left."""
    return sorted(tree.reports.glob("report.*"))


def start_clean(tree: Tree) -> None:
    """No reports of earlier runs; and the runtime starts here, which is tried by hand to be able to say why not."""
    shutil.rmtree(tree.reports, ignore_errors=True)
    tree.reports.mkdir()
    tried = subprocess.run([tree.python, "-c", "pass"], env=environment(tree), capture_output=True, text=True)
    if tried.returncode:
        said = (tried.stderr + "".join(report.read_text() for report in found_by(tree)))[-2000:]
        if "unexpected memory mapping" in said:
            said += ("\nmappings are spread too widely, and the container refuses personality(ADDR_NO_RANDOMIZE): "
                     "permit it, or set vm.mmap_rnd_bits to 28 on the host")
        raise CannotBuild(f"the {tree.sanitizer} sanitizer does not start (exit code {tried.returncode}):\n{said}")


def run_tests(tree: Tree, tests: list[str]) -> bool:
    """pytest with these arguments in the tree; False when a test failed or any process has left a report."""
    started = time.monotonic()
    start_clean(tree)
    print(f"{tree.sanitizer} sanitizer: running {' '.join(tests)}", flush=True)
    command = [str(tree.python), "-m", "pytest", "-q", "-p", "tests.sanitize.plugin"]
    command += ["-o", f"faulthandler_timeout={HANGS_S}", *tests]
    try:
        code = subprocess.run(command, cwd=tree.root, env=environment(tree), timeout=LONGEST_S).returncode
    except subprocess.TimeoutExpired:
        print(f"sanitize: not done within {LONGEST_S} s", file=sys.stderr)
        code = 1
    reports = found_by(tree)
    for report in reports:
        print(f"---- {report}\n{report.read_text(errors='replace')[:20_000]}")
    print(f"{tree.sanitizer} sanitizer: pytest's exit code {code}, {len(reports)} processes with reports, "
          f"{time.monotonic() - started:.0f} s", flush=True)
    return code == 0 and not reports
