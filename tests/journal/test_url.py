"""A journal's name: the forms that are right, and that every other is refused with the forms that are."""

from pathlib import Path

import pytest

from processor.errors import WrongUse
from processor.journal import open_journal, parse_url


@pytest.mark.parametrize(
    ("text", "hosts", "topic", "partition"),
    [
        ("kafka://localhost:9092/orders", "localhost:9092", "orders", None),
        ("kafka://a.b-c:1,10.0.0.1:65535/Or_d.e-rs?partition=0", "a.b-c:1,10.0.0.1:65535", "Or_d.e-rs", 0),
        ("kafka://[::1]:9092/x?partition=2147483647", "[::1]:9092", "x", 2147483647),
    ],
)
def test_kafka_urls_name_brokers_topic_and_partition(text: str, hosts: str, topic: str, partition: int | None) -> None:
    url = parse_url(text)
    assert (url.kind, url.text, url.hosts, url.topic, url.partition) == ("kafka", text, hosts, topic, partition)


@pytest.mark.parametrize(
    ("text", "path", "segment_bytes"),
    [
        ("embedded:///var/journal", "/var/journal", None),
        ("embedded:state/journal", "state/journal", None),
        ("embedded:/var/journal", "/var/journal", None),
        ("embedded:a b/ü?segment_bytes=8192", "a b/ü", 8192),
    ],
)
def test_embedded_urls_name_a_directory(text: str, path: str, segment_bytes: int | None) -> None:
    url = parse_url(text)
    assert (url.kind, url.path, url.segment_bytes) == ("embedded", Path(path), segment_bytes)


def test_memory_urls_name_at_most_a_log() -> None:
    assert (parse_url("memory:").name, parse_url("memory:").keep) == ("", True)
    assert (parse_url("memory:orders?keep=0").name, parse_url("memory:orders?keep=0").keep) == ("orders", False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with none"),
        ("orders", "begins with none"),
        ("file:///x", "begins with none"),
        ("KAFKA://a:1/x", "begins with none"),
        ("kafka:a:1/x", "host:port is missing"),
        ("kafka://a:1", "host:port is missing"),
        ("kafka:///x", "host:port is missing"),
        ("kafka://a/x", "host:port is missing"),
        ("kafka://a:0/x", "host:port is missing"),
        ("kafka://a:65536/x", "host:port is missing"),
        ("kafka://a:²/x", "host:port is missing"),
        ("kafka:// :1/x", "host:port is missing"),
        ("kafka://a:1,/x", "host:port is missing"),
        ("kafka://a:1/", "no topic's name"),
        ("kafka://a:1/x/y", "no topic's name"),
        ("kafka://a:1/..", "no topic's name"),
        ("kafka://a:1/" + "x" * 250, "no topic's name"),
        ("kafka://a:1/x?partition=", "whole number"),
        ("kafka://a:1/x?partition=-1", "whole number"),
        ("kafka://a:1/x?partition=²", "whole number"),
        ("kafka://a:1/x?partition=2147483648", "too large"),
        ("kafka://a:1/x?partition=1&partition=2", "named twice"),
        ("kafka://a:1/x?part=1", "knows no 'part'"),
        ("embedded:", "the path is missing"),
        ("embedded://host/path", "begins with a third /"),
        ("embedded:a\0b", "no zero byte"),
        ("embedded:a?keep=1", "knows no 'keep'"),
        ("embedded:a?segment_bytes=99999999999999999999", "too large"),
        ("memory:a/b", "holds no /"),
        ("memory:?keep=2", "too large"),
    ],
)
def test_any_other_name_is_refused_with_the_reason_and_the_forms(text: str, why: str) -> None:
    with pytest.raises(WrongUse) as caught:
        parse_url(text)
    assert why in str(caught.value)
    assert "kafka://host:port[,host:port]/topic[?partition=N]" in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("segment_bytes", [0, 4095, 4100, 2048])
def test_a_segment_size_that_cannot_be_is_refused(tmp_path: Path, segment_bytes: int) -> None:
    with pytest.raises(WrongUse, match="multiple of 4096"):
        open_journal(f"embedded://{tmp_path}/j?segment_bytes={segment_bytes}", write=True)
    assert not any(tmp_path.iterdir())


def test_settings_of_librdkafka_mean_nothing_to_other_journals(tmp_path: Path) -> None:
    for url in ("memory:", f"embedded://{tmp_path}/j"):
        with pytest.raises(WrongUse, match=r"librdkafka's.*linger\.ms"):
            open_journal(url, write=True, settings={"linger.ms": "5"})
