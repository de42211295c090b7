"""The session table: unit tests, and a run beside a plain model that keeps everything in lists."""

import random
import resource
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from processor.errors import WrongUse
from processor.layout import REPLY, REPLY_LAST, REPLY_REPEATED
from processor.logic.sessions import Sessions
from processor.logic.verdict import OPEN_EVICTED, OPEN_FULL, Verdict


def token(number: int) -> bytes:
    return number.to_bytes(16, "big")


def frame(sequence: int, request: int, payload: bytes = b"", index: int = 0, flags: int = 0) -> bytes:
    head = np.zeros((), REPLY)
    head["sequence"], head["request"], head["index"] = sequence, request, index
    head["length"], head["flags"], head["type"] = len(payload), flags, 7
    return head.tobytes() + payload + b"\0" * (-len(payload) % 8)


def flags_of(frames: bytes) -> list[int]:
    found, at = [], 0
    while at < len(frames):
        head = np.frombuffer(frames, REPLY, 1, at)[0]
        found.append(int(head["flags"]))
        at += 32 + -(-int(head["length"]) // 8) * 8
    return found


def apply(sessions: Sessions, session: int, request: int, sequence: int, payloads: list[bytes]) -> None:
    sessions.begin_request(session, request, sequence)
    for index, payload in enumerate(payloads):
        sessions.append_frame(frame(sequence, request, payload, index))
    sessions.finish_request()


def small_table() -> Sessions:
    sessions = Sessions(window=3, kept_bytes_max=200, sessions_max=4)
    for number in range(1, 4):
        assert sessions.open_session(token(number), 0, number) == (number, 0)
    apply(sessions, 2, 1, 4, [b"one", b"two longer"])
    apply(sessions, 2, 2, 5, [])
    apply(sessions, 1, 1, 6, [b"x" * 300])
    apply(sessions, 3, 1, 7, [b"a"])
    for request in range(2, 6):
        apply(sessions, 3, request, 6 + request, [b"b" * request])
    return sessions


def copy_of(sessions: Sessions) -> Sessions:
    other = Sessions(sessions.window, sessions.kept_bytes_max, sessions.sessions_max)
    other.load(sessions.export())
    return other


def test_each_request_gets_its_verdict() -> None:
    sessions = small_table()
    expected = [Verdict.TOO_OLD] * 3 + [Verdict.REPEAT] * 3 + [Verdict.APPLY, Verdict.GAP]
    assert [sessions.decide(3, request) for request in range(8)] == expected
    assert sessions.decide(9, 1) == Verdict.UNKNOWN
    assert sessions.decide(0, 1) == Verdict.UNKNOWN
    assert sessions.decide(1, 1) == Verdict.GONE
    assert [sessions.last(session) for session in range(1, 5)] == [1, 2, 5, 0]
    assert sessions.decide(3, 2**64 - 1) == Verdict.GAP


def test_stored_frames_are_those_appended_with_the_last_one_marked() -> None:
    sessions = small_table()
    frames = sessions.stored_frames(2, 1)
    assert frames == frame(4, 1, b"one") + frame(4, 1, b"two longer", 1, REPLY_LAST)
    assert sessions.stored_frames(2, 2) == b""
    assert flags_of(sessions.stored_frames(3, 5)) == [REPLY_LAST]
    for session, request in ((1, 1), (3, 2), (3, 6), (9, 1)):
        with pytest.raises(KeyError):
            sessions.stored_frames(session, request)


def test_flags_and_padding_of_the_caller_are_not_stored() -> None:
    sessions = Sessions()
    sessions.open_session(token(1), 0, 1)
    sessions.begin_request(1, 1, 2)
    sessions.append_frame(frame(2, 1, b"abc", flags=REPLY_LAST | REPLY_REPEATED)[:-5] + b"dirty")
    sessions.append_frame(frame(2, 1, b"", 1))
    sessions.finish_request()
    assert sessions.stored_frames(1, 1) == frame(2, 1, b"abc") + frame(2, 1, b"", 1, REPLY_LAST)


def test_past_the_bound_the_oldest_outputs_go_and_are_never_applied_again() -> None:
    sessions = Sessions(window=10, kept_bytes_max=100, sessions_max=1)
    sessions.open_session(token(1), 0, 1)
    for request in (1, 2):
        apply(sessions, 1, request, 1 + request, [b"12345678"])
    assert [sessions.decide(1, request) for request in (1, 2)] == [Verdict.REPEAT, Verdict.REPEAT]
    apply(sessions, 1, 3, 4, [b"12345678"])
    assert [sessions.decide(1, request) for request in (1, 2, 3, 4)] == [
        Verdict.GONE, Verdict.REPEAT, Verdict.REPEAT, Verdict.APPLY,
    ]  # fmt: skip
    apply(sessions, 1, 4, 5, [b"x" * 40, b"x" * 40])
    assert [sessions.decide(1, request) for request in (1, 2, 3, 4, 5)] == [Verdict.GONE] * 4 + [Verdict.APPLY]


def test_opening_is_repeatable_and_a_claim_must_fit() -> None:
    sessions = Sessions(window=4, kept_bytes_max=100, sessions_max=2)
    assert sessions.open_session(token(1), 0, 1) == (1, 0)
    apply(sessions, 1, 1, 2, [])
    assert sessions.open_session(token(1), 0, 3) == (1, 1)
    assert sessions.open_session(token(1), 1, 4) == (1, 1)
    assert sessions.open_session(token(1), 2, 5) == (OPEN_EVICTED, 0)
    assert sessions.open_session(token(2), 1, 6) == (OPEN_EVICTED, 0)
    assert sessions.open_session(token(2), 0, 7) == (2, 0)
    assert sessions.open_session(token(3), 0, 8) == (OPEN_FULL, 0)
    assert sessions.open_session(token(1), 0, 9) == (1, 1)
    assert sessions.count == 2


def test_the_longest_idle_session_is_evicted_and_its_number_never_given_again() -> None:
    sessions = small_table()
    assert sessions.session_ids() == [2, 1, 3]
    assert sessions.eviction_candidate(1) == (0, 0)
    assert sessions.eviction_candidate(2) == (2, 5)
    assert not sessions.evict_session(2, 4), "used since"
    assert not sessions.evict_session(9, 5), "unknown"
    assert sessions.evict_session(2, 5)
    assert not sessions.evict_session(2, 5)
    assert sessions.decide(2, 1) == Verdict.UNKNOWN
    assert sessions.open_session(token(2), 2, 20) == (OPEN_EVICTED, 0)
    assert sessions.open_session(token(2), 0, 21) == (4, 0)
    assert copy_of(sessions).open_session(token(9), 0, 22) == (5, 0)
    assert sessions.eviction_candidate(4) == (1, 6)


def test_the_number_after_the_last_one_is_refused_rather_than_used_twice() -> None:
    sessions = Sessions()
    data = bytearray(sessions.export())
    data[24:28] = (2**32 - 2).to_bytes(4, "little")
    sessions.load(bytes(data))
    assert sessions.open_session(token(1), 0, 1) == (2**32 - 2, 0)
    assert sessions.open_session(token(2), 0, 2) == (OPEN_FULL, 0)
    assert sessions.decide(2**32 - 2, 1) == Verdict.APPLY


def test_misuse_is_an_error_and_changes_nothing() -> None:
    sessions = small_table()
    before = sessions.export()
    for session, request, sequence in ((3, 5, 99), (3, 7, 99), (9, 1, 99), (3, 6, 11)):
        with pytest.raises(ValueError):
            sessions.begin_request(session, request, sequence)
    with pytest.raises(ValueError, match="sequences rise"):
        sessions.open_session(token(9), 0, 11)
    with pytest.raises(ValueError, match="16 bytes"):
        sessions.open_session(b"short", 0, 99)
    with pytest.raises(ValueError):
        sessions.append_frame(frame(11, 5))
    assert sessions.export() == before
    sessions.begin_request(3, 6, 99)
    whole = frame(99, 6)
    for wrong in (b"", b"short", frame(99, 7), frame(98, 6), whole[:-8], whole + b"12345678", b"x" * 200_000):
        with pytest.raises(ValueError):
            sessions.append_frame(wrong)
    for forbidden in (sessions.export, sessions.hash64, lambda: sessions.load(before)):
        with pytest.raises(ValueError, match="not finished"):
            forbidden()
    with pytest.raises(ValueError, match="not finished"):
        sessions.begin_request(2, 3, 100)
    assert not sessions.evict_session(3, 99), "in hand"
    sessions.finish_request()
    assert sessions.stored_frames(3, 6) == b""


@pytest.mark.parametrize("setting", [{"window": 0}, {"window": 2**21}, {"kept_bytes_max": -1}, {"sessions_max": 0}])
def test_settings_out_of_bounds_are_wrong_use(setting: dict[str, int]) -> None:
    with pytest.raises(WrongUse):
        Sessions(**setting)


def test_the_export_has_this_layout() -> None:
    sessions = Sessions(window=3, kept_bytes_max=200, sessions_max=4)
    sessions.open_session(token(7), 0, 5)
    apply(sessions, 1, 1, 6, [b"abc"])
    head = b"PSES" + (1).to_bytes(4, "little") + (3).to_bytes(4, "little") + (4).to_bytes(4, "little")
    head += (200).to_bytes(8, "little") + (2).to_bytes(4, "little") + (1).to_bytes(4, "little")
    row = (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + token(7)
    row += (1).to_bytes(8, "little") + (6).to_bytes(8, "little") + (40).to_bytes(8, "little")
    assert sessions.export() == head + row + (40).to_bytes(4, "little") + bytes(4) + frame(6, 1, b"abc", 0, REPLY_LAST)


def test_two_histories_of_one_state_export_the_same_bytes() -> None:
    one, two = (Sessions(window=2, kept_bytes_max=96, sessions_max=50) for _ in range(2))
    for sessions in (one, two):
        for number in range(1, 41):
            sessions.open_session(token(number), 0, number)
        for request in range(1, 30):
            # Only the last two are the same in both: what came before leaves the memory in another shape.
            payload = b"x" * (random.Random(request).randrange(60) if sessions is one and request < 28 else 8)
            apply(sessions, 7, request, 100 + request, [payload])
    two.load(two.export())
    assert one.export() == two.export()
    assert one.hash64() == two.hash64()
    apply(two, 7, 30, 200, [])
    assert one.hash64() != two.hash64()


def test_a_table_of_other_settings_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"expected \(4, 200, 4\), found \(3, 200, 4\)"):
        Sessions(window=4, kept_bytes_max=200, sessions_max=4).load(small_table().export())


def accepted(data: bytes) -> bool:
    """Whether it loads; and when it does it is a whole table that can be used, and that exports just these bytes."""
    sessions = Sessions(window=3, kept_bytes_max=200, sessions_max=4)
    sessions.open_session(token(99), 0, 1)
    before = sessions.export()
    try:
        sessions.load(data)
    except ValueError:
        assert sessions.export() == before, "a refused load changes nothing"
        return False
    assert sessions.export() == data
    for session in sessions.session_ids():
        last = sessions.last(session)
        for request in range(max(last - 3, 0), last + 3):
            if sessions.decide(session, request) == Verdict.REPEAT:
                frames = sessions.stored_frames(session, request)
                assert not frames or flags_of(frames)[-1] & REPLY_LAST
    newest = 0
    while sessions.count:
        session, last_sequence = sessions.eviction_candidate(4)
        assert newest < last_sequence
        newest = last_sequence
        if last_sequence < 2**64 - 1 and sessions.count == 1:
            apply(sessions, session, sessions.last(session) + 1, last_sequence + 1, [b"new"])
            last_sequence += 1
        assert sessions.evict_session(session, last_sequence)
    return True


def test_every_changed_byte_is_refused_or_is_another_whole_table() -> None:
    data = small_table().export()
    assert accepted(data)
    refused = 0
    for position in range(len(data)):
        for change in (1, 0x80, 0xFF):
            changed = data[:position] + bytes([data[position] ^ change]) + data[position + 1 :]
            refused += not accepted(changed)
    assert refused > len(data)
    for position in range(len(data)):
        assert not accepted(data[:position])
    assert not accepted(data + b"\0" * 8)


def test_two_sessions_with_the_same_last_event_are_refused() -> None:
    data = bytearray(small_table().export())
    place = 32 + 48 + 32  # the head, session 1 of which nothing is kept, session 2 up to its last event
    assert data[place] == 5
    data[place] = 6
    with pytest.raises(ValueError, match=r"sessions [12] and [12] have the same last event 6"):
        Sessions(window=3, kept_bytes_max=200, sessions_max=4).load(bytes(data))


def test_arbitrary_bytes_are_refused_without_harm() -> None:
    chance = random.Random(5)
    data = small_table().export()
    for _ in range(3000):
        assert not accepted(chance.randbytes(chance.randrange(300)))
        changed = bytearray(data)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(0, len(data) - 8, 4)
            changed[at : at + 4] = chance.choice((chance.randbytes(4), b"\xff" * 4, bytes(4), data[at + 4 : at + 8]))
        accepted(bytes(changed))


@pytest.mark.not_sanitized("AddressSanitizer keeps freed memory back, to see whether it is still used")
def test_sessions_that_come_and_go_give_their_memory_back() -> None:
    sessions = Sessions(window=16, kept_bytes_max=1 << 16, sessions_max=1000)
    payload = b"x" * 8000

    def come_and_go(first: int, rounds: int) -> None:
        for number in range(first, first + rounds):
            session, last = sessions.open_session(token(number), 0, 2 * number)
            assert (session, last) == (number, 0)
            apply(sessions, session, 1, 2 * number + 1, [payload])
            candidate = sessions.eviction_candidate(100)
            if candidate[0]:
                assert sessions.evict_session(*candidate)

    come_and_go(1, 2_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    come_and_go(2_001, 100_000)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert sessions.count == 900
    assert grown_kib < 20_000, f"{grown_kib} KiB more after 100,000 sessions of 8 KB"
    for session in sessions.session_ids():
        assert sessions.decide(session, 1) == Verdict.REPEAT
        assert sessions.evict_session(session, 2 * session + 1)
    assert sessions.count == 0
    assert sessions.eviction_candidate(1000) == (0, 0)


def test_a_large_window_keeps_every_request_of_it() -> None:
    sessions = Sessions(window=5000, kept_bytes_max=1 << 22, sessions_max=2)
    sessions.open_session(token(1), 0, 1)
    for request in range(1, 20_001):
        apply(sessions, 1, request, request + 1, [request.to_bytes(8, "little") * (1 + request % 3)])
    assert sessions.decide(1, 15_000) == Verdict.TOO_OLD
    for request in range(15_001, 20_001):
        expected = frame(request + 1, request, request.to_bytes(8, "little") * (1 + request % 3), 0, REPLY_LAST)
        assert sessions.stored_frames(1, request) == expected
    assert copy_of(sessions).stored_frames(1, 15_001) == sessions.stored_frames(1, 15_001)


@dataclass
class Plain:
    """The session, as one would write it down: every request's frames for ever, None once they are dropped."""

    token: bytes
    last_sequence: int
    stored: list[bytes | None] = field(default_factory=list)


class TableBesideModel(RuleBasedStateMachine):
    """The table does what a dict of lists does, at every step, and so does what is loaded from its export."""

    @initialize(window=st.integers(1, 5), kept=st.integers(0, 60).map(lambda words: 8 * words), most=st.integers(1, 5))
    def start(self, window: int, kept: int, most: int) -> None:
        self.table = Sessions(window, kept, most)
        self.window, self.kept, self.most = window, kept, most
        self.model: dict[int, Plain] = {}
        self.next_id, self.sequence = 1, 0

    @rule(number=st.integers(0, 7), claimed=st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 6]), skip=st.integers(1, 3))
    def open(self, number: int, claimed: int, skip: int) -> None:
        self.sequence += skip
        known = next((key for key, plain in self.model.items() if plain.token == token(number)), 0)
        if known and claimed in (0, known):
            expected = (known, len(self.model[known].stored))
            self.model[known].last_sequence = self.sequence
        elif claimed:
            expected = (OPEN_EVICTED, 0)
        elif len(self.model) == self.most:
            expected = (OPEN_FULL, 0)
        else:
            expected = (self.next_id, 0)
            self.model[self.next_id] = Plain(token(number), self.sequence)
            self.next_id += 1
        assert self.table.open_session(token(number), claimed, self.sequence) == expected

    @rule(choice=st.integers(0, 10), lengths=st.lists(st.integers(0, 120), max_size=4))
    def request(self, choice: int, lengths: list[int]) -> None:
        if not self.model:
            return
        session = sorted(self.model)[choice % len(self.model)]
        plain = self.model[session]
        self.sequence += 1
        request = len(plain.stored) + 1
        payloads = [bytes([self.sequence % 256]) * length for length in lengths]
        apply(self.table, session, request, self.sequence, payloads)
        plain.last_sequence = self.sequence
        last = len(payloads) - 1
        plain.stored.append(
            b"".join(frame(self.sequence, request, p, i, REPLY_LAST * (i == last)) for i, p in enumerate(payloads))
        )
        window = range(max(len(plain.stored) - self.window, 0), len(plain.stored))
        for place in range(window.start):
            plain.stored[place] = None
        for place in window:
            if sum(len(plain.stored[later] or b"") for later in range(place, len(plain.stored))) > self.kept:
                plain.stored[place] = None

    @rule(spare=st.integers(0, 5), late=st.booleans())
    def evict(self, spare: int, late: bool) -> None:
        candidate = self.table.eviction_candidate(spare)
        if len(self.model) + spare <= self.most or not self.model:
            assert candidate == (0, 0)
            return
        oldest = min(self.model, key=lambda session: self.model[session].last_sequence)
        assert candidate == (oldest, self.model[oldest].last_sequence)
        if late:
            assert not self.table.evict_session(oldest, candidate[1] - 1)
        else:
            assert self.table.evict_session(*candidate)
            del self.model[oldest]

    @rule()
    def reload(self) -> None:
        self.table = copy_of(self.table)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "table"):
            return
        other = copy_of(self.table)
        assert other.export() == self.table.export()
        for table in (self.table, other):
            assert table.count == len(self.model)
            assert table.session_ids() == sorted(self.model, key=lambda session: self.model[session].last_sequence)
            for session in range(max(self.next_id - 30, 0), self.next_id + 1):
                self.agrees_on(table, session)

    def agrees_on(self, table: Sessions, session: int) -> None:
        plain = self.model.get(session)
        if plain is None:
            assert table.decide(session, 1) == Verdict.UNKNOWN
            return
        last = len(plain.stored)
        assert table.last(session) == last
        for request in range(max(last - self.window - 2, 0), last + 4):
            if request == 0 or request <= last - self.window:
                expected = Verdict.TOO_OLD
            elif request > last:
                expected = Verdict.APPLY if request == last + 1 else Verdict.GAP
            else:
                expected = Verdict.GONE if plain.stored[request - 1] is None else Verdict.REPEAT
            assert table.decide(session, request) == expected
            if expected == Verdict.REPEAT:
                assert table.stored_frames(session, request) == plain.stored[request - 1]


TestTableBesideModel = TableBesideModel.TestCase
TestTableBesideModel.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@pytest.mark.parametrize("seed", range(6))
def test_a_long_run_does_what_the_model_does(seed: int) -> None:
    chance = random.Random(seed)
    run = TableBesideModel()
    run.start(chance.randrange(1, 9), 8 * chance.randrange(60), chance.choice((3, 40)))
    for step in range(3000):
        what = chance.random()
        if what < 0.2:
            run.open(chance.randrange(60), chance.choice((0, 0, 0, chance.randrange(1, run.next_id + 1))), 1)
        elif what < 0.9:
            run.request(chance.randrange(50), [chance.randrange(100) for _ in range(chance.randrange(4))])
        else:
            run.evict(chance.randrange(run.most + 1), chance.random() < 0.1)
        if step % 50 == 0:
            run.agrees()


def test_tables_that_grow_and_shrink_lose_nobody() -> None:
    chance = random.Random(1)
    sessions = Sessions(window=1, kept_bytes_max=0, sessions_max=3000)
    open_now: dict[int, tuple[bytes, int]] = {}
    for sequence in range(1, 40_000):
        if open_now and chance.random() < (0.2 if sequence < 8000 or sequence % 8000 < 3000 else 0.6):
            session = chance.choice(list(open_now)) if sequence % 100 == 0 else next(iter(open_now))
            assert sessions.evict_session(session, open_now.pop(session)[1])
        else:
            name = chance.randbytes(16)
            session, _ = sessions.open_session(name, 0, sequence)
            if session == OPEN_FULL:
                assert len(open_now) == 3000
                continue
            open_now[session] = (name, sequence)
    assert sessions.session_ids() == list(open_now)
    for number, (session, (name, _)) in enumerate(list(open_now.items())):
        assert sessions.decide(session, 1) == Verdict.APPLY
        assert sessions.open_session(name, session, 50_000 + number) == (session, 0)
