"""Proof that a journal and an application give one and the same state, however it is replayed.

Replays run in processes of their own (see proof.py): from the first event under two different PYTHONHASHSEEDs, and
from every snapshot kept on to the next one (from the last one to the end), whose state they must arrive at. Each
compares every recorded hash on its way. What differs is narrowed down to the first event behind which it shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from processor.errors import ProcessorError, SnapshotError, WrongUse
from processor.history.history import History
from processor.history.narrow import first_difference, narrow
from processor.history.walk import ends_of
from processor.journal.url import parse_url
from processor.recovery.recover import founding_claim
from processor.snapshot.layout import SnapshotInfo
from processor.snapshot.store import Found

SEEDS = ("1", "4242")
Marks = dict[int, dict[str, str]]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be; it shows first behind the event `sequence` (or at the record that should
    hold it).
    """

    sequence: int
    what: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        values = f": expected {self.expected}, found {self.found}" if self.expected or self.found else ""
        return f"sequence {self.sequence}: {self.what}{values}"


@dataclass
class Verdict:
    """What a verification has found; `findings` by rising sequence, empty when all replays are equal."""

    sequence: int = 0
    state_hash: str = ""
    claims: int = 0
    void: int = 0
    hashes: int = 0
    snapshots: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


@dataclass
class Proof:
    """What one replay has told: values by mark, and how it ended."""

    marks: Marks
    end: dict[str, Any]
    trouble: dict[str, Any] | None

    @property
    def last(self) -> int:
        return max(self.marks, default=0)


class Verification:
    """`application` is MODULE:APP, since the replays import it themselves; `history` names journal, snapshots and
    settings.
    """

    def __init__(self, application: str, history: History) -> None:
        if parse_url(history.journal.url).kind == "memory":
            raise WrongUse(
                f"{history.journal.url}: a memory journal cannot be read by other processes, which is how verify "
                "replays"
            )
        self.application, self.history = application, history

    def run(self, *, deep: bool = False) -> Verdict:
        """Raises ProcessorError when it could not be found out: no journal, another schema, a handler that raises in
        every replay.
        """
        verdict = Verdict()
        snapshots = self._snapshots(verdict)
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            marks = [one.info.sequence for one in snapshots if isinstance(one.info, SnapshotInfo)]
            first, second = pool.map(
                lambda seed: self._prove(seed, marks=marks, spread=True, strict=True, told=seed == SEEDS[0]), SEEDS
            )
            self._judge_first(verdict, first, second)
            verdict.sequence = first.last
            verdict.state_hash = first.marks.get(first.last, {}).get("state", "")
            list(pool.map(lambda pair: self._from_snapshot(verdict, first, *pair), self._stretches(snapshots, first)))
        if deep:
            self._tiers(verdict)
        verdict.findings.sort(key=lambda finding: finding.sequence)
        return verdict

    # ---- from the first event

    def _judge_first(self, verdict: Verdict, first: Proof, second: Proof) -> None:
        verdict.claims, verdict.void = first.end.get("claims", 0), first.end.get("void", 0)
        verdict.hashes = first.end.get("hashes", 0)
        for proof in (first, second):
            trouble = proof.trouble
            if trouble is not None and trouble["trouble"] == "journal":
                verdict.findings.append(Finding(trouble["sequence"], f"the journal is damaged: {trouble['text']}"))
                break
        parted = first_difference(first.marks, second.marks)
        if parted is not None:
            low, high = parted
            at, values = narrow(
                low,
                high,
                lambda marks: self._both(*(partial(self._prove, seed, marks=marks, end=marks[-1]) for seed in SEEDS)),
            )
            expected, found = values or (first.marks[high], second.marks[high])
            verdict.findings.append(
                Finding(
                    at,
                    "two replays of the same events differ (PYTHONHASHSEED "
                    f"{SEEDS[0]} and {SEEDS[1]}): a handler is not deterministic (random numbers, a clock, the "
                    "order of a set?)",
                    _text(expected),
                    _text(found),
                )
            )
        raised = [proof.trouble for proof in (first, second) if proof.trouble and proof.trouble["trouble"] == "raised"]
        if raised and parted is None:
            if len(raised) == 2 and raised[0]["sequence"] == raised[1]["sequence"] and not verdict.findings:
                raise ProcessorError(f"could not be verified: {raised[0]['text']}")
            verdict.findings.append(
                Finding(
                    raised[0]["sequence"], f"one replay is stopped by a handler, another is not: {raised[0]['text']}"
                )
            )
        for proof in (first, second):
            trouble = proof.trouble
            if trouble is not None and trouble["trouble"] == "recorded":
                verdict.findings.append(
                    Finding(
                        trouble["sequence"],
                        "the journal recorded another state hash than replaying it gives",
                        trouble["expected"],
                        trouble["found"],
                    )
                )
                break

    # ---- from snapshots

    def _snapshots(self, verdict: Verdict) -> list[Found]:
        """Those that are good, oldest first; the others are findings."""
        store, journal = self.history.store, self.history.journal
        if store is None:
            verdict.notes.append("no --snapshots were given: none were looked at")
            return []
        first, end = ends_of(journal)
        founded = founding_claim(self.history.app, journal, first, end)
        journal_id = founded.journal_id if founded else 0
        good = []
        for found in reversed(store.files()):
            if found.error is not None:
                verdict.findings.append(Finding(found.sequence, f"the snapshot cannot be used: {found.error}"))
                continue
            assert isinstance(found.info, SnapshotInfo)
            meta = found.info.meta
            if meta.journal_id != journal_id:
                raise SnapshotError(
                    f"{found.path} is a snapshot of journal {meta.journal_id:016x}, this one is "
                    f"{journal_id:016x}: name the "
                    "directory of its own snapshots"
                )
            if meta.position > end:
                verdict.findings.append(
                    Finding(
                        found.sequence,
                        f"the journal ends at offset {end}, before the position of {found.path.name}: events are "
                        "missing",
                        str(meta.position),
                        str(end),
                    )
                )
                continue
            good.append(found)
        verdict.snapshots = len(good)
        return good

    @staticmethod
    def _stretches(snapshots: list[Found], first: Proof) -> list[tuple[Found, int]]:
        """Each snapshot with the sequence to which it is replayed: the next one's, or the end."""
        behind = [*(found.sequence for found in snapshots[1:]), first.last]
        return [(found, end) for found, end in zip(snapshots, behind, strict=False) if found.sequence <= first.last]

    def _from_snapshot(self, verdict: Verdict, first: Proof, found: Found, end: int) -> None:
        info = found.info
        assert isinstance(info, SnapshotInfo)
        replayed = first.marks.get(info.sequence)
        if replayed is not None and replayed["state"] != info.state_hash.hex():
            verdict.findings.append(
                Finding(
                    info.sequence,
                    f"{found.path.name} holds another state than replaying the journal gives",
                    replayed["state"],
                    info.state_hash.hex(),
                )
            )
            return
        if replayed is not None and replayed["sessions"] != f"{info.sessions_hash:016x}":
            verdict.findings.append(
                Finding(
                    info.sequence,
                    f"{found.path.name} holds another session table than replaying the journal gives",
                    replayed["sessions"],
                    f"{info.sessions_hash:016x}",
                )
            )
            return
        proof = self._prove(
            SEEDS[0],
            marks=[mark for mark in first.marks if info.sequence < mark <= end],
            end=end,
            strict=True,
            snapshot=str(found.path),
        )
        if proof.trouble is not None:
            trouble = {"sequence": info.sequence, **proof.trouble}
            if not any(finding.sequence == trouble["sequence"] for finding in verdict.findings):
                verdict.findings.append(
                    Finding(
                        trouble["sequence"],
                        f"replaying from {found.path.name}: {trouble['text']}",
                        trouble.get("expected", ""),
                        trouble.get("found", ""),
                    )
                )
            return
        low = info.sequence
        for mark in sorted(proof.marks.keys() & first.marks.keys()):
            if _state(proof.marks[mark]) != _state(first.marks[mark]):
                self._parted_from_snapshot(verdict, found, low, mark)
                return
            low = mark

    def _parted_from_snapshot(self, verdict: Verdict, found: Found, low: int, high: int) -> None:
        def both(marks: list[int]) -> tuple[Marks, Marks]:
            whole, part = self._both(
                *(
                    partial(self._prove, SEEDS[0], marks=marks, end=marks[-1], snapshot=path)
                    for path in (None, str(found.path))
                )
            )
            return {mark: _state(one) for mark, one in whole.items()}, {mark: _state(one) for mark, one in part.items()}

        at, values = narrow(low, high, both)
        expected, got = values or ({}, {})
        verdict.findings.append(
            Finding(
                at,
                f"replaying from {found.path.name} gives another state than replaying from the first event: a "
                "handler uses "
                "something that is not in the state",
                _text(expected),
                _text(got),
            )
        )

    # ---- handler tiers

    def _tiers(self, verdict: Verdict) -> None:
        """Every tier that an event has a handler of, against each other: so far an event has one."""
        verdict.notes.append(
            "--deep: each event of this application has a handler of one tier; there is nothing to compare"
        )

    # ---- processes

    @staticmethod
    def _both(one: Callable[[], Proof], other: Callable[[], Proof]) -> tuple[Marks, Marks]:
        """What two replays tell at their marks, run beside each other."""
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda run: run(), (one, other))
        return first.marks, second.marks

    def _prove(
        self,
        seed: str,
        *,
        marks: list[int],
        end: int | None = None,
        spread: bool = False,
        strict: bool = False,
        snapshot: str | None = None,
        told: bool = False,
    ) -> Proof:
        """One replay in a child; raises ProcessorError when it cannot be run."""
        history = self.history
        job = {
            "app": self.application,
            "journal": history.journal.url,
            "config": asdict(history.config),
            "path": sys.path,
            "snapshots": str(history.store.directory) if history.store is not None else None,
            "snapshot": snapshot,
            "marks": marks,
            "spread": spread,
            "end": end,
            "strict": strict,
        }
        proof = Proof({}, {}, None)
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        with subprocess.Popen(
            [sys.executable, "-m", "processor.history.proof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        ) as child:
            assert child.stdin is not None and child.stdout is not None
            try:
                child.stdin.write(json.dumps(job))
                child.stdin.close()
                for text in child.stdout:
                    self._take(proof, json.loads(text), told)
            except BaseException:
                child.kill()
                raise
        if not proof.end and proof.trouble is None:
            raise ProcessorError(
                f"a replay of {self.application} ended with exit code {child.returncode} before it was done"
            )
        return proof

    def _take(self, proof: Proof, line: dict[str, Any], told: bool) -> None:
        if "error" in line:
            raise ProcessorError(f"could not be verified: {line['error']}")
        if "progress" in line:
            if told and self.history.progress is not None:
                self.history.progress(*line["progress"])
        elif "mark" in line:
            proof.marks[line["mark"]] = {key: line[key] for key in ("state", "sessions", "outputs")}
        elif "trouble" in line:
            proof.trouble = line
        else:
            proof.end = line


def _state(values: dict[str, str]) -> dict[str, str]:
    """Without the digest of the outputs, which depends on where a replay began."""
    return {key: values[key] for key in ("state", "sessions")}


def _text(values: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
