"""The published order flow through the exchange: its handlers alone, or a whole service with a journal."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

from bench.workload import ReportHasher, known_sha256, read_workload, to_slots

BATCH_EVENTS = 4096


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workload", metavar="FILE[.gz]", required=True, type=Path, help="a published workload file")
    parser.add_argument(
        "--through",
        choices=("logic", "memory", "embedded", "kafka"),
        default="logic",
        help="the handlers alone, or the whole service on a fresh journal of this kind (default: logic)",
    )
    parser.add_argument("--keep", metavar="DIR", type=Path, help="leave journal and snapshots there")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.through == "logic":
        if args.keep is not None:
            raise ValueError("--keep leaves a journal and snapshots: there are none with --through logic")
        result = through_logic(args.workload)
    else:
        from bench.through_service import through_service

        result = through_service(args)
    wanted = known_sha256(args.workload)
    result["ok"] = wanted is None or result["sha256"] == wanted
    if not result["ok"]:
        result["error"] = f"the report stream is wrong: expected sha256 {wanted}"
    return result


def through_logic(workload: Path) -> dict[str, Any]:
    """The handlers alone, on one core: slots in, reply frames out, in batches as the service hands them over.

    The clock runs while handlers run; reading the file, making slots and hashing reports do not count.
    """
    from processor.apps.exchange import app
    from processor.logic.bare import Bare

    slots = to_slots(read_workload(workload))
    flat = slots.reshape(-1)
    bare = Bare(app)
    hasher = ReportHasher()
    step = BATCH_EVENTS * bare.slot_bytes
    seconds = 0.0
    for first in range(0, len(flat), step):
        batch = flat[first : first + step]
        start = time.perf_counter()
        bare.run(batch)
        seconds += time.perf_counter() - start
        hasher.add(bare.frames())
    print(f"{len(slots)} messages in {seconds:.3f} s", file=sys.stderr)
    return {
        "ok": True,
        "messages": len(slots),
        "seconds": round(seconds, 6),
        "messages_per_s": round(len(slots) / seconds) if seconds else 0,
        "sha256": hasher.hexdigest(),
        "journal": None,
        "state_hash": hashlib.blake2b(bare.state.export(), digest_size=16).hexdigest(),
    }
