"""A fresh journal of each kind, for one run of a benchmark."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.broker import Broker


@dataclass
class FreshJournal:
    """`broker` is the one that was started for this run, if it was."""

    url: str
    directory: Path
    broker: Broker | None = None


@contextlib.contextmanager
def fresh(kind: str, keep: str | Path | None = None) -> Iterator[FreshJournal]:
    """A new journal of this kind (memory, embedded, kafka), and a directory beside it for snapshots and the socket.

    With `keep` both are left there (for Kafka the broker's own log, unless KAFKA_BOOTSTRAP names a broker).
    """
    with contextlib.ExitStack() as stack:
        if keep is not None:
            directory = Path(keep).resolve()
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise ValueError(f"--keep {directory}: there is something in it already, and the journal is to be a fresh one: name a new "
                                 "or an empty directory")
        else:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        if kind == "memory":
            yield FreshJournal("memory:", directory)
        elif kind == "embedded":
            yield FreshJournal(f"embedded://{directory}/journal", directory)
        else:
            topic = f"bench-{secrets.token_hex(4)}"
            given = os.environ.get("KAFKA_BOOTSTRAP")
            broker = None if given else stack.enter_context(Broker(directory / "broker" if keep else None))
            yield FreshJournal(f"kafka://{given or broker.bootstrap}/{topic}", directory, broker)
