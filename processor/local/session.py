"""A session within the service's own process: events straight into its ring, answers straight out of its logic."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np

from processor.app import App
from processor.client.answers import Answer, Decoder
from processor.client.encode import Encoder
from processor.errors import ClientError, ClientTimeout, SessionEvicted, WrongUse
from processor.local.port import EVICTED, OPEN, OVERFLOWN, REFUSED, Intake, Port
from processor.logic.views import Packer

SLICE_MS = 100  # of waiting without the GIL, between looks at signals and at the time
REFUSED_S = 0.005  # between two attempts to open a session while the table is full
INBOX_BYTES = 16 * 1024 * 1024


class LocalSession:
    """Submits events of an application to the service that runs in this process; made by Service.session.

    Events go through journal and logic as those of any client, and are answered when they are durable and applied. With
    `answers`, what was said is kept until it is taken: at most `window` requests may have answers that nobody has
    taken, and `inbox_bytes` (a power of two) is what these may have, or the session ends. Without, answers are only
    counted (`answered`, `outputs`, `rejected`), and nothing but the ring's room limits what is in flight.

    Submitting waits for room and never queues anything beyond it. A call raises ClientTimeout when nothing moves for
    `timeout_s` seconds, ClientError when the service stops, SessionEvicted when it has forgotten the session.

    Thread safety: all methods, from any number of threads; the requests of one call are numbered without a gap.
    """

    def __init__(
        self,
        app: App,
        intake: Intake,
        *,
        answers: bool = True,
        window: int = 8192,
        inbox_bytes: int = INBOX_BYTES,
        timeout_s: float = 10.0,
    ) -> None:
        self.timeout_s = timeout_s
        self._intake = intake
        self._encoder = Encoder(app.schema, app)
        self._decoder = Decoder(app.schema, self._encoder.output_classes())
        self._packers = {cls: Packer(message) for cls, message in app.event_classes().items()}
        self._keeps = answers
        self._answers: dict[int, Answer] = {}
        self._submitting = threading.Lock()  # the requests of one call follow each other
        self._taking = threading.Condition()  # one thread takes; the others are told
        self._port = Port(intake, inbox_bytes if answers else 0, window)
        token = os.urandom(16)
        self._until(lambda: self._open(token), "no place in the session table, or no answer,")

    def _open(self, token: bytes) -> bool:
        self._port.open(token, SLICE_MS)
        if self._port.state == REFUSED:
            time.sleep(REFUSED_S)  # the longest idle session is evicted by an event, which takes a moment
        return self._port.state not in (0, REFUSED)

    # Submitting.

    def submit(self, event: Any) -> int:
        """Submits one event, an instance of a declared class; its request number. Waits for room only."""
        packer = self._packers.get(type(event))
        if packer is None:
            raise WrongUse(f"{type(event).__name__} is not declared with @app.event")
        with self._submitting:
            self._put(1, lambda done: self._port.put_event(packer, event, SLICE_MS))
            return self._port.submitted

    def submit_array(self, event: type | str, payloads: np.ndarray[Any, Any]) -> range:
        """Submits one event of this class for each element of a structured array; their request numbers.

        `payloads`: shape (n,), the fields of the event (any byte order and alignment).
        """
        kind, rows = self._encoder.array(event, payloads)
        return self._put_rows(rows, lambda done: self._port.put_payloads(kind, rows[done:], SLICE_MS))

    def submit_slots(self, slots: np.ndarray[Any, Any]) -> range:
        """Submits whole slots, shape (n,) of slot_bytes each, or uint8 of shape (n, slot_bytes); their request numbers.

        Type, length and payload are the caller's; the rest of the header is filled in. Raises WrongUse at a slot that
        is no event of the application; those before it are submitted.
        """
        rows = self._encoder.slots(slots)
        return self._put_rows(rows, lambda done: self._port.put_slots(rows[done:], SLICE_MS))

    # Answers.

    def wait(self, request: int | None = None) -> None:
        """Waits until this request (default: the last one submitted so far) is answered: durable and applied."""
        until = self._port.submitted if request is None else request
        if not 0 <= until <= self._port.submitted:
            raise WrongUse(f"request {until} was not submitted; the last one is {self._port.submitted}")
        self._until(lambda: until == 0 or self._port.wait(until, SLICE_MS), f"request {until} is not answered")

    def answer(self, request: int) -> Answer:
        """Waits for the answer to this request and takes it; each can be taken once.

        Raises WrongUse when answers are only counted, or when it was taken already.
        """
        if not self._keeps:
            raise WrongUse("this session only counts answers: open it with answers=True")
        self.wait(request)
        with self._taking:
            if request not in self._answers:
                self._take()
            found = self._answers.pop(request, None)
            if found is None:
                raise WrongUse(f"the answer to request {request} was taken already")
            self._release(1)
        return found

    def request(self, event: Any) -> Answer:
        """Submits one event and waits for its answer."""
        return self.answer(self.submit(event))

    def receive_frames(self) -> bytes:
        """The reply frames of whole answers, in order, that have come since the last call; empty when there are none.

        For fast consumers. What is taken here, `answer` does not find.
        """
        if not self._keeps:
            raise WrongUse("this session only counts answers: open it with answers=True")
        with self._taking:
            before = self._port.taken
            frames = self._port.take()
            self._release(self._port.taken - before)
        return frames

    # What it is.

    @property
    def session(self) -> int:
        """The number of this session, as the service knows it."""
        return self._port.session

    @property
    def submitted(self) -> int:
        """The number of the last request."""
        return self._port.submitted

    @property
    def answered(self) -> int:
        """The number of the last request that is answered; all before it are."""
        return self._port.answered

    @property
    def outputs(self) -> int:
        """Reply frames that were said, those of rejections and of events without outputs included."""
        return self._port.outputs

    @property
    def rejected(self) -> int:
        """Requests that were rejected."""
        return self._port.rejected

    def close(self) -> None:
        """Ends it. What is unanswered is applied all the same, and nobody is told."""
        self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The way in and out.

    def _put_rows(self, rows: np.ndarray[Any, Any], put: Callable[[int], int]) -> range:
        with self._submitting:
            first = self._port.submitted + 1
            self._put(len(rows), put)
            return range(first, self._port.submitted + 1)

    def _put(self, count: int, put: Callable[[int], int]) -> None:
        done = put(0)
        deadline = time.monotonic() + self.timeout_s
        while done < count:
            if self._intake.is_closed:
                raise ClientError(f"the service is stopping: {done} of {count} events were taken")
            self._check()
            if self._keeps and self._port.unreleased >= self._port.window:
                self._wait_for_takers()
            more = put(done)
            now = time.monotonic()
            if more:
                done, deadline = done + more, now + self.timeout_s
            elif now >= deadline:
                unanswered = self._unanswered()
                raise ClientTimeout(
                    f"no room for {self.timeout_s:g} s: {done} of {count} events were taken; {len(unanswered)} "
                    f"requests are unanswered, the answers of {self._port.unreleased - len(unanswered)} were not "
                    f"taken, and both together are at most {self._port.window}",
                    unanswered,
                )

    def _wait_for_takers(self) -> None:
        """Until somebody has taken answers, or for a moment."""
        with self._taking:
            if self._port.unreleased >= self._port.window:
                self._taking.wait(SLICE_MS / 1000)

    def _take(self) -> None:
        """Decodes what has come; the lock is held."""
        for answer in self._decoder.answers(self._port.take()):
            if isinstance(answer, ClientError):
                raise answer  # too old or a gap: never, where the session numbers its requests itself
            self._answers[answer.request] = answer

    def _release(self, count: int) -> None:
        """`count` answers were handed out; the lock is held."""
        self._port.release(count)
        self._taking.notify_all()

    def _until(self, reached: Callable[[], bool], what: str) -> None:
        deadline, seen = time.monotonic() + self.timeout_s, self._port.answered
        while not reached():
            self._check()
            if self._intake.is_over:
                raise ClientError(f"the service has stopped: {what}")
            now = time.monotonic()
            if self._port.answered != seen:
                seen, deadline = self._port.answered, now + self.timeout_s
            elif now >= deadline:
                raise ClientTimeout(f"{what} for {self.timeout_s:g} s", self._unanswered())
        self._check()

    def _unanswered(self) -> tuple[int, ...]:
        return tuple(range(self._port.answered + 1, self._port.submitted + 1))

    def _check(self) -> None:
        state = self._port.state
        if state in (0, OPEN, REFUSED):
            return
        if state == EVICTED:
            raise SessionEvicted(f"the service has evicted session {self.session}: open a new one", self._unanswered())
        if state == OVERFLOWN:
            raise ClientError(
                f"the answers that nobody took were more than inbox_bytes: session {self.session} has ended, its "
                "events are applied. Take them sooner, or open it with a smaller window or a larger inbox"
            )
        raise ClientError("this session is closed")
