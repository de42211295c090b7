"""`make sanitize`: builds sanitised trees, runs the selected tests there, proves that what is broken would be seen.

    python -m tests.sanitize [thread] [address] [proof]     all three by default
    python -m tests.sanitize thread -- tests/test_ring.py   pytest's arguments in place of the selection

Exit codes: 0 nothing found, 1 a test failed or something was reported, 2 wrong use, 3 cannot build or start.
"""

from __future__ import annotations

import sys
import time

from tests.sanitize.proof import prove
from tests.sanitize.run import run_tests, selection
from tests.sanitize.tree import ROOT, RUNTIMES, CannotBuild, Tree, make_tree

STEPS = (*RUNTIMES, "proof")


def main(arguments: list[str]) -> int:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    steps, tests = arguments[:cut] or list(STEPS), arguments[cut + 1:]
    if not set(steps) <= set(STEPS):
        print(__doc__, file=sys.stderr)
        return 2
    trees: dict[str, Tree] = {}
    clean = True
    try:
        tests = tests or selection()
        for sanitizer in RUNTIMES:
            if sanitizer in steps or "proof" in steps:
                started = time.monotonic()
                trees[sanitizer] = make_tree(sanitizer, ROOT / "build" / "sanitize" / sanitizer)
                print(f"{sanitizer} sanitizer: built in {time.monotonic() - started:.0f} s", flush=True)
            if sanitizer in steps:
                clean &= run_tests(trees[sanitizer], tests)
        if "proof" in steps:
            missed = prove(trees)
            print("\n".join(missed) or "the sanitizers find what is broken on purpose")
            clean &= not missed
    except CannotBuild as error:
        print(f"sanitize: {error}", file=sys.stderr)
        return 3
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
