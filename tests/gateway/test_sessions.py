"""Sessions over connections: opened again, taken over, evicted, refused. Each answer once, and always the same."""

from __future__ import annotations

import threading

import pytest

from examples.bank import Balance, Deposit
from examples.bank import app as bank
from processor.client import Answer, Client
from processor.client.handshake import Evicted, NotNow
from processor.errors import ClientError, SessionEvicted
from processor.gateway.double import Double
from tests.gateway.echo import ECHO, Echo, Echoed, Many
from tests.gateway.echo import app as echo
from tests.gateway.raw import Raw
from tests.gateway.rig import WINDOW, Rig, rig, serving, socket_directory, until


def test_opening_again_with_the_same_token_gives_the_same_session_and_its_last_request() -> None:
    with serving() as service:
        deposit = bank.schema.event_names["Deposit"]
        with Raw(service.listen) as raw:
            first = raw.open()
            raw.send(raw.frame(deposit, 1, account=1, amount=5))
            raw.read_answers(1)
        with Raw(service.listen) as again, Raw(service.listen) as other:
            second = again.open(token=raw.token)
            assert (second.session, second.last_request, first.last_request) == (first.session, 1, 0)
            assert (second.window, second.slot_bytes, second.fingerprint) == (8192, 64, bank.schema.fingerprint)
            assert second.schema == bank.schema.text.encode()
            assert other.open().session != first.session


def test_a_connection_that_opens_a_session_again_takes_it_over_and_gets_what_was_in_flight() -> None:
    with rig() as service, Raw(service.address) as older, Raw(service.address) as younger:
        session = older.open().session
        older.send(b"".join(older.frame(ECHO, k, value=k, other=0) for k in (1, 2)))
        older.read_answers(2)
        service.double.hold()
        older.send(older.frame(ECHO, 3, value=3, other=0))
        until(lambda: service.counts("frames") == 3)
        service.double.hold(False)
        assert younger.open(token=older.token, session=session).session == session
        assert older.read_answers(1) == {3: [ECHO.pack({"value": 3, "other": 0})]}
        assert older.read_error() == f"session {session} was taken over by another connection that knows its token"
        younger.send(younger.frame(ECHO, 3, value=3, other=0) + younger.frame(ECHO, 4, value=4, other=0))
        assert younger.read_answers(2) == {k: [ECHO.pack({"value": k, "other": 0})] for k in (3, 4)}
        assert (service.double.applied, service.double.repeated) == (4, 1)


def test_a_client_whose_session_was_taken_over_raises_and_does_not_fight_for_it() -> None:
    with rig() as service, Client(service.address, echo) as client:
        client.request(Echo(1, 1))
        with Raw(service.address) as thief:
            thief.open(token=client._token)
            with pytest.raises(ClientError, match="session 1 was taken over by another connection"):
                client.request(Echo(2, 2))
            with pytest.raises(ClientError, match="taken over"):
                client.request(Echo(3, 3))
            assert service.counts("connections_total") == 2
            thief.send(thief.frame(ECHO, 2, value=9, other=9))
            assert thief.read_answers(1) == {2: [ECHO.pack({"value": 9, "other": 9})]}


def test_a_reconnecting_client_gets_the_stored_answers_of_what_was_applied_and_each_answer_once() -> None:
    with socket_directory() as folder:
        service = Rig(f"unix:{folder}/socket")
        with Client(service.address, echo) as client:
            client.send_many(Echo(k, k) for k in range(1, 101))
            first = list(client.answers())
            service.double.silence()
            client.send_many([Echo(k, k) for k in range(101, 200)] + [Many(5, 200)])
            until(lambda: service.double.applied == 200)
            service.stop()
            service.double.silence(False)
            service = Rig(service.address, double=service.double)
            second = list(client.answers())
            third = [client.request(Echo(201, 201))]
            assert service.double.repeated == 100
        service.stop()
        assert service.double.applied == 201
    answers: list[Answer] = first + second + third
    assert [answer.request for answer in answers] == list(range(1, 202))
    expected = [[Echoed(k, k)] for k in range(1, 200)] + [[Echoed(5, 200)] * 5] + [[Echoed(201, 201)]]
    assert [list(answer) for answer in answers] == expected
    assert [answer.repeated for answer in answers] == [False] * 100 + [True] * 100 + [False]


def test_what_the_lost_connection_still_delivers_behind_the_new_one_is_not_taken_for_an_answer() -> None:
    with rig(ring_slots=64, read_bytes_max=256) as service, Client(service.address, echo) as client:
        service.double.hold()
        client.send_many(Echo(k, k) for k in range(1, 2_001))
        until(lambda: service.counts("frames") == 48)
        # Lost without the gateway being told, as when a child of the client still holds the descriptor: it reads on
        # what was sent there, beside the new connection.
        assert client._socket is not None
        held = client._socket.dup()
        client._drop()
        answers: list[Answer] = []
        reader = threading.Thread(target=lambda: answers.extend(client.answers()))
        reader.start()
        until(lambda: service.counts("connections_total") == 2)
        service.double.hold(False)
        reader.join()
        held.close()
        assert [answer.request for answer in answers] == list(range(1, 2_001))
        assert [list(answer) for answer in answers] == [[Echoed(k, k)] for k in range(1, 2_001)]
        assert service.double.applied == 2_000


def test_a_part_of_an_answer_that_was_lost_on_the_way_is_not_told_twice() -> None:
    with socket_directory() as folder:
        # The queue is so small that the answer leaves in many parts, and the stop comes in its midst.
        service = Rig(f"unix:{folder}/socket", queue_bytes=4096)
        with Client(service.address, echo) as client:
            client.submit(Many(50_000, 1))
            until(lambda: service.counts("bytes_out") > 100_000)
            service.double.stop()
            service.gateway.flush_and_close(timeout_s=0.0)
            service.stop()
            assert client.unanswered == (1,)
            service = Rig(service.address, double=service.double, queue_bytes=1 << 20)
            (answer,) = client.answers()
            assert list(answer) == [Echoed(50_000, 1)] * 50_000
        service.stop()


def test_an_evicted_client_raises_with_what_is_unanswered_and_never_sends_it_again() -> None:
    with rig() as service, Client(service.address, echo) as client:
        client.send_many(Echo(k, k) for k in range(1, 6))
        until(lambda: service.double.applied == 5)
        service.double.evict(client.session)
        answered = []
        with pytest.raises(SessionEvicted, match="3 requests are unanswered and are not sent again") as caught:
            client.send_many(Echo(k, k) for k in range(6, 9))  # raises here when the word is there already
            for answer in client.answers():
                answered.append(answer.request)
        assert caught.value.unanswered == (6, 7, 8)
        with pytest.raises(SessionEvicted):
            for answer in client.answers():
                answered.append(answer.request)
        assert answered == [1, 2, 3, 4, 5]
        with pytest.raises(SessionEvicted):
            client.submit(Echo(9, 9))
        until(lambda: service.counts("connections_open") == 0)
        with Client(service.address, echo) as fresh:
            assert fresh.session == client.session + 1
            assert list(fresh.request(Echo(1, 1))) == [Echoed(1, 1)]
        assert (service.double.applied, service.counts("frames")) == (6, 9)


def test_a_client_that_comes_back_after_its_eviction_raises_and_sends_nothing() -> None:
    with socket_directory() as folder:
        service = Rig(f"unix:{folder}/socket")
        with Client(service.address, echo) as client:
            client.request(Echo(1, 1))
            service.double.silence()
            client.submit(Echo(2, 2))
            until(lambda: service.double.applied == 2)
            service.stop()
            service.double.silence(False)
            service.double.evict(client.session)
            service = Rig(service.address, double=service.double)
            with pytest.raises(SessionEvicted) as caught:
                list(client.answers())
            assert caught.value.unanswered == (2,)
            assert (service.counts("frames"), service.double.applied) == (0, 2)
        service.stop()


def test_the_longest_idle_session_makes_room_for_a_new_one_and_is_told_so() -> None:
    with (
        serving(sessions_max=3) as service,
        Client(service.listen, bank) as oldest,
        Client(service.listen, bank) as middle,
    ):
        oldest.request(Deposit(1, 1))
        middle.request(Deposit(1, 1))
        oldest.request(Deposit(1, 1))
        with Client(service.listen, bank) as newest:  # two places of three are used: one is kept free
            newest.request(Deposit(1, 1))
            with pytest.raises(SessionEvicted) as caught:
                middle.request(Deposit(1, 1_000))
            assert caught.value.unanswered == (2,)
            assert list(oldest.request(Deposit(1, 1))) == [Balance(1, 5)]
            assert list(newest.request(Deposit(1, 1))) == [Balance(1, 6)]


def test_a_full_session_table_says_busy_and_disturbs_nobody() -> None:
    with rig(double=Double(echo.schema, WINDOW, sessions_max=1)) as service, Client(service.address, echo) as client:
        client.request(Echo(1, 1))
        with Raw(service.address) as raw:
            with pytest.raises(NotNow, match="session table is full"):
                raw.open()
            assert raw.is_closed()
        with pytest.raises(ClientError, match="session table is full, tried for 0 s"):
            Client(service.address, echo)
        assert list(client.request(Echo(2, 2))) == [Echoed(2, 2)]


def test_a_session_that_the_service_never_gave_is_refused() -> None:
    with serving() as service, Raw(service.listen) as raw, pytest.raises(Evicted):
        raw.open(session=77)


def test_a_session_is_not_given_to_who_names_it_without_its_token() -> None:
    with serving() as service, Client(service.listen, bank) as client:
        client.request(Deposit(1, 1))
        with Raw(service.listen) as raw, pytest.raises(Evicted):
            raw.open(session=client.session)
        assert list(client.request(Deposit(1, 1))) == [Balance(1, 2)]
