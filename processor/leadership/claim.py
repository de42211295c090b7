"""The claim: the record that a starter appends to become the writer.

Its header is all that validity needs; its JSON is for checks before anything is applied, and for people: the schema
whole, the application, the session settings, who wrote it, where and when.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from processor.config import Config
from processor.errors import CorruptJournal, SchemaMismatch, SettingsMismatch
from processor.layout import BLOCK_HEADER
from processor.schema import Message, Schema

BLOCK_MAGIC = 0x4B4C4250
BLOCK_VERSION = 1
BLOCK_SLOTS = 1
BLOCK_CLAIM = 2


@dataclass(frozen=True)
class SessionSettings:
    """Most requests in flight, bytes of stored outputs of one session, sessions at once (see Config).

    They decide what is answered and who is evicted, so a journal gives the same state only with the same ones.
    """

    window: int
    kept_bytes_max: int
    sessions_max: int

    @classmethod
    def of(cls, config: Config) -> SessionSettings:
        return cls(config.window, config.kept_bytes_max, config.sessions_max)


@dataclass(frozen=True)
class Claim:
    """What a claim says. `journal_id` equals `writer` in the one that founded the journal.

    `sessions` is None where the writer had no sessions to settle: an import, or software from before they were written.
    """

    writer: int
    journal_id: int
    application: str
    version: str
    schema: Schema
    host: str
    pid: int
    time_ns: int
    sessions: SessionSettings | None = None


def new_writer() -> int:
    """A random 64-bit writer id, never 0; a new one for every claim, also for one that is claimed again."""
    return secrets.randbits(64) or new_writer()


def build_claim(
    writer: int,
    journal_id: int,
    schema: Schema,
    version: str,
    *,
    sessions: SessionSettings | None = None,
    host: str | None = None,
    pid: int | None = None,
    time_ns: int | None = None,
) -> tuple[bytes, bytes]:
    """The claim as (64 bytes of header, JSON). `journal_id` 0 or `writer`: it founds the journal."""
    journal_id = journal_id or writer
    text: dict[str, Any] = {
        "writer": f"{writer:016x}",
        "journal_id": f"{journal_id:016x}",
        "application": schema.application,
        "version": version,
        "schema": schema.text,
        "host": socket.gethostname() if host is None else host,
        "pid": os.getpid() if pid is None else pid,
        "time_ns": time.time_ns() if time_ns is None else time_ns,
    }
    if sessions is not None:
        text["sessions"] = asdict(sessions)
    data = json.dumps(text, separators=(",", ":")).encode()
    header = np.zeros((), BLOCK_HEADER)
    header["magic"], header["version"], header["kind"] = BLOCK_MAGIC, BLOCK_VERSION, BLOCK_CLAIM
    header["epoch_offset"], header["epoch_writer"], header["first_sequence"] = -1, writer, journal_id
    header["slot_bytes"], header["fingerprint"] = schema.slot_bytes, schema.fingerprint
    header["data_bytes"] = len(data)
    return header.tobytes(), data


def parse_claim(header: bytes, data: bytes, where: str = "this record") -> Claim:
    """What the claim says. Raises CorruptJournal, naming `where`, when header and JSON are no claim or disagree."""
    if len(header) != BLOCK_HEADER.itemsize:
        raise CorruptJournal(f"{where}: a claim's header has {BLOCK_HEADER.itemsize} bytes, found {len(header)}")
    head = np.frombuffer(header, BLOCK_HEADER)[0]
    if head["magic"] != BLOCK_MAGIC or head["kind"] != BLOCK_CLAIM:
        raise CorruptJournal(
            f"{where}: expected a claim, found magic {int(head['magic']):#x}, kind {int(head['kind'])}"
        )
    if head["version"] != BLOCK_VERSION:
        raise CorruptJournal(
            f"{where}: a claim of format {int(head['version'])}, this software reads {BLOCK_VERSION}: use a newer one"
        )
    try:
        value = json.loads(data)
        claim = Claim(
            writer=int(value["writer"], 16),
            journal_id=int(value["journal_id"], 16),
            application=str(value["application"]),
            version=str(value["version"]),
            schema=Schema.parse(value["schema"]),
            host=str(value["host"]),
            pid=int(value["pid"]),
            time_ns=int(value["time_ns"]),
            sessions=_parse_sessions(value.get("sessions")),
        )
    except (ValueError, KeyError, TypeError, SchemaMismatch) as error:
        raise CorruptJournal(f"{where}: the claim's text cannot be read ({error!r})") from error
    for name, said, stands in (
        ("writer", claim.writer, int(head["epoch_writer"])),
        ("journal id", claim.journal_id, int(head["first_sequence"])),
        ("schema", claim.schema.fingerprint, int(head["fingerprint"])),
    ):
        if said != stands:
            raise CorruptJournal(f"{where}: the claim's header has {name} {stands:016x}, its text {said:016x}")
    return claim


def _parse_sessions(value: Any) -> SessionSettings | None:
    if value is None:
        return None
    return SessionSettings(*(int(value[key]) for key in ("window", "kept_bytes_max", "sessions_max")))


def check_sessions(journaled: SessionSettings | None, ours: SessionSettings, where: str) -> None:
    """Raises SettingsMismatch, naming each difference, unless what stands at `where` was written with our settings."""
    if journaled is None or journaled == ours:
        return
    theirs, mine = asdict(journaled), asdict(ours)
    changed = [key for key in theirs if theirs[key] != mine[key]]
    found = "; ".join(f"{key} is {theirs[key]} there, {mine[key]} here" for key in changed)
    start = " and ".join(
        f"--window {theirs[key]}" if key == "window" else f"Config({key}={theirs[key]})" for key in changed
    )
    raise SettingsMismatch(
        f"{where} was written with other session settings, which are part of what the state becomes: {found}. "
        f"Start with {start}, or name a new journal"
    )


def check_schema(journaled: Schema, ours: Schema, where: str) -> None:
    """Raises SchemaMismatch, naming each difference, unless the journal at `where` speaks this application's schema."""
    if journaled.text == ours.text:
        return
    if journaled.application != ours.application:
        raise SchemaMismatch(
            f"{where} belongs to the application {journaled.application!r}, this is {ours.application!r}: "
            "name the right journal, or run the right application"
        )
    found = [
        *_differences("event", journaled.events, ours.events),
        *_differences("output", journaled.outputs, ours.outputs),
    ]
    raise SchemaMismatch(
        f"{where} was written with another schema of {ours.application!r}: {'; '.join(found)}. "
        "Run the version of the application that wrote it, or name a new journal"
    )


def _differences(what: str, theirs: Mapping[int, Message], ours: Mapping[int, Message]) -> list[str]:
    found = []
    for number in sorted(theirs.keys() | ours.keys()):
        old, new = theirs.get(number), ours.get(number)
        if new is None and old is not None:
            found.append(f"{what} {old.name} (number {number}) is missing here")
        elif old is None and new is not None:
            found.append(f"{what} {new.name} (number {number}) is not in the journal's")
        elif old is not None and new is not None:
            found.extend(_changes(f"{what} {old.name} (number {number})", old, new))
    return found


def _changes(what: str, old: Message, new: Message) -> list[str]:
    if old.name != new.name:
        return [f"{what} is called {new.name} here"]
    theirs, ours = ({key: kind.code for key, kind in message.fields.items()} for message in (old, new))
    if list(theirs.items()) == list(ours.items()):
        return []
    found = []
    for key in dict.fromkeys([*theirs, *ours]):
        if key not in ours:
            found.append(f"{what}: field {key} ({theirs[key]}) is missing here")
        elif key not in theirs:
            found.append(f"{what}: field {key} ({ours[key]}) is not in the journal's")
        elif theirs[key] != ours[key]:
            found.append(f"{what}: field {key} is {theirs[key]} in the journal, {ours[key]} here")
    return found or [
        f"{what}: the fields stand in another order: {', '.join(theirs)} in the journal, {', '.join(ours)} here"
    ]
