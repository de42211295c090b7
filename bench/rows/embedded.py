"""Payments through the Unix socket, journaled in synced segment files, every one answered; and lone requests."""

from __future__ import annotations

from bench.ours import Service
from bench.peers.aeron import Aeron
from bench.peers.event_sourcing import EventSourcing
from bench.peers.fdatasync import Fdatasync
from bench.rows.streams_and_lone import works_called
from bench.suite import Goal, Row

AERON = (Aeron("udp", 1), Aeron("ipc", 1))

ROW = Row(
    "embedded",
    "events through a socket with a synced embedded journal, and lone requests, against Aeron Cluster",
    works_called("embedded"),
    lambda context: [Service("embedded"), Fdatasync(), *AERON, EventSourcing()],
    goals=[Goal("embedded", AERON[0].name, least=3), Goal("embedded, lone: p50", Fdatasync.name, most=2)],
)
