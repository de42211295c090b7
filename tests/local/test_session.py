"""Submission within the process: what comes back, how much may be in flight, and how it ends."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import balance
from processor import App, LocalSession, u32
from processor.client import Client
from processor.client.wire import split
from processor.errors import ClientError, ClientTimeout, SessionEvicted, WrongUse
from tests.local.conftest import Running

MESSAGE = balance.declared.message_of(balance.Deposit)
FRAME_BYTES = 48


def deposits(count: int, account: int = 1, amount: int = 1) -> np.ndarray[Any, Any]:
    made = np.zeros(count, MESSAGE.dtype)
    made["account"], made["amount"] = account, amount
    return made


def slots(payloads: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    made = np.zeros(len(payloads), balance.declared.schema.slot_dtype(MESSAGE))
    made["payload"], made["type"], made["length"] = payloads, MESSAGE.number, MESSAGE.length
    return made


def balances(running: Running) -> Any:
    return running.service.core.state.balances


def test_events_as_objects_arrays_and_slots_are_answered_in_order(running: Running) -> None:
    with running.service.session() as session:
        assert isinstance(session, LocalSession)
        answer = session.request(balance.Deposit(3, 10))
        assert (answer.request, list(answer)) == (1, [balance.Balance(3, 10)])
        assert session.submit_array(balance.Deposit, deposits(5, 3)) == range(2, 7)
        assert session.submit_slots(slots(deposits(2, 3, -20))) == range(7, 9)
        last = session.submit(balance.Deposit(10_000, 1))
        assert session.answer(last).rejected == balance.NO_ACCOUNT
        assert list(session.answer(4)) == [balance.Balance(3, 13)]
        assert list(session.answer(8)) == [balance.Balance(3, -25)]
        assert (session.answered, session.outputs, session.rejected) == (9, 9, 1)


def test_answers_are_taken_once_and_only_where_they_are_kept(running: Running) -> None:
    with running.service.session() as session:
        session.request(balance.Deposit(1, 1))
        with pytest.raises(WrongUse, match="taken already"):
            session.answer(1)
        with pytest.raises(WrongUse, match="request 2 was not submitted"):
            session.wait(2)
    with running.service.session(answers=False) as counting:
        counting.submit(balance.Deposit(1, 1))
        counting.wait()
        assert (counting.answered, counting.outputs) == (1, 1)
        with pytest.raises(WrongUse, match="only counts answers"):
            counting.answer(1)


def test_much_more_than_the_ring_holds_goes_through_and_is_counted(tmp_path: Path) -> None:
    running = Running(balance.native, tmp_path, ring_slots=1024, window=1024)
    try:
        with running.service.session(answers=False) as session:
            payloads = deposits(50_000)
            payloads["account"] = np.arange(50_000) % 97
            assert session.submit_array(balance.Deposit, payloads) == range(1, 50_001)
            session.wait()
            assert session.outputs == 50_000
        assert balances(running)[:97].sum() == 50_000
    finally:
        assert running.stop() == 0


def test_several_threads_share_one_session_and_several_have_their_own_beside_a_client_at_the_socket(
    running: Running,
) -> None:
    each, threads = 3000, 4
    shared = running.service.session(answers=False)
    ranges: list[range] = []

    def use_shared(account: int) -> None:
        ranges.append(shared.submit_array(balance.Deposit, deposits(each, account)))
        shared.submit(balance.Deposit(account, 1))

    def use_own(account: int) -> None:
        with running.service.session(answers=False) as own:
            own.submit_slots(slots(deposits(each, account)))
            own.wait()

    def use_socket(account: int) -> None:
        with Client(running.listen, balance.native) as client:
            client.stream(slots(deposits(each, account)), lambda frames: None)

    started = [
        threading.Thread(target=use, args=(10 * k + n,))
        for k, use in enumerate((use_shared, use_own, use_socket), 1)
        for n in range(threads)
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    shared.wait()
    assert sorted(number for numbers in ranges for number in numbers) != []
    assert {len(numbers) for numbers in ranges} == {each}
    assert len({number for numbers in ranges for number in numbers}) == each * threads
    assert shared.outputs == (each + 1) * threads
    for k in (1, 2, 3):
        assert balances(running)[10 * k : 10 * k + threads].tolist() == [each + (k == 1)] * threads
    shared.close()


def test_answers_asked_for_by_many_threads_each_find_their_own(running: Running) -> None:
    found: dict[int, int] = {}
    with running.service.session(window=16) as session:

        def ask(account: int) -> None:
            for turn in range(200):
                answer = session.request(balance.Deposit(account, 1))
                assert answer.outputs[0] == balance.Balance(account, turn + 1)
            found[account] = answer.outputs[0].balance

        threads = [threading.Thread(target=ask, args=(account,)) for account in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == {account: 200 for account in range(4)}


def test_submitting_waits_while_nobody_takes_answers_and_goes_on_when_somebody_does(running: Running) -> None:
    with running.service.session(window=100, timeout_s=0.3) as session:
        with pytest.raises(ClientTimeout, match="100 of 250 events were taken") as stuck:
            session.submit_array(balance.Deposit, deposits(250))
        assert stuck.value.unanswered == ()
        session.timeout_s = 60.0
        frames: list[bytes] = []
        submitted = threading.Event()

        def take() -> None:
            while not (submitted.is_set() and len(b"".join(frames)) == 300 * FRAME_BYTES):
                frames.append(session.receive_frames())

        reader = threading.Thread(target=take)
        reader.start()
        assert session.submit_array(balance.Deposit, deposits(200)) == range(101, 301)
        submitted.set()
        reader.join(60)
        assert [frame[5] for frame in split(b"".join(frames))] == list(range(1, 301))


def test_answers_beyond_the_inbox_end_the_session_and_nothing_else(running: Running) -> None:
    with running.service.session(window=8192, inbox_bytes=4096) as session, running.service.session() as other:
        with pytest.raises(ClientError, match="more than inbox_bytes"):
            session.submit_array(balance.Deposit, deposits(4000))
            session.wait()
        assert other.request(balance.Deposit(2, 5)).outputs == [balance.Balance(2, 5)]
    assert balances(running)[1] > 85


def test_whole_answers_wrap_around_the_inbox_unharmed(running: Running) -> None:
    with running.service.session(window=64, inbox_bytes=4096) as session:
        got = b""
        for _ in range(40):
            session.submit_array(balance.Deposit, deposits(61))
            session.wait()
            got += session.receive_frames()
    frames = split(got)
    assert [frame[5] for frame in frames] == list(range(1, 40 * 61 + 1))
    assert [MESSAGE.dtype and int.from_bytes(frame[6][8:16], "little") for frame in frames] == list(
        range(1, 40 * 61 + 1)
    )


def test_events_that_the_application_has_not_are_refused(running: Running) -> None:
    with running.service.session() as session:
        with pytest.raises(WrongUse, match=r"not declared with @app\.event"):
            session.submit(balance.Balance(1, 2))
        wrong = slots(deposits(3))
        wrong["type"][2] = 9
        with pytest.raises(WrongUse, match="slot 2: the application has no event of type 9 with 16 bytes"):
            session.submit_slots(wrong)
        control = slots(deposits(1))
        control["type"] = 0xFF02
        with pytest.raises(WrongUse, match="no event of type 65282"):
            session.submit_slots(control)
        session.wait()
        assert session.answered == 2
        with pytest.raises(OverflowError, match=r"Deposit\.account is u32"):
            session.submit(balance.Deposit(2**32, 0))


def test_what_stands_behind_a_payload_is_not_journaled(running: Running) -> None:
    dirty = slots(deposits(1)).view(np.uint8).reshape(1, 64)
    dirty[0, 48:] = 0xEE
    with running.service.session() as session:
        session.submit_slots(dirty)
        session.wait()
    journal = running.service.journal
    reader = journal.reader(journal.ends()[0])
    found = []
    while (record := reader.read(timeout_s=0)) is not None:
        found.append(record[3])
    reader.close()
    assert found[-1][-16:] == bytes(16)


def test_an_evicted_session_is_told_so(tmp_path: Path) -> None:
    running = Running(balance.native, tmp_path, sessions_max=2)
    try:
        first = running.service.session()
        others = [running.service.session() for _ in range(2)]
        with pytest.raises(SessionEvicted, match="open a new one"):
            while True:
                first.request(balance.Deposit(1, 1))
                others.append(running.service.session())
    finally:
        running.stop()


def test_sessions_end_with_the_service_and_what_was_taken_is_answered(running: Running) -> None:
    session = running.service.session(answers=False)
    session.submit_array(balance.Deposit, deposits(5000))
    assert running.stop() == 0
    session.wait()
    assert session.answered == 5000
    with pytest.raises(ClientError, match="the service is stopping: 0 of 1 events were taken"):
        session.submit(balance.Deposit(1, 1))
    with pytest.raises(ClientError, match="the service has stopped"):
        running.service.session()
    session.close()
    with pytest.raises(ClientError, match="this session is closed"):
        session.wait()


def test_a_service_that_was_not_started_has_no_sessions(tmp_path: Path) -> None:
    from processor import Service

    service = Service(balance.native, journal="memory:", listen=f"unix:{tmp_path}/s", snapshots=tmp_path)
    with pytest.raises(ClientError, match="start it first"):
        service.session()


def test_a_halted_service_tells_those_who_wait(tmp_path: Path) -> None:
    app = App("halting")

    @app.event
    class Bad:
        number: u32

    app.state(type("Nothing", (), {}))

    @app.on(Bad)
    def bad(state: Any, event: Any, ctx: Any) -> None:
        raise ValueError("as asked")

    running = Running(app, tmp_path)
    with running.service.session() as session, pytest.raises(ClientError, match="the service has stopped"):
        session.request(Bad(1))
    assert running.ended() == 4


def test_sessions_that_come_and_go_leave_no_descriptors_behind(running: Running) -> None:
    def once() -> int:
        with running.service.session() as session:
            session.request(balance.Deposit(4, 1))
        return len(os.listdir("/proc/self/fd"))

    first = once()
    assert [once() for _ in range(20)] == [first] * 20
    assert balances(running)[4] == 21
