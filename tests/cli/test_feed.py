"""`processor feed exchange`: generated order flow into a running service, and what it says of the answers."""

from __future__ import annotations

import json
import signal

import pytest

from bench.service_process import ServiceProcess
from processor.client import admin
from processor.journal.inspect import survey
from processor.journal.records import open_to_look
from tests.cli.commands import Command, processor

LINE_KEYS = {"seconds", "events", "events_per_s", "p50_us", "p99_us", "p999_us", "trades", "sequence",
             "snapshot_sequence"}  # fmt: skip


def test_it_feeds_as_many_events_as_rate_and_time_say_and_sums_up(exchange: ServiceProcess) -> None:
    done = processor("feed", "exchange", "--to", exchange.listen, "--rate", 3000, "--for", 2.2, "--json")
    assert done.returncode == 0 and done.stderr == ""
    *lines, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) >= 2 and all(line.keys() == LINE_KEYS for line in lines)
    assert summary.keys() == LINE_KEYS | {"summary", "unanswered"} and summary["summary"] is True
    assert (summary["events"], summary["unanswered"]) == (6600, 0) and summary["seconds"] >= 2.2
    assert summary["events_per_s"] == pytest.approx(6600 / summary["seconds"], rel=0.01)
    assert 0 < summary["p50_us"] <= summary["p99_us"] <= summary["p999_us"] and summary["trades"] > 100
    # The session's opening is an event, too.
    assert summary["sequence"] == 6601 == admin(exchange.listen, {"command": "stats"})["applied"]
    assert exchange.stop() == 0
    with open_to_look(exchange.journal) as journal:
        counted = survey(journal).events_by_type
    assert counted["NewOrder"] + counted["CancelOrder"] + counted["ModifyOrder"] == 6600


def test_two_feeds_at_once_and_one_after_the_other_never_use_an_order_id_twice(exchange: ServiceProcess) -> None:
    words = ("feed", "exchange", "--to", exchange.listen, "--rate", 2000, "--for", 1, "--seed", 7)
    with Command(*words) as one, Command(*words) as two:
        assert one.join() == two.join() == 0
    assert processor(*words).returncode == 0
    # A new order whose id is in use is rejected, and there is nothing else in this flow that would be.
    assert admin(exchange.listen, {"command": "stats"})["rejected"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_everything_answered_and_the_summary(exchange: ServiceProcess, number: int) -> None:
    # Not so many that the service takes a snapshot, which would be an event, too.
    with Command("feed", "exchange", "--to", exchange.listen, "--rate", 50_000) as feed:
        line = feed.wait_for("events/s")
        assert "round trip p50" in line and "trades" in line and "sequence" in line and "last snapshot" in line
        feed.signal(number)
        assert feed.join() == 0
    last = feed.lines[-1]
    assert last.startswith("fed ") and "unanswered" not in last and "Traceback" not in feed.text
    events = int(last.split()[1].replace(",", ""))
    assert events == admin(exchange.listen, {"command": "stats"})["applied"] - 1


def test_the_last_snapshot_is_told(exchange: ServiceProcess) -> None:
    with Command("feed", "exchange", "--to", exchange.listen, "--rate", 1000, "--json") as feed:
        feed.wait_for('"snapshot_sequence": null')
        taken = admin(exchange.listen, {"command": "snapshot", "keep": None})["sequence"]
        feed.wait_for(lambda line: json.loads(line)["snapshot_sequence"] == taken)


def test_a_service_that_restarts_is_fed_on_and_applies_nothing_twice(exchange: ServiceProcess) -> None:
    with Command("feed", "exchange", "--to", exchange.listen, "--rate", 2000, "--json") as feed:
        feed.wait_for('"seconds"')
        exchange.kill()
        exchange.start()
        seen = len(feed.lines)
        feed.wait_for(lambda line: line in feed.lines[seen:] and json.loads(line)["p50_us"] is not None)
        feed.signal(signal.SIGINT)
        assert feed.join() == 0
    summary = json.loads(feed.lines[-1])
    assert exchange.stop() == 0
    with open_to_look(exchange.journal) as journal:
        counted = survey(journal).events_by_type
    fed = counted["NewOrder"] + counted["CancelOrder"] + counted["ModifyOrder"]
    assert summary["unanswered"] == 0 and summary["events"] <= fed     # what was in flight may stand there twice


def test_ctrl_c_ends_it_while_the_service_is_away(exchange: ServiceProcess) -> None:
    with Command("feed", "exchange", "--to", exchange.listen, "--rate", 2000, "--json") as feed:
        feed.wait_for('"seconds"')
        exchange.kill()
        feed.wait_for('"p50_us": null')
        feed.signal(signal.SIGINT)
        assert feed.join() == 3
    assert any('"summary": true' in line for line in feed.lines) and "did not answer the last" in feed.text
    assert "Traceback" not in feed.text


@pytest.mark.parametrize(("words", "code", "said"), [
    (("--to", "unix:/no/such/socket"), 3, "nobody answers at unix:/no/such/socket"),
    (("--to", "tcp:1"), 2, "an address is unix:/path"),
    (("--to", "unix:/x", "--rate", "-1"), 2, "--rate and --seed are 0 or more"),
    (("--to", "unix:/x", "--for", "0"), 2, "--for is more than 0"),
    (("--to", "unix:/x", "--rate", "fast"), 2, "invalid float value"),
    ((), 2, "--to"),
])  # fmt: skip
def test_wrong_use_and_nobody_there_are_told(words: tuple[str, ...], code: int, said: str) -> None:
    done = processor("feed", "exchange", *words)
    assert (done.returncode, done.stdout) == (code, "") and said in done.stderr and "Traceback" not in done.stderr


def test_an_application_without_a_generator_is_refused() -> None:
    assert processor("feed", "bank", "--to", "unix:/x").returncode == 2
    assert "the same ones for the same seed" in processor("feed", "--help").stdout
