"""`python -m bench crash`: kill -9 at random moments while a workload runs, restart, the client goes on; nothing lost or doubled.

Moments are drawn over the whole workload. Three in five wait, from their moment on, until a block is handed to the journal and not yet
acknowledged (by the counter page), one in five until a child writes a snapshot (its temporary file is there).

What is counted is what is proven. A killed service leaves its page and the temporary file of its child, which dies with it: both are
read AFTER the kill. A killed broker leaves a service that goes on, and that has blocks in flight as soon as the broker is gone: there both
are read right BEFORE the kill.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from typing import Any

import numpy as np

from bench import journals
from bench.audit import audit
from bench.service_process import ServiceProcess
from bench.workload import ReportHasher, known_sha256, read_workload, to_slots
from processor.client import Client
from processor.client.frames import answered
from processor.counters import Counters

APPLICATION = "processor.apps.exchange:app"
SECONDS_A_KILL = 3.0
SMALL_PER_S = 50_000
FEW_KILLS = 3       # fewer than these need not meet a snapshot


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workload", required=True, metavar="FILE[.gz]")
    parser.add_argument("--through", required=True, choices=("embedded", "kafka"))
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--kill", choices=("service", "broker"), default="service")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--keep", metavar="DIR", help="leaves journal and snapshots there")


class Killer:
    """Kills at the drawn moments, restarts, and keeps count of what was going on."""

    def __init__(self, service: ServiceProcess, victim: Any, messages: int, kills: int, seed: int) -> None:
        self.service, self.victim = service, victim
        self.random = random.Random(seed)
        self.page = str(service.snapshots / "counters")
        moments = sorted(self.random.randrange(messages // 50, messages * 9 // 10) for _ in range(kills))
        kinds = ["snapshot" if k % 5 == 1 else "in flight" if k % 5 in (0, 2, 4) else "any" for k in range(kills)]
        self.plan = list(zip(moments, kinds, strict=True))
        self.kills = self.in_flight = self.in_snapshot = 0
        self.recoveries_s: list[float] = []
        self.error: BaseException | None = None

    def run(self, answered: Any, done: threading.Event) -> None:
        """The killer's thread; `answered()` tells how many messages were answered so far."""
        try:
            for moment, kind in self.plan:
                while answered() < moment and not done.wait(0.0005):
                    continue
                if done.is_set():
                    break
                self._await(kind, done)
                self._kill()
        except BaseException as error:
            self.error = error

    def _await(self, kind: str, done: threading.Event) -> None:
        """Polls until what `kind` names goes on; a snapshot, of which there are fewer, for at most 20 seconds, a block for 2."""
        deadline = time.monotonic() + (20 if kind == "snapshot" else 2)
        while kind != "any" and time.monotonic() < deadline and not done.is_set():
            if self._being_written() if kind == "snapshot" else self._caught_in_flight():
                return

    def _caught_in_flight(self) -> bool:
        """Whether a block is in flight; a service is stopped for the look, and stays so if it is: nothing changes before the kill."""
        process = self.service.process
        if self.victim is not self.service or process is None:
            page = Counters.read(self.page)
            return page["handed"] > page["durable"]
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        page = Counters.read(self.page)
        if page["handed"] > page["durable"]:
            return True
        process.send_signal(signal.SIGCONT)
        return False

    def _being_written(self) -> bool:
        """Whether a snapshot's temporary file is there: the service removes those of the dead when it starts."""
        return any(name.startswith(".") and name.endswith(".tmp") for name in os.listdir(self.service.snapshots))

    def _evidence(self) -> tuple[dict[str, int], bool]:
        """(counter page, whether a snapshot is half written by it and by the directory)."""
        page = Counters.read(self.page)
        return page, bool(page["snapshot_running"]) and self._being_written()

    def _kill(self) -> None:
        if self.victim is self.service:
            self.victim.kill()
            page, half_written = self._evidence()
        else:
            page, half_written = self._evidence()
            self.victim.kill()
        self.kills += 1
        self.in_flight += page["handed"] > page["durable"]
        self.in_snapshot += half_written
        started = time.monotonic()
        self.victim.start()
        self.recoveries_s.append(round(time.monotonic() - started, 3))
        child = "half written" if half_written else "running" if page["snapshot_running"] else "no"
        print(f"kill {self.kills} at sequence {page['applied']}: handed {page['handed']}, durable {page['durable']}, "
              f"snapshot {child}; back after {self.recoveries_s[-1]} s",
              file=sys.stderr)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.kill == "broker" and arguments.through != "kafka":
        raise ValueError("--kill broker goes with --through kafka")
    if arguments.kills < 1:
        raise ValueError(f"--kills is 1 or more, not {arguments.kills}")
    slots = to_slots(read_workload(arguments.workload))
    with journals.fresh(arguments.through, arguments.keep) as journal:
        address = f"unix:{journal.directory}/socket-{os.getpid()}"
        options = ("--snapshot-every", str(max(1, len(slots) // 40)), "--window", "8192")
        with ServiceProcess(APPLICATION, journal=journal.url, listen=address, snapshots=journal.directory / "snapshots",
                            options=options) as service:
            service.start()
            victim = service if arguments.kill == "service" else journal.broker
            killer = Killer(service, victim, len(slots), arguments.kills, arguments.seed)
            heard = Heard(len(slots), len(slots) / (arguments.kills * SECONDS_A_KILL))
            done = threading.Event()
            thread = threading.Thread(target=killer.run, args=(lambda: heard.answered, done))
            started = time.monotonic()
            with Client(address, timeout_s=120, reconnect_s=120) as client:
                thread.start()
                try:
                    client.stream(slots, heard, window=heard.window)
                finally:
                    done.set()
                    thread.join()
            seconds = time.monotonic() - started
            if killer.error is not None:
                raise killer.error
            code = service.stop()
            if code:
                raise RuntimeError(f"the service ended with exit code {code}: {service.lines[-3:]}")
        lost, doubled, events = audit(journal.url, heard.sequences)
    hasher = ReportHasher()
    for part in heard.frames:
        hasher.add(part)
    sha256 = hasher.hexdigest()
    known = known_sha256(arguments.workload)
    wrong = [
        text for text, holds in (
            (f"{lost} events lost", lost == 0),
            (f"{doubled} events doubled", doubled == 0),
            (f"only {killer.kills} of {arguments.kills} kills before the workload was over", killer.kills == arguments.kills),
            (f"only {killer.in_flight} of {killer.kills} kills in flight", killer.in_flight * 4 >= killer.kills),
            ("no kill in a snapshot", arguments.kill == "broker" or killer.in_snapshot >= 1 or arguments.kills < FEW_KILLS),
            (f"the report stream is wrong: expected sha256 {known}", known in (None, sha256)),
        ) if not holds
    ]
    return {
        "ok": not wrong, **({"error": "; ".join(wrong)} if wrong else {}),
        "kills": killer.kills, "kills_in_flight": killer.in_flight, "kills_in_snapshot": killer.in_snapshot,
        "events": events, "lost": lost, "doubled": doubled, "recoveries_s": killer.recoveries_s, "sha256": sha256,
        "messages": len(slots), "seconds": round(seconds, 3), "journal": journal.url, "kill": arguments.kill,
    }


class Heard:
    """What the client was answered: the frames, and the sequence that each request was answered for."""

    def __init__(self, messages: int, most_per_s: float) -> None:
        self.sequences = np.zeros(messages + 1, np.uint64)
        self.answered = 0
        self.frames: list[bytes] = []
        # A small workload would be over before it could be killed: it is fed more slowly, in smaller portions.
        self.slow = most_per_s < SMALL_PER_S
        self.window = max(1, min(8192, int(most_per_s / 100))) if self.slow else 8192
        self._most_per_s = most_per_s

    def __call__(self, frames: bytes) -> None:
        """Takes whole answers, in the order of their requests."""
        self.frames.append(frames)
        requests, sequences = answered(frames)
        self.sequences[requests] = sequences
        if len(requests):
            self.answered = int(requests[-1])
        if self.slow:
            time.sleep(len(requests) / self._most_per_s)
