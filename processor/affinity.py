"""Which processors the threads of a service may run on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping

from processor.errors import WrongUse

STAGES = ("gateway", "journaler", "logic")


def parse_affinity(items: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """STAGE=CPU[,CPU...] texts as a mapping; raises WrongUse for others."""
    found: dict[str, tuple[int, ...]] = {}
    for item in items:
        stage, equals, numbers = item.partition("=")
        cpus = numbers.split(",")
        if not equals or not all(number.isdigit() for number in cpus):
            raise WrongUse(f"an affinity is STAGE=CPU[,CPU...], for example logic=1, not {item!r}")
        found[stage] = tuple(int(number) for number in cpus)
    check_affinity(found)
    return found


def check_affinity(affinity: Mapping[str, tuple[int, ...]]) -> None:
    """Raises WrongUse for a stage that has no thread, or for processors that this process may not use."""
    allowed = os.sched_getaffinity(0)
    for stage, cpus in affinity.items():
        if stage not in STAGES:
            raise WrongUse(f"an affinity is for one of {', '.join(STAGES)}, not for {stage!r}")
        if not cpus or not set(cpus) <= allowed:
            raise WrongUse(f"the affinity of the {stage} is {list(cpus)}; this process may use {sorted(allowed)}")


def settle(cpus: tuple[int, ...] | None) -> None:
    """Binds the calling thread; None leaves it where the system puts it."""
    if cpus is not None:
        os.sched_setaffinity(threading.get_native_id(), cpus)
