"""A journal's name: FORMS below are all there are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from processor.errors import WrongUse

FORMS = (
    "kafka://host:port[,host:port]/topic[?partition=N], embedded:///absolute/path (or embedded:path), "
    "or memory: (or memory:NAME)"
)
OPTIONS = {"kafka": {"partition"}, "embedded": {"segment_bytes"}, "memory": {"keep"}}
HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
NUMBER_MAX = {"partition": 2**31 - 1, "segment_bytes": 2**32, "keep": 1}
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True)
class JournalUrl:
    """What a URL names: `kind` is kafka, embedded or memory; the other fields are those of the kind."""

    text: str
    kind: str
    hosts: str = ""                 # kafka: host:port[,host:port]
    topic: str = ""
    partition: int | None = None    # kafka; None: not named
    path: Path = field(default_factory=Path)
    segment_bytes: int | None = None
    name: str = ""                  # memory
    keep: bool = True


def parse_url(text: str) -> JournalUrl:
    """Raises WrongUse, with the three forms, for anything else."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in OPTIONS:
        raise _wrong(text, "it begins with none of kafka://, embedded: and memory:")
    rest, _, query = rest.partition("?")
    options = _options(text, kind, query)
    if kind == "kafka":
        hosts, slash, topic = rest.removeprefix("//").partition("/")
        if not rest.startswith("//") or not slash or not all(_is_host(part) for part in hosts.split(",")):
            raise _wrong(text, "host:port is missing")
        if not TOPIC.fullmatch(topic) or topic in (".", ".."):
            raise _wrong(text, f"{topic!r} is no topic's name (letters, digits, . _ -)")
        return JournalUrl(text, kind, hosts=hosts, topic=topic, partition=options.get("partition"))
    if kind == "embedded":
        if rest.startswith("//"):
            if not rest.startswith("///"):
                raise _wrong(text, "a path behind // is absolute: it begins with a third /")
            rest = rest[2:]
        if not rest or "\0" in rest:
            raise _wrong(text, "the path is missing" if not rest else "a path holds no zero byte")
        return JournalUrl(text, kind, path=Path(rest), segment_bytes=options.get("segment_bytes"))
    if "/" in rest:
        raise _wrong(text, "a memory journal's name holds no /")
    return JournalUrl(text, kind, name=rest, keep=bool(options.get("keep", 1)))


def _options(text: str, kind: str, query: str) -> dict[str, int]:
    options = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in OPTIONS[kind]:
            raise _wrong(text, f"{kind} knows no {key!r}, only {', '.join(sorted(OPTIONS[kind]))}")
        if not value.isascii() or not value.isdigit():
            raise _wrong(text, f"{key} is a whole number, not {value!r}")
        if len(value) > 12 or int(value) > NUMBER_MAX[key]:
            raise _wrong(text, f"{key}={value} is too large")
        if key in options:
            raise _wrong(text, f"{key} is named twice")
        options[key] = int(value)
    return options


def _is_host(text: str) -> bool:
    match = HOST.fullmatch(text)
    return match is not None and 0 < int(match[2]) < 65_536


def _wrong(text: str, why: str) -> WrongUse:
    return WrongUse(f"{text!r} names no journal: {why}. A journal is {FORMS}")
