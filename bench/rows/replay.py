"""A journal replayed from its first event, from Kafka and from segment files, against other replays."""

from __future__ import annotations

from collections.abc import Sequence

from bench.context import Context
from bench.peers.replays import AeronReplay, BareFetch, EventSourcingRebuild, OurReplay, expected
from bench.suite import Figure, Goal, Row, Work

EVENTS = 5_000_000
TIERS = ("native", "numpy", "python")


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 20)
    return [
        Work(
            case_name(kafka, tier),
            {"events": Figure("events/s")},
            expected(events),
            {"events": events, "kafka": kafka, "tier": tier},
            near_one=kafka and tier == "native",
        )
        for kafka in (True, False)
        for tier in TIERS
    ]


def case_name(kafka: bool, tier: str) -> str:
    return f"replay, {'kafka' if kafka else 'embedded'}, {tier}"


ROW = Row(
    "replay",
    "a journal replayed from its first event, against a bare fetch and other replays",
    works,
    lambda context: [OurReplay(), BareFetch(), AeronReplay(), EventSourcingRebuild()],
    goals=[
        Goal(case_name(True, "native"), BareFetch.name, least=0.8),
        Goal(case_name(False, "native"), "Aeron Cluster replay", least=2),
    ],
)
