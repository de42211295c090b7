"""A client of the simulated service, and its connections: both lose things, none of which may matter."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.fold import BUSY, EVICTED, GAP, GONE, LAST, OPEN, REPLY, TOO_OLD, WELCOME, Violation
from tests.simulation.leader import Event, Leader

if TYPE_CHECKING:
    from tests.simulation.world import World

PATIENCE = 60                     # without a frame, before a client looks for another connection


class Connection:
    """A way to one process and back: in order; what is on it when it breaks is partly lost."""

    def __init__(self, world: World, number: int, client: Client, process: Leader) -> None:
        self.world = world
        self.number = number
        self.client = client
        self.process = process
        self.open = True
        self.requests: deque[Event] = deque()
        self.replies: deque[bytes] = deque()

    def to_process(self, event: Event) -> None:
        self.requests.append(event)
        self.process.soon(self.world.delay(), self._arrive)

    def _arrive(self) -> None:
        if self.requests:
            self.process.intake(self, self.requests.popleft())

    def to_client(self, frames: list[bytes]) -> None:
        for frame in frames:
            if self.open:
                self.replies.append(frame)
                self.world.after(self.world.delay(), self._reply)
            else:
                self.world.count("replies-lost")

    def _reply(self) -> None:
        if self.replies:
            self.client.receive(self, self.replies.popleft())

    def lose(self) -> None:
        """No reply arrives any more; of the requests on their way some still do, from the front on."""
        if self.open:
            self.open = False
            self.world.count("replies-lost", len(self.replies))
            self.replies.clear()
            kept = self.world.random.randrange(len(self.requests) + 1)
            while len(self.requests) > kept:
                self.requests.pop()


class Client:
    """Asks `requests` times, at most `window` at once; sends everything unanswered again over every new connection."""

    def __init__(self, world: World, number: int, requests: int, window: int, pause: int) -> None:
        self.world = world
        self.number = number
        self.left = requests
        self.window = window
        self.pause = pause
        self.connection: Connection | None = None
        self.forget()
        world.after(world.random.randrange(20), self.act)

    def __str__(self) -> str:
        return f"client {self.number}"

    def forget(self) -> None:
        """Begins anew, with another token: at the beginning, and when the session was evicted."""
        self.token = self.world.random.randbytes(16)
        self.session = 0
        self.sent = self.done = 0
        self.unanswered: dict[int, tuple[int, int]] = {}
        self.frames: list[bytes] = []
        self.drop()

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.lose()
        self.connection = None
        self.welcomed = False

    @property
    def finished(self) -> bool:
        return self.left == 0 and not self.unanswered

    @property
    def waits(self) -> bool:
        return not self.welcomed or bool(self.unanswered)

    def act(self) -> None:
        if self.finished:
            return
        world = self.world
        if self.connection is None:
            self.connect()
        elif not self.connection.open or (self.waits and world.now - self.heard > PATIENCE):
            world.trace(self, "gives its connection up")
            self.drop()
        elif self.welcomed and self.left and len(self.unanswered) < self.window:
            if not self.unanswered:
                self.heard = world.now
            for _ in range(world.random.randint(1, min(self.left, self.window - len(self.unanswered)))):
                self.left -= 1
                self.sent += 1
                self.unanswered[self.sent] = (world.random.randrange(3), world.random.randrange(12))
                self.send(self.sent)
        world.after(world.random.randint(1, self.pause), self.act)

    def connect(self) -> None:
        leaders = [process for process in self.world.processes if process.leads]
        if not leaders:
            return
        process = self.world.random.choice(leaders)
        self.connection = self.world.connect(self, process)
        self.world.trace(self, "connects to {} for session {}", process, self.session)
        self.heard = self.world.now
        self.frames = []
        payload = struct.pack("<16sQII", self.token, self.connection.number, self.session, 0)
        self.connection.to_process(Event(0, OPEN, 0, payload))

    def send(self, request: int) -> None:
        assert self.connection is not None
        self.connection.to_process(Event(self.session, 1, request, struct.pack("<I4xq", *self.unanswered[request])))

    def receive(self, connection: Connection, frame: bytes) -> None:
        """Takes the answer that is due; drops what came before or too early, since it comes again (as wire.pyx)."""
        if connection is not self.connection or not connection.open:
            return
        self.heard = self.world.now
        _, _, index, flags, kind, _, request = REPLY.unpack_from(frame)
        if kind == WELCOME:
            self.welcomed = True
            self.session = int.from_bytes(frame[REPLY.size + 24 : REPLY.size + 28], "little")
            for again in self.unanswered:
                self.send(again)
        elif kind == EVICTED:
            self.world.count("evicted")
            self.forget()
        elif kind == BUSY:
            self.drop()
        elif request == self.done + 1 and index == len(self.frames):
            if kind in (TOO_OLD, GAP):
                raise Violation(f"{self}: request {request}, which was never answered, is refused as {kind:#x}")
            self.frames.append(frame)
            if flags & LAST:
                self.answered(request, kind)

    def answered(self, request: int, kind: int) -> None:
        frames, self.frames = self.frames, []
        self.done = request
        self.world.checker.accepted(self.token, self.session, request, frames, self.unanswered.pop(request))
        self.world.count("answers")
        if kind == GONE:
            self.world.count("outputs-gone")
        self.world.trace(self, "has the answer to {} of session {}", request, self.session)
