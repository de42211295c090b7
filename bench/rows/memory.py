"""Payments through the Unix socket, journaled in memory, every one answered; and lone requests."""

from __future__ import annotations

from bench.ours import Service
from bench.peers.aeron import Aeron
from bench.rows.streams_and_lone import works_called
from bench.suite import Goal, Row

AERON = (Aeron("udp", 0), Aeron("ipc", 0))

ROW = Row(
    "memory",
    "64-byte events through a socket with a memory journal, and lone requests, against Aeron Cluster without sync",
    works_called("memory"),
    lambda context: [Service("memory"), *AERON],
    goals=[
        Goal("memory", AERON[0].name, least=2),
        Goal("memory", AERON[1].name, least=1),
        Goal("memory, lone: p50", AERON[0].name, most=1),
        Goal("memory, lone: p50", AERON[1].name, most=1),
    ],
)
