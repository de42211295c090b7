"""The Kafka journal's topic: found or made, and refused where it would lose events.

Through confluent-kafka's admin client.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined,unused-ignore]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from processor.errors import JournalError, WrongUse
from processor.journal.kafka import KafkaJournal, check_settings
from processor.journal.url import parse_url

REPLICAS = 3
ANSWER_S = 10.0
PARTITIONS_MADE_MAX = 1_024      # a topic with more is made by hand: it is more likely a typing error

NO_SUCH_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


def open_kafka(
    url: str, *, write: bool = False, create: bool = True, settings: Mapping[str, str] | None = None,
    allow_finite_retention: bool = False, timeout_s: float = ANSWER_S,
) -> KafkaJournal:
    """The partition as a journal. Its `warnings` say what can be lost by how the topic is kept.

    Raises JournalError when the broker does not answer within timeout_s, when the topic (with create=False) or
    partition is not there, when it has several partitions and none was named, or keeps its records only for a while;
    WrongUse for the URL and for settings that cannot be.
    """
    named = parse_url(url)
    bootstrap, topic, partition = named.hosts, named.topic, named.partition
    chosen = {name: str(value) for name, value in (settings or {}).items()}
    check_settings(chosen)
    topics = Topics(bootstrap, url, timeout_s, chosen)
    count = topics.partitions(topic)
    if count is None:
        if not (create and write):
            raise JournalError(f"{url}: there is no topic {topic!r} at {bootstrap}; a service makes it when it starts")
        if (partition or 0) >= PARTITIONS_MADE_MAX:
            raise JournalError(
                f"{url}: there is no topic {topic!r}, and one with {(partition or 0) + 1} partitions "
                f"is not made unasked: make it by hand, or name a partition below {PARTITIONS_MADE_MAX}"
            )
        topics.create(topic, (partition or 0) + 1)
        count = topics.partitions(topic) or 0
    if partition is None and count > 1:
        raise JournalError(
            f"{url}: the topic has {count} partitions and the URL names none: one partition is one "
            f"processor's journal, so say which: {url}{'&' if '?' in url else '?'}partition=0"
        )
    number = partition or 0
    if number >= count:
        raise JournalError(f"{url}: the topic has {count} partitions, numbered from 0; there is no partition {number}")
    kept = topics.settings(topic)
    _refuse_what_forgets(url, topic, bootstrap, kept, allow_finite_retention)
    warnings = _weak_points(topic, kept, topics.replicas(topic, number))
    return KafkaJournal(url, bootstrap, topic, number, write=write, settings=chosen, warnings=warnings,
                        topic_bytes_max=int(kept["max.message.bytes"]))


def _refuse_what_forgets(url: str, topic: str, bootstrap: str, kept: Mapping[str, str], allowed: bool) -> None:
    if "compact" in kept["cleanup.policy"]:
        raise JournalError(
            f"{url}: the topic is compacted (cleanup.policy={kept['cleanup.policy']}), which drops events: set "
            f"cleanup.policy=delete, or name another topic"
        )
    finite = [f"{name}={kept[name]}" for name in ("retention.ms", "retention.bytes") if kept[name] != "-1"]
    if finite and not allowed:
        raise JournalError(
            f"{url}: the topic keeps its records only for a while ({', '.join(finite)}), a journal "
            f"keeps them for ever: alter it (kafka-configs --bootstrap-server {bootstrap} --alter "
            f"--entity-type topics --entity-name {topic} --add-config retention.ms=-1,retention.bytes=-1), "
            f"or accept it with --allow-finite-retention"
        )


def _weak_points(topic: str, kept: Mapping[str, str], replicas: int) -> list[str]:
    found = []
    if replicas < REPLICAS:
        found.append(f"topic {topic} has {replicas} replica{'s' * (replicas > 1)}: acknowledged "
                     f"events are lost with the broker's disk")
    if int(kept["min.insync.replicas"]) < 2:
        found.append(f"topic {topic} has min.insync.replicas={kept['min.insync.replicas']}: an event "
                     f"can be acknowledged by one broker alone, and be lost with it")
    if kept["unclean.leader.election.enable"] == "true":
        found.append(f"topic {topic} allows unclean leader election: a replica that lags may win and drop acknowledged "
                     f"events")
    return found


class Topics:
    """The few questions and orders that concern one topic; every one bounded in time."""

    def __init__(self, bootstrap: str, url: str, timeout_s: float, settings: Mapping[str, str]) -> None:
        # Without the last setting a mere question for a topic makes one, on brokers as they come out of the box.
        options: dict[str, Any] = {"logger": Silent(), **settings, "bootstrap.servers": bootstrap,
                                   "allow.auto.create.topics": "false"}
        try:
            self._admin = AdminClient(options)
        except KafkaException as error:
            raise WrongUse(f"{url}: librdkafka does not take these settings: {error.args[0].str()}") from error
        self._url, self._bootstrap, self._timeout_s = url, bootstrap, timeout_s

    def _metadata(self, topic: str) -> Any:
        try:
            return self._admin.list_topics(topic, timeout=self._timeout_s)
        except KafkaException as error:
            raise JournalError(
                f"{self._url}: no broker answers at {self._bootstrap} within {self._timeout_s:g} s "
                f"({error.args[0].str()}): start it, or correct the address"
            ) from error

    def partitions(self, topic: str) -> int | None:
        """How many it has; None: there is no such topic."""
        found = self._metadata(topic).topics.get(topic)
        if found is None or (found.error is not None and found.error.code() in NO_SUCH_TOPIC):
            return None
        if found.error is not None:
            raise JournalError(f"{self._url}: the broker does not tell of the topic: {found.error.str()}")
        return len(found.partitions)

    def _led_partitions(self, topic: str) -> int:
        found = self._metadata(topic).topics.get(topic)
        return sum(one.leader >= 0 for one in found.partitions.values()) if found is not None else 0

    def replicas(self, topic: str, partition: int) -> int:
        return len(self._metadata(topic).topics[topic].partitions[partition].replicas)

    def create(self, topic: str, partitions: int) -> None:
        """With unlimited retention and no compaction, on as many brokers as there are, up to three."""
        replicas = min(REPLICAS, len(self._metadata(topic).brokers))
        config = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete",
                  "max.message.bytes": "2000000", "min.insync.replicas": str(max(1, replicas - 1)),
                  "message.timestamp.type": "CreateTime"}
        future = self._admin.create_topics([NewTopic(topic, partitions, replicas, config=config)])[topic]
        try:
            future.result(self._timeout_s)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise JournalError(f"{self._url}: cannot create the topic: {error.args[0].str()}") from error
        deadline = time.monotonic() + self._timeout_s
        while self._led_partitions(topic) < partitions:
            time.sleep(0.02)
            if time.monotonic() > deadline:
                raise JournalError(
                    f"{self._url}: the topic was made, but no broker leads it after "
                    f"{self._timeout_s:g} s: look at the cluster"
                )

    def settings(self, topic: str) -> dict[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        try:
            found = self._admin.describe_configs([resource])[resource].result(self._timeout_s)
        except KafkaException as error:
            raise JournalError(
                f"{self._url}: the broker does not tell how the topic is kept: {error.args[0].str()}"
            ) from error
        return {name: str(entry.value) for name, entry in found.items()}


class Silent:
    """Takes what librdkafka would write to stderr; failures come back as errors."""

    def log(self, *arguments: Any, **options: Any) -> None:
        return None
