"""Edits of a journal's events, as a file of JSON lines: {"op": "replace"|"remove"|"insert", "sequence": N, "event":
{...}}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processor.errors import WrongUse
from processor.schema import Message, Schema

OPERATIONS = ("replace", "remove", "insert")
FORM = (
    'an edit is {"op": "replace"|"remove"|"insert", "sequence": N, "event": {"type": NAME, FIELD: VALUE, ...}} '
    '(insert: before N; '
    "a replacement may leave out the type, and fields that stay; a removal has no event)"
)


@dataclass(frozen=True)
class Edit:
    """`message` None in a replacement: of the type that stands there. `fields` of a replacement may be some of them."""

    op: str
    sequence: int
    message: Message | None = None
    fields: dict[str, Any] | None = None


def read_edits(path: str | Path, schema: Schema) -> list[Edit]:
    """The edits of a file, by sequence; raises WrongUse, naming the line, for anything that is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path}: the edits cannot be read: {error}") from error
    values = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                values.append((f"{path}, line {number}", json.loads(line)))
            except ValueError as error:
                raise WrongUse(f"{path}, line {number}: this is no JSON ({error}); {FORM}") from None
    return edits_of(values, schema)


def edits_of(values: Iterable[tuple[str, Any]], schema: Schema) -> list[Edit]:
    """The same of values that were read already, each with the place to name in an error."""
    found: list[Edit] = []
    changed: set[int] = set()
    for where, value in values:
        edit = _edit(where, value, schema)
        if edit.op != "insert":
            if edit.sequence in changed:
                raise WrongUse(f"{where}: sequence {edit.sequence} is replaced or removed twice")
            changed.add(edit.sequence)
        found.append(edit)
    if not found:
        raise WrongUse("there is no edit: " + FORM)
    return sorted(found, key=lambda edit: edit.sequence)


def _edit(where: str, value: Any, schema: Schema) -> Edit:
    if not isinstance(value, dict) or value.get("op") not in OPERATIONS:
        raise WrongUse(f"{where}: {FORM}")
    op, sequence, event = value["op"], value.get("sequence"), value.get("event")
    if isinstance(sequence, bool) or not isinstance(sequence, int) or sequence < 1:
        raise WrongUse(f"{where}: `sequence` is a whole number from 1 on, not {sequence!r}")
    if op == "remove":
        return Edit(op, sequence)
    if not isinstance(event, dict):
        raise WrongUse(f"{where}: `event` is missing; {FORM}")
    fields = dict(event)
    name = value.get("type")
    if name is None and "type" in fields:
        name = fields.pop("type")
    if name is not None and name not in schema.event_names:
        raise WrongUse(f"{where}: {schema.application} has no event {name!r}; it has {', '.join(schema.event_names)}")
    message = schema.event_names[name] if name is not None else None
    if op == "insert":
        if message is None:
            raise WrongUse(f"{where}: an inserted event needs its `type`; {FORM}")
        try:
            message.pack(fields)
        except (WrongUse, TypeError, ValueError) as error:
            raise WrongUse(f"{where}: {error}") from error
    elif message is not None:
        unknown = fields.keys() - message.fields.keys()
        if unknown:
            raise WrongUse(
                f"{where}: {message.name} has no field {sorted(unknown)[0]!r}; it has {', '.join(message.fields)}"
            )
    return Edit(op, sequence, message, fields)
