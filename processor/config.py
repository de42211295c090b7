"""Every setting of a service, with its unit, its default, and what it bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from processor.affinity import check_affinity
from processor.errors import WrongUse

WAIT_STRATEGIES = ("block", "yield", "spin")


@dataclass(frozen=True)
class Config:
    """Settings of one service. Raises WrongUse for values that cannot be."""

    # Ring: slots (a power of two); those kept back for control events. A full ring stops the gateway from reading.
    ring_slots: int = 65_536
    ring_reserved: int = 64
    wait: str = "block"

    # Journal: the most events a block holds. 1 makes one Kafka record of each event.
    max_block_events: int = 4_096
    journal_settings: dict[str, str] = field(default_factory=dict)
    allow_finite_retention: bool = False

    # Sessions: requests in flight, bytes of stored outputs of one session, sessions at once.
    window: int = 8_192
    kept_bytes_max: int = 16 * 1024 * 1024
    sessions_max: int = 4_096

    # Outputs: bytes between logic and the sockets; unsent bytes of one connection before it is not read any more, and
    # before it is closed.
    output_queue_bytes: int = 16 * 1024 * 1024

    # Snapshots: one every N events (0: only by command and at shutdown); how many are kept.
    snapshot_every: int = 1_000_000
    snapshots_kept: int = 3
    snapshot_at_shutdown: bool = True

    # Recovery: seconds without progress after which it gives up; whether recorded state hashes on the way are compared.
    recovery_stall_s: float = 60.0
    check_hashes: bool = True

    # Threads: the processors that gateway, journaler and logic may run on, by stage; a stage that is not named runs anywhere.
    affinity: dict[str, tuple[int, ...]] = field(default_factory=dict)

    # Stopping: seconds until each stage must have drained.
    drain_s: float = 30.0

    def __post_init__(self) -> None:
        if self.wait not in WAIT_STRATEGIES:
            raise WrongUse(f"wait is one of {', '.join(WAIT_STRATEGIES)}, not {self.wait!r}")
        if self.ring_slots & (self.ring_slots - 1) or self.ring_slots < 2 * self.ring_reserved:
            raise WrongUse(f"ring_slots is a power of two, at least twice ring_reserved ({self.ring_reserved})")
        if not 1 <= self.window <= self.ring_slots:
            raise WrongUse(f"window is from 1 to ring_slots ({self.ring_slots}), not {self.window}")
        for name in ("max_block_events", "kept_bytes_max", "sessions_max", "output_queue_bytes", "snapshots_kept"):
            if getattr(self, name) < 1:
                raise WrongUse(f"{name} is at least 1, not {getattr(self, name)}")
        check_affinity(self.affinity)
        if self.snapshot_every < 0:
            raise WrongUse(f"snapshot_every is 0 (never) or a number of events, not {self.snapshot_every}")
