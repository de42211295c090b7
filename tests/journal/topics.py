"""Topics as people make them: with other settings than a journal's, and with records that are none of ours."""

from __future__ import annotations

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType


def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "allow.auto.create.topics": "false"})


def make(bootstrap: str, topic: str, partitions: int = 1, **settings: str) -> None:
    """A topic; `retention_ms="-1"` and the like are its settings, on top of unlimited retention."""
    kept = {"retention.ms": "-1", "retention.bytes": "-1"}
    kept |= {key.replace("_", "."): value for key, value in settings.items()}
    client = admin(bootstrap)
    client.create_topics([NewTopic(topic, partitions, 1, config=kept)])[topic].result(30)


def settings(bootstrap: str, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    client = admin(bootstrap)
    found = client.describe_configs([resource])[resource].result(30)
    return {name: entry.value for name, entry in found.items()}


def topics(bootstrap: str) -> set[str]:
    return set(admin(bootstrap).list_topics(timeout=30).topics)


def forget_before(bootstrap: str, topic: str, offset: int) -> None:
    """Deletes the records below `offset`, as retention does."""
    place = TopicPartition(topic, 0, offset)
    client = admin(bootstrap)
    client.delete_records([place])[place].result(30)


def produce(bootstrap: str, topic: str, *records: tuple[bytes | None, bytes | None]) -> None:
    """Records (key, value) of another program."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for key, value in records:
        producer.produce(topic, key=key, value=value, partition=0)
    assert producer.flush(30) == 0
