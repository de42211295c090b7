"""A journal replayed from its first event, from Kafka and from segment files, against other replays."""

from __future__ import annotations

from collections.abc import Sequence

from bench.context import Context
from bench.peers.replays import AeronReplay, BareFetch, EventSourcingRebuild, OurReplay, expected
from bench.suite import Figure, Goal, Row, Work

EVENTS = 5_000_000


def works(context: Context) -> Sequence[Work]:
    events = context.size(EVENTS, EVENTS // 20)
    figures = {"events": Figure("events/s")}
    return [
        Work("replay, kafka", figures, expected(events), {"events": events, "kafka": True}, near_one=True),
        Work("replay, embedded", figures, expected(events), {"events": events, "kafka": False}),
    ]


ROW = Row(
    "replay",
    "a journal replayed from its first event, against a bare fetch and other replays",
    works,
    lambda context: [OurReplay(), BareFetch(), AeronReplay(), EventSourcingRebuild()],
    goals=[Goal("replay, kafka", BareFetch.name, least=0.8), Goal("replay, embedded", "Aeron Cluster replay", least=2)],
)
