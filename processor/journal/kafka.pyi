from collections.abc import Mapping

from processor.journal.base import Journal, JournalReader

WRITER_SETTINGS: dict[str, str]
READER_SETTINGS: dict[str, str]
RECORD_OVERHEAD_BYTES: int

def check_settings(settings: Mapping[str, str]) -> None:
    """Raises WrongUse for settings that librdkafka does not know, or that would break what a journal promises."""

class KafkaJournal(Journal):
    """One partition as a journal; made by processor.journal.kafka_topic.open_kafka, which looks after the topic."""

    bootstrap: str
    topic: str
    partition: int
    warnings: list[str]
    def __init__(
        self, url: str, bootstrap: str, topic: str, partition: int, *, write: bool,
        settings: Mapping[str, str] | None = None, warnings: list[str] | None = None, in_flight_max: int = 16,
        topic_bytes_max: int | None = None,
    ) -> None: ...

class KafkaReader(JournalReader):
    """Records from an offset on, fetched ahead by librdkafka, handed out without a copy."""

    def __init__(self, journal: KafkaJournal, position: int) -> None: ...
