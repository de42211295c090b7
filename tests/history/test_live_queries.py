"""Named queries of the live state: never stale, and the stream goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.service_process import ServiceProcess, running
from processor.app import App
from processor.cli.main import main
from processor.client import Client
from processor.errors import EXIT_WRONG_USE, ClientError
from processor.layout import HEADER
from processor.live_queries import MARKER, LiveQueries
from tests.history.apps import SoundAdd, sound
from tests.history.support import embedded, records


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    with running(
        "tests.history.apps:sound", journal=embedded(tmp_path / "journal"), listen=f"unix:{tmp_path}/s",
        snapshots=tmp_path / "snapshots",
    ) as started:
        yield started


def test_every_answer_holds_all_that_was_answered_before_it(service: ServiceProcess) -> None:
    total = 0
    with Client(service.listen, sound, timeout_s=60) as client:
        for amount in range(1, 40):
            client.request(SoundAdd(amount, "a"))
            total += amount
            assert client.query("total") == total
        assert client.query("plus", 5, "x") == [total + 5, "x"]
    assert service.stop() == 0
    markers = sum(
        int((np.ndarray(len(data) // 64, HEADER, data, strides=(64,))["type"] == 0xFF06).sum())
        for header, data in records(service.journal) if header[6] == 1
    )
    assert markers == 40


def test_the_stream_goes_on_while_others_ask(service: ServiceProcess) -> None:
    asked: list[int] = []
    done = threading.Event()

    def reader() -> None:
        with Client(service.listen, sound, timeout_s=60) as client:
            while not done.is_set():
                asked.append(client.query("total"))

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    with Client(service.listen, sound, timeout_s=60) as client:
        for _ in range(50):
            client.send_many(SoundAdd(1, "a") for _ in range(100))
            assert len(list(client.answers())) == 100
        done.set()
        for thread in threads:
            thread.join()
        assert client.query("total") == 5000
    assert asked and all(0 <= value <= 5000 for value in asked)
    assert service.stop() == 0


def test_an_unknown_query_is_told_and_harms_nobody(service: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> None:
    with Client(service.listen, sound, timeout_s=60) as client:
        for wrong in (("nothing",), ("total", 1), ("plus", "text")):
            with pytest.raises(ClientError, match=r"has no query|does not take|raised TypeError"):
                client.query(*wrong)
        client.request(SoundAdd(7, "a"))
    words = ["query", "--app", "tests.history.apps:sound", "--to", service.listen]
    assert main([*words, "--json", "total"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == 7
    assert main([*words, "nothing"]) == EXIT_WRONG_USE
    assert main([*words, "--at", "3", "total"]) == EXIT_WRONG_USE
    assert main(words[:3]) == EXIT_WRONG_USE


class Fake:
    """A control queue and a wakeup that count."""

    def __init__(self) -> None:
        self.put_payloads: list[bytes] = []
        self.room = True

    def put(self, kind: int, payload: bytes) -> bool:
        if self.room:
            self.put_payloads.append(payload)
        return self.room

    def set(self) -> None:
        return None


class Logic:
    sequence, timestamp = 9, 1

    def __init__(self, app: App) -> None:
        self.state = app.state_type() if app.state_type else None


def test_what_is_asked_while_a_marker_is_in_flight_waits_for_the_next_one() -> None:
    fake, said = Fake(), []
    queries = LiveQueries(sound, Logic(sound), fake, fake)      # type: ignore[arg-type]
    queries.ask("total", [], lambda answer: said.append(1))
    queries.ask("total", [], lambda answer: said.append(2))
    queries.ask("total", [], lambda answer: said.append(3))
    assert fake.put_payloads == [MARKER.pack(1)]
    queries.on_read(MARKER.pack(1))
    queries.poll()
    assert said == [1] and fake.put_payloads == [MARKER.pack(1), MARKER.pack(3)]
    queries.on_read(MARKER.pack(3))
    queries.poll()
    assert said == [1, 2, 3] and len(fake.put_payloads) == 2


def test_a_full_control_queue_is_tried_again_and_the_end_is_told() -> None:
    fake, said = Fake(), []
    fake.room = False
    queries = LiveQueries(sound, Logic(sound), fake, fake)      # type: ignore[arg-type]
    queries.ask("total", [], said.append)
    assert fake.put_payloads == []
    fake.room = True
    queries.poll()
    assert fake.put_payloads == [MARKER.pack(1)]
    queries.close()
    assert said == [{"ok": False, "error": "the service stopped before it could answer"}]
