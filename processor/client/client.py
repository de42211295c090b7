"""The client: one session with a service, which survives the loss of connections and of the service's process."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from processor.app import App
from processor.client.admin import admin
from processor.client.answers import Answer, Decoder
from processor.client.encode import Encoder
from processor.client.handshake import (
    KIND_SESSION,
    REPLY_ERROR,
    REPLY_EVICTED,
    Evicted,
    NotNow,
    Welcome,
    connect,
    hello,
    open_session,
)
from processor.client.wire import CLOSED, SPECIAL, Wire
from processor.errors import ClientError, ClientTimeout, SessionEvicted, WrongUse
from processor.schema import Schema

SLICE_MS = 100                # of waiting without the GIL, between looks at signals and at the time
ATTEMPT_S = 0.5               # for one attempt to connect again, where a call does not wait for it to succeed
BACKOFF_S = (0.005, 0.5)      # between two attempts to connect: the first, the longest


class Client:
    """A session with the service at `address` (unix:/path).

    With an `app`, events and outputs are instances of its classes and its schema must be the service's; without,
    events are (name, {field: value}) and outputs are Output(type, fields). At most `window` requests are in flight (the
    service's own limit by default). A call raises ClientTimeout when no answer comes for `timeout_s` seconds; what
    was asked stays in flight, and its answer comes later. A lost connection is made again, for at most `reconnect_s`
    seconds, and everything unanswered is sent again; the service applies nothing twice. The first connection is tried
    for `connect_s` seconds.

    Raises ClientError when nobody answers or the service refuses, SessionEvicted when it has forgotten the session.
    Thread safety: one thread at a time; use a client each for several. Not to be used in a child after a fork.
    """

    def __init__(
        self,
        address: str,
        app: App | None = None,
        *,
        timeout_s: float = 10.0,
        window: int | None = None,
        reconnect_s: float = 30.0,
        connect_s: float = 0.0,
    ) -> None:
        if window is not None and window < 1:
            raise WrongUse(f"window is at least 1, not {window}")
        self.address = address
        self.timeout_s = timeout_s
        self.reconnect_s = reconnect_s
        self._app = app
        self._token = os.urandom(16)
        self._window = window
        self._socket: socket.socket | None = None
        self._dead: ClientError | None = None  # what ended the session; answers that came before it can still be read
        self._closed = False
        self._answers: deque[Answer | ClientError] = deque()
        self._welcome: Welcome | None = None
        self._lost_at = time.monotonic()
        self._wire = Wire(32, 1)  # until the welcome tells the sizes
        self.schema: Schema
        self._connect(connect_s, time.monotonic() + max(connect_s, timeout_s))

    # Asking.

    def query(self, name: str, *arguments: Any) -> Any:
        """The answer of a query that the application declares with @app.query, from the live state.

        It follows an event that was put into the journal after this call: everything that any client was answered before is in
        it. Arguments and answer travel as JSON. Raises ClientError when the service has no such query, or it raised.
        """
        answer = admin(
            self.address, {"command": "query", "name": name, "arguments": list(arguments)}, timeout_s=self.timeout_s
        )
        if not answer.get("ok"):
            raise ClientError(f"{self.address}: {answer.get('error', answer)}")
        return answer["answer"]

    def request(self, event: Any) -> Answer:
        """Sends one event and waits for its answer. Those of earlier requests that come meanwhile wait in `answers`."""
        number = self.submit(event)
        self._wait(number)
        self._decode()
        # It was the last one that was sent, so its answer is the last one that came.
        answer = self._answers.pop()
        if isinstance(answer, ClientError):
            raise answer
        return answer

    def submit(self, event: Any) -> int:
        """Sends one event without waiting for its answer (only for room in the window); its request number."""
        kind, payload = self._encoder.event(event)
        self._put_payloads(kind, np.frombuffer(payload, np.uint8).reshape(1, -1))
        return self._wire.submitted

    def send_many(self, events: Iterable[Any]) -> range:
        """Sends events without waiting for their answers; their request numbers. Answers pile up until they are read.

        Raises WrongUse at the first event that does not fit its declaration; it is not sent, those before it are.
        """
        first = self._wire.submitted + 1
        try:
            for event in events:
                kind, payload = self._encoder.event(event)
                self._put_payloads(kind, np.frombuffer(payload, np.uint8).reshape(1, -1), push=False)
        finally:
            self._push()
        return range(first, self._wire.submitted + 1)

    def send_array(self, event: Any, payloads: np.ndarray[Any, Any]) -> range:
        """Sends one event of this type (class or name) for each element of a structured array; their request numbers.

        `payloads`: shape (n,), the fields of the event (any byte order and alignment, integers of any size). Answers
        pile up until they are read. Raises WrongUse when any value does not fit its field; nothing is sent then.
        """
        first = self._wire.submitted + 1
        self._put_payloads(*self._encoder.array(event, payloads))
        return range(first, self._wire.submitted + 1)

    def answers(self) -> Iterator[Answer]:
        """The answers of everything that was sent, in order, until all of it is answered.

        Raises ClientError for a request that the service refused as too old or as a gap; iterating again goes on
        behind it.
        """
        while True:
            self._check_open()
            while self._answers:
                answer = self._answers.popleft()
                if isinstance(answer, ClientError):
                    raise answer
                yield answer
            self._decode()
            if self._answers:
                continue
            if self._wire.answered == self._wire.submitted:
                return
            self._wait(self._wire.answered + 1)

    def offer(self, slots: np.ndarray[Any, Any]) -> range:
        """Sends as many of these slots (see `stream`) as the window has room for, waits for nothing; their numbers."""
        self._check()
        first = self._wire.submitted + 1
        self._wire.put_slots(self._encoder.slots(slots))
        self._push()
        return range(first, self._wire.submitted + 1)

    def receive_frames(self, wait_s: float | None = None, *, answers: int = 1) -> bytes:
        """The reply frames of whole answers, in order, as they came; waits if there are none and some are due.

        It waits for `answers` more of them, or all that are due, for at most wait_s seconds: then what there is, maybe
        nothing. Without wait_s it waits for one, and raises ClientTimeout as any call does. A lost connection is made
        again here, too; that takes up to ATTEMPT_S. For fast consumers; do not mix it with `answers`: that misses
        what is taken here.
        """
        self._check_open()
        frames = self._wire.take()
        if not frames and self._wire.answered < self._wire.submitted:
            if wait_s is None:
                self._wait(self._wire.answered + 1)
            else:
                self._wait_a_little(min(self._wire.answered + answers, self._wire.submitted), wait_s)
            frames = self._wire.take()
        return frames

    def stream(
        self, slots: np.ndarray[Any, Any], on_frames: Callable[[bytes], object], *, window: int | None = None
    ) -> range:
        """Sends whole slots and calls `on_frames` with the reply frames, in order, each once; returns when all are
        answered.

        `slots`: shape (n,), an item of slot_bytes each (or uint8 of shape (n, slot_bytes)); type, length and payload
        are the caller's, session and request are filled in. At most `window` are in flight. Answers of earlier
        requests stay for `answers`. Returns the request numbers. What is raised on the way (see the class) comes
        after the frames that came before it.
        """
        rows = self._encoder.slots(slots)
        self._wait(self._wire.submitted)
        self._decode()
        first = self._wire.submitted + 1
        limit = self._wire.limit
        done = 0
        try:
            if window is not None:
                self._wire.limit = max(1, min(window, limit))
            while done < len(rows) or self._wire.answered < self._wire.submitted:
                done += self._wire.put_slots(rows[done:])
                # A part of what is in flight: the rest keeps the service busy while the frames are looked at.
                flying = self._wire.submitted - self._wire.answered
                try:
                    self._wait(self._wire.answered + max(1, flying // 4))
                finally:
                    frames = self._wire.take()
                    if frames:
                        on_frames(frames)
        finally:
            self._wire.limit = limit
        return range(first, self._wire.submitted + 1)

    def trips(
        self, slots: np.ndarray[Any, Any], *, rate: float = 0.0, window: int | None = None
    ) -> tuple[np.ndarray[Any, np.dtype[np.int64]], bytes]:
        """The round trip of each of these slots in ns, and all their reply frames; measured without Python's own time.

        `rate`: event k is due k / rate seconds after the start, is sent then or once the window allows, and its trip
        counts from when it was due. 0: each is sent as soon as the window allows (1: one alone), and counts from then.
        `slots` as for `stream`; at most `window` are in flight.
        """
        rows = self._encoder.slots(slots)
        took = np.zeros(len(rows), np.int64)
        self._wait(self._wire.submitted)
        self._decode()
        first, limit = self._wire.submitted + 1, self._wire.limit
        start = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        seen, deadline = self._wire.answered, time.monotonic() + self.timeout_s
        try:
            if window is not None:
                self._wire.limit = max(1, min(window, limit))
            while len(rows) and self._wire.answered < first - 1 + len(rows):
                if self._socket is None:
                    self._connect(self.reconnect_s, deadline)
                self._after(self._wire.trips(rows, first, rate, start, took, SLICE_MS))
                now = time.monotonic()
                if self._wire.answered != seen or self._wire.submitted == self._wire.answered:
                    seen, deadline = self._wire.answered, now + self.timeout_s
                elif now >= deadline:
                    raise self._timeout("no answer")
        finally:
            self._wire.limit = limit
        return took, self._wire.take()

    # What it is.

    @property
    def session(self) -> int:
        """The number of this session, as the service knows it."""
        return self._wire.session

    @property
    def window(self) -> int:
        """Most requests in flight."""
        return self._wire.limit

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet."""
        return self._wire.submitted - self._wire.answered

    @property
    def unanswered(self) -> tuple[int, ...]:
        """Request numbers that have no answer yet."""
        return tuple(range(self._wire.answered + 1, self._wire.submitted + 1))

    def close(self) -> None:
        """Closes the connection; every later call raises ClientError. What is unanswered may or may not be applied."""
        self._drop()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The way out and back.

    def _put_payloads(self, kind: int, payloads: np.ndarray[Any, np.dtype[np.uint8]], push: bool = True) -> None:
        self._check()
        done = self._wire.put_payloads(kind, payloads)
        while done < len(payloads):
            # Half a window at once: as few turns as that allows.
            self._wait(self._wire.answered + max(1, self._wire.limit // 2))
            done += self._wire.put_payloads(kind, payloads[done:])
        if push:
            self._push()

    def _push(self) -> None:
        """Gives the socket what it takes now, without waiting. Whoever waits next makes a lost connection again."""
        if self._socket is not None:
            self._after(self._wire.pump(self._wire.submitted, 0))

    def _wait(self, until: int) -> None:
        """Until this request is answered; raises ClientTimeout when no answer at all comes for timeout_s."""
        self._check()
        seen = self._wire.answered
        deadline = time.monotonic() + self.timeout_s
        while self._wire.answered < until:
            if self._socket is None:
                self._connect(self.reconnect_s, deadline)
            self._after(self._wire.pump(until, SLICE_MS))
            now = time.monotonic()
            if self._wire.answered != seen:
                seen, deadline = self._wire.answered, now + self.timeout_s
            elif now >= deadline:
                raise self._timeout("no answer")

    def _wait_a_little(self, until: int, wait_s: float) -> None:
        """Until this request is answered, for at most wait_s; a lost connection is tried once."""
        self._check()
        if self._socket is None:
            try:
                self._connect(self.reconnect_s, time.monotonic() + max(wait_s, ATTEMPT_S))
            except ClientTimeout:
                return
        self._after(self._wire.pump(until, wait_s * 1000))

    def _after(self, code: int) -> None:
        if code == CLOSED:
            self._drop()
        elif code == SPECIAL:
            self._on_special()

    def _on_special(self) -> None:
        """A frame that is no answer: the service ends the session or the connection."""
        kind, _request, payload = self._wire.special or (0, 0, b"")
        self._drop()
        if kind == REPLY_EVICTED:
            self._evicted()
        text = payload.decode(errors="replace") if kind == REPLY_ERROR else f"unexpected frame of type {kind:#x}"
        self._die(ClientError(f"the service closed the connection: {text}"))

    def _decode(self) -> None:
        self._answers.extend(self._decoder.answers(self._wire.take()))

    def _check_open(self) -> None:
        if self._closed:
            raise ClientError("this client is closed: make a new one")

    def _check(self) -> None:
        self._check_open()
        if self._dead is not None:
            raise self._dead

    def _die(self, error: ClientError) -> None:
        self._dead = error
        raise error

    def _evicted(self) -> None:
        many = len(self.unanswered)
        self._die(
            SessionEvicted(
                f"the service has evicted session {self.session}; {many} requests are unanswered and are not sent "
                "again, since nobody knows whether they were applied: look at the state, then open a new client",
                self.unanswered,
            )
        )

    def _timeout(self, what: str) -> ClientTimeout:
        many = len(self.unanswered)
        return ClientTimeout(
            f"{what} from {self.address} for {self.timeout_s:g} s; {many} requests stay in flight", self.unanswered
        )

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._wire.disconnect()
            self._lost_at = time.monotonic()

    def _connect(self, patience_s: float, deadline: float) -> None:
        """Connects (again), trying for patience_s since the connection was lost, but not past the deadline."""
        pause, longest = BACKOFF_S
        while True:
            try:
                made = connect(self.address, deadline - time.monotonic())
                try:
                    self._open(made)
                except BaseException:
                    made.close()
                    raise
                return
            except Evicted:
                self._evicted()
            except NotNow as error:
                now = time.monotonic()
                if now - self._lost_at >= patience_s:
                    self._lost_at = now  # whoever asks again has the patience again
                    raise ClientError(f"{error}, tried for {patience_s:g} s: is the service running there?") from error
                if now >= deadline:
                    raise self._timeout(f"no connection ({error})") from error
                time.sleep(min(pause, max(0.0, deadline - now)))
                pause = min(2 * pause, longest)

    def _open(self, made: socket.socket) -> None:
        known = self._welcome
        schema = known if known is not None else (self._app.schema if self._app is not None else None)
        welcome = open_session(
            made,
            hello(
                KIND_SESSION,
                fingerprint=schema.fingerprint if schema is not None else 0,
                token=self._token,
                session=known.session if known is not None else 0,
                slot_bytes=schema.slot_bytes if schema is not None else 0,
            ),
        )
        if known is None:
            self._begin(welcome)
        elif welcome.journal_id != known.journal_id:
            self._die(
                ClientError(
                    f"the service at {self.address} has another journal now ({welcome.journal_id:016x}, it was "
                    f"{known.journal_id:016x}): this session is not in it"
                )
            )
        elif welcome.last_request < self._wire.answered:
            self._die(
                ClientError(
                    f"the service has lost answered requests: its last one is {welcome.last_request}, but "
                    f"{self._wire.answered} was answered"
                )
            )
        self._wire.limit = min(self._window or welcome.window, welcome.window, self._wire.window)
        made.setblocking(False)
        self._wire.connect(made.fileno(), welcome.session)
        self._socket = made

    def _begin(self, welcome: Welcome) -> None:
        self._welcome = welcome
        self.schema = self._app.schema if self._app is not None else Schema.parse(welcome.schema)
        self._wire = Wire(welcome.slot_bytes, min(self._window or welcome.window, welcome.window))
        self._encoder = Encoder(self.schema, self._app)
        self._decoder = Decoder(self.schema, self._encoder.output_classes())
