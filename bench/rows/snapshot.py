"""Snapshots of a table of 1 GiB: what they cost those served meanwhile, and how fast they are written and loaded.

Under load events come at a fixed rate, each for an account anywhere in the table, so that nearly every page that a
snapshot's child still has to write is copied for it. The same load without snapshots is the measure.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import payments, tables
from bench.context import Context
from bench.ours import FRAME
from bench.rows.latency import check_rate, percentiles, punctual
from bench.service_process import ServiceProcess
from bench.suite import Contestant, Figure, Goal, Measurement, Row, Work, WrongResult
from processor.client import Client
from processor.counters import Counters
from processor.snapshot.layout import SnapshotMeta
from processor.snapshot.store import SnapshotStore

TABLE_BYTES, RATE, SECONDS, SNAPSHOTS = 1 << 30, 200_000, 20, 10
QUICK = {"bytes": 64 << 20, "rate": 50_000, "seconds": 3}
UNDER_LOAD, ALONE = "snapshot, under load", "snapshot, alone"
PIECE_BYTES = 1 << 20


def works(context: Context) -> Sequence[Work]:
    size = context.size(TABLE_BYTES, QUICK["bytes"])
    rate, seconds = context.size(RATE, QUICK["rate"]), context.size(SECONDS, QUICK["seconds"])
    load = {"bytes": size, "rate": rate, "events": rate * seconds, "warm_up": rate}
    return [
        Work(
            UNDER_LOAD,
            {"p99.9": Figure("ms", "lower"), "longest pause": Figure("ms", "lower")},
            result_text(tables.spread(load["warm_up"] + load["events"], size // 8)),
            load,
        ),
        Work(ALONE, {"written": Figure("MB/s"), "loaded": Figure("MB/s")}, f"{size} bytes whole", {"bytes": size}),
    ]


def result_text(events: payments.Array) -> str:
    """What these events come to: their outputs, and a sum in which each balance has its place's weight."""
    return outputs_text(payments.running_balances(events))


def outputs_text(balances: payments.Array) -> str:
    weights = np.arange(1, len(balances) + 1)
    return f"{len(balances)} outputs, weighted sum {int((weights * balances).sum(dtype=np.int64)) % 2**64:016x}"


class Loaded(Contestant):
    """A service on Kafka with the table, and one client with an open loop."""

    def __init__(self, name: str, kind: str, snapshots: int) -> None:
        self.name, self.kind, self._snapshots = name, kind, snapshots

    def set_up(self, context: Context) -> None:
        super().set_up(context)
        context.bootstrap()

    def takes(self, work: Work) -> bool:
        return work.name == UNDER_LOAD

    def configuration(self) -> str:
        often = f"a snapshot each 1/{self._snapshots} of the events" if self._snapshots else "no snapshots"
        return f"bench.tables:app, kafka journal, wait strategy block, {often}"

    def run(self, work: Work) -> Measurement:
        asked = work.parameters
        slots = tables.spread(asked["warm_up"] + asked["events"], asked["bytes"] // 8)
        every = asked["events"] // self._snapshots if self._snapshots else 0
        with (
            tempfile.TemporaryDirectory(dir=self.context.scratch) as directory,
            self.context.topic(**{"retention.ms": "-1", "retention.bytes": "-1"}) as topic,
            ServiceProcess(
                "bench.tables:app",
                journal=f"kafka://{self.context.bootstrap()}/{topic}",
                listen=f"unix:{directory}/socket",
                snapshots=f"{directory}/snapshots",
                options=("--snapshot-every", str(every)),
                environment={tables.TABLE_BYTES: str(asked["bytes"])},
            ) as service,
            Client(service.start().listen, timeout_s=60) as client,
            punctual(),
        ):
            frames: list[bytes] = []
            client.stream(slots[: asked["warm_up"]], frames.append)
            before = Counters.read(f"{directory}/snapshots/counters")["snapshots"]
            took, answers = client.trips(slots[asked["warm_up"] :], rate=asked["rate"])
            taken = Counters.read(f"{directory}/snapshots/counters")["snapshots"] - before
            frames.append(answers)
        check_rate(self.name, work, (asked["events"] - 1) / asked["rate"] + float(took[-1]) * 1e-9)
        if (taken > 0) != (self._snapshots > 0):
            raise WrongResult(f"{self.name}: {taken} snapshots were written while it was measured")
        self.context.log(f"{self.name}: {taken} snapshots were written while it was measured")
        found = percentiles(took, {"p99.9": work.figures["p99.9"]})["p99.9"]
        values = {"p99.9": found / 1000, "longest pause": float(took.max()) / 1e6}
        return Measurement(values, outputs_text(np.frombuffer(b"".join(frames), FRAME)["output"]["balance"]))


class Alone(Contestant):
    """The snapshot's own code, without a service: state to file, synced; and, its pages dropped, file to state."""

    name = "processor"
    kind = "ours"

    def takes(self, work: Work) -> bool:
        return work.name == ALONE

    def configuration(self) -> str:
        return "SnapshotStore.write and Found.read with load_state; checksum, hash and sync included"

    def run(self, work: Work) -> Measurement:
        size = work.parameters["bytes"]
        state = tables.Bank(np.arange(size // 8))
        with tempfile.TemporaryDirectory(dir=self.context.scratch) as directory:
            store = SnapshotStore(directory)
            store.open()
            start = time.perf_counter()
            store.write(meta(), state, b"")
            written = time.perf_counter() - start
            found = store.files()[0]
            drop(found.path)
            start = time.perf_counter()
            loaded = found.read().load_state(tables.Bank)
            read = time.perf_counter() - start
            whole = np.array_equal(loaded.balances, state.balances)
        return Measurement(megabytes_a_second(size, written, read), f"{size} bytes {'whole' if whole else 'damaged'}")


class PlainFile(Contestant):
    """The disk's sequential speed: the same bytes written and synced, and read."""

    name = "plain file"
    kind = "limit"

    def takes(self, work: Work) -> bool:
        return work.name == ALONE

    def configuration(self) -> str:
        return f"write in pieces of {PIECE_BYTES} bytes and fsync; its pages dropped; read in one call"

    def run(self, work: Work) -> Measurement:
        size = work.parameters["bytes"]
        data = np.arange(size // 8).view(np.uint8)
        with tempfile.TemporaryDirectory(dir=self.context.scratch) as directory:
            path = Path(directory, "file")
            start = time.perf_counter()
            with path.open("wb", buffering=0) as file:
                for first in range(0, size, PIECE_BYTES):
                    file.write(data[first : first + PIECE_BYTES])
                os.fsync(file.fileno())
            written = time.perf_counter() - start
            drop(path)
            start = time.perf_counter()
            room = np.empty(size, np.uint8)
            with path.open("rb", buffering=0) as file:
                count = file.readinto(room.data)
            read = time.perf_counter() - start
            whole = count == size and np.array_equal(room, data)
        return Measurement(megabytes_a_second(size, written, read), f"{size} bytes {'whole' if whole else 'damaged'}")


def megabytes_a_second(size: int, written_s: float, loaded_s: float) -> Mapping[str, float]:
    return {"written": size / written_s / 1e6, "loaded": size / loaded_s / 1e6}


def drop(path: Path) -> None:
    """Has the kernel forget the pages of a file that is synced, so that they come from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def meta() -> SnapshotMeta:
    """A header for a snapshot of no journal."""
    nothing: dict[str, Any] = dict.fromkeys(("position", "epoch_offset", "epoch_writer", "last_block_offset"), 0)
    return SnapshotMeta(
        application=tables.app.name,
        application_version=tables.app.version,
        fingerprint=tables.app.schema.fingerprint,
        schema=tables.app.schema.text,
        journal_id=1,
        journal_url="memory:",
        partition=0,
        next_sequence=1,
        last_block_checksum=0,
        timestamp=0,
        created=time.time_ns(),
        **nothing,
    )


WITHOUT = "without snapshots"

ROW = Row(
    "snapshot",
    "1 GiB of NumPy tables under events at a fixed rate, with and without snapshots; written and loaded alone",
    works,
    lambda context: [Loaded("processor", "ours", SNAPSHOTS), Loaded(WITHOUT, "limit", 0), Alone(), PlainFile()],
    goals=[
        Goal(f"{UNDER_LOAD}: p99.9", None, most=20),
        Goal(f"{UNDER_LOAD}: longest pause", None, most=100),
        Goal(f"{ALONE}: written", PlainFile.name, least=0.5),
        Goal(f"{ALONE}: loaded", PlainFile.name, least=0.5),
    ],
)
