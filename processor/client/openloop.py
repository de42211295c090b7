"""An open loop: events sent at the times of a schedule, whatever the service does, and the times of their round trips.

A client that waits for a slow answer before it goes on sends less just when it should measure (coordinated omission).
Here event k is due at start + k / rate, and its round trip counts from then, also when the window was full or the
service away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from processor.client.client import Client
from processor.client.frames import answered
from processor.client.latency import Latencies

Slots = np.ndarray[Any, np.dtype[np.uint8]]

AT_ONCE = 4_096             # slots
GRAIN_S = 0.0002            # events that are due within it go together: a wake-up each would cost more than it tells
LOOK_S = 0.05               # most that is waited at a time: the caller has signals and a clock to look at


class OpenLoop:
    """Sends what `supply(n)` gives (1 to n slots, shape (k, slot_bytes)) at `rate` events/s, with 0 as fast as it goes.

    With a rate, a round trip is from when the event was due, else from when it was given to the client. `on_frames`
    gets the reply frames, whole answers in order. After `most_s` seconds' worth of events nothing is due any more.
    """

    def __init__(
        self, client: Client, supply: Callable[[int], Slots], on_frames: Callable[[bytes], object], *,
        rate: float = 0.0, most_s: float | None = None,
    ) -> None:
        self._client, self._supply, self._on_frames = client, supply, on_frames
        self._rate, self._most_s = rate, most_s
        size = 1 << (2 * client.window - 1).bit_length()
        self._due_at = np.zeros(size, np.float64)       # by request number; more than can be in flight
        self._mask = size - 1
        self.started = time.perf_counter()
        self.sent = 0
        self.answered = 0           # and taken: what is sent may bring in answers that are taken later
        self.sequence = 0
        self.latencies = Latencies()

    @property
    def finished(self) -> bool:
        """Whether all that will ever be due is sent and answered."""
        return self.sent == self.answered and self._due(time.perf_counter() - self.started) == 0 and self._is_over()

    def turn(self) -> None:
        """Sends what is due, and takes what comes, for a little while."""
        now = time.perf_counter() - self.started
        due = min(self._due(now), AT_ONCE, self._client.window - self._client.in_flight)
        if due > 0:
            self._send(self._supply(due), now)
        self._receive(self._wait_s())

    def drain(self, wait_s: float = LOOK_S) -> None:
        """Sends nothing more, and takes what comes, for at most wait_s."""
        self._receive(wait_s)

    def _is_over(self) -> bool:
        return self._most_s is not None and time.perf_counter() - self.started >= self._most_s

    def _due(self, now: float) -> int:
        """Events that should have been sent by now (seconds since the start) and are not."""
        if self._rate == 0:
            return 0 if self._most_s is not None and now >= self._most_s else AT_ONCE
        if self._most_s is not None:
            now = min(now, self._most_s)
            if now == self._most_s:
                return round(now * self._rate) - self.sent
        return int(now * self._rate) + 1 - self.sent

    def _wait_s(self) -> float:
        """Until the next event is due."""
        if self._rate == 0:
            return LOOK_S
        next_at = self.started + self.sent / self._rate
        return min(max(next_at - time.perf_counter(), GRAIN_S), LOOK_S)

    def _send(self, slots: Slots, now: float) -> None:
        numbers = self._client.offer(slots)
        index = np.arange(numbers.start, numbers.stop)
        self._due_at[index & self._mask] = (index - 1) / self._rate if self._rate else now
        self.sent += len(numbers)

    def _receive(self, wait_s: float) -> None:
        flying = self._client.in_flight
        # As fast as it goes: a part of what is in flight, so that the rest keeps the service busy meanwhile.
        frames = self._client.receive_frames(wait_s, answers=1 if self._rate else max(1, flying // 4))
        if not frames:
            if flying == 0:
                time.sleep(wait_s)
            return
        now = time.perf_counter() - self.started
        requests, sequences = answered(frames)
        self.latencies.add((now - self._due_at[requests.astype(np.int64) & self._mask]) * 1e9)
        self.answered += len(requests)
        self.sequence = max(self.sequence, int(sequences[-1]))
        self._on_frames(frames)
