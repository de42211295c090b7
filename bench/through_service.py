"""The published order flow through a whole service: its socket, a fresh journal, and a client in this process.

The clock runs from the first request to the last reply; making slots and hashing reports do not count.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench import journals
from bench.service_process import ServiceProcess
from bench.workload import ReportHasher, read_workload, to_slots
from processor.client import Client
from processor.snapshot.store import SnapshotStore

APPLICATION = "processor.apps.exchange:app"


def through_service(args: argparse.Namespace) -> dict[str, Any]:
    with journals.fresh(args.through, args.keep) as journal:
        return on_journal(args.workload, journal)


def on_journal(workload: Path, journal: journals.FreshJournal) -> dict[str, Any]:
    """The result of this workload through a service on a journal that is new."""
    slots = to_slots(read_workload(workload))
    socket = f"unix:{journal.directory}/socket-{os.getpid()}"
    service = ServiceProcess(APPLICATION, journal=journal.url, listen=socket, snapshots=journal.directory / "snapshots")
    with service:
        service.start()
        frames: list[bytes] = []
        with Client(socket, timeout_s=60) as client:
            started = time.perf_counter()
            client.stream(slots, frames.append)
            seconds = time.perf_counter() - started
        code = service.stop()
        if code:
            raise RuntimeError(f"the service ended with exit code {code}: {service.lines[-3:]}")
    print(f"{len(slots)} messages in {seconds:.3f} s; {service.lines[-1]}", file=sys.stderr)
    # The state as it was at the end: in the snapshot that the service took when it was stopped.
    newest = next(found for found in SnapshotStore(service.snapshots).files() if found.good)
    state_hash = newest.read().info.state_hash.hex()
    hasher = ReportHasher()
    for part in frames:
        hasher.add(part)
    return {
        "ok": True,
        "messages": len(slots),
        "seconds": round(seconds, 6),
        "messages_per_s": round(len(slots) / seconds) if seconds else 0,
        "sha256": hasher.hexdigest(),
        "journal": journal.url,
        "state_hash": state_hash,
    }
