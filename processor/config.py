"""Every setting of a service, with its unit, its default, and what it bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from processor.affinity import check_affinity
from processor.errors import WrongUse

WAIT_STRATEGIES = ("block", "yield", "spin")
OUTPUT_QUEUE_BYTES_MIN = 262_144


@dataclass(frozen=True)
class Config:
    """Settings of one service. Raises WrongUse for values that cannot be."""

    # Ring: slots (a power of two); those kept back for control events. A full ring stops the gateway from reading.
    ring_slots: int = 65_536
    ring_reserved: int = 64
    wait: str = "block"

    # Journal: most events of a block. 1 makes one Kafka record of each event.
    max_block_events: int = 4_096
    # Most bytes of a block of several events; a Kafka topic takes 1,048,588 unless it was made otherwise.
    max_block_bytes: int = 524_288
    journal_settings: dict[str, str] = field(default_factory=dict)
    allow_finite_retention: bool = False

    # Sessions: requests in flight, bytes of stored outputs of one session, sessions at once.
    window: int = 8_192
    kept_bytes_max: int = 16 * 1024 * 1024
    sessions_max: int = 4_096

    # Connections: most at once; seconds until a new one must have said hello.
    connections_max: int = 4_096
    hello_s: float = 10.0

    # Outputs: bytes between logic and the sockets (a power of two); unsent bytes of one connection above which it is
    # not read any more, and above which it is closed.
    output_queue_bytes: int = 16 * 1024 * 1024
    unsent_pause_bytes: int = 1024 * 1024
    unsent_close_bytes: int = 256 * 1024 * 1024

    # Snapshots: one every N events, and one every so many seconds if anything happened (0: not so; both 0: only by command and at
    # shutdown); how many are kept.
    snapshot_every: int = 1_000_000
    snapshot_every_s: float = 0.0
    snapshots_kept: int = 3
    snapshot_at_shutdown: bool = True
    # Seconds after which a child that is still writing a snapshot is taken for hung, and killed.
    snapshot_timeout_s: float = 600.0

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
        for name in (
            "max_block_events", "max_block_bytes", "kept_bytes_max", "sessions_max", "output_queue_bytes",
            "snapshots_kept",
        ):
            if getattr(self, name) < 1:
                raise WrongUse(f"{name} is at least 1, not {getattr(self, name)}")
        if self.output_queue_bytes & (self.output_queue_bytes - 1) or self.output_queue_bytes < OUTPUT_QUEUE_BYTES_MIN:
            raise WrongUse(f"output_queue_bytes is a power of two, at least {OUTPUT_QUEUE_BYTES_MIN} (room for the "
                           f"longest output), not {self.output_queue_bytes}")
        if not 1 <= self.connections_max <= 65_535:
            raise WrongUse(f"connections_max is from 1 to 65535, not {self.connections_max}")
        if not 0 < self.unsent_pause_bytes <= self.unsent_close_bytes:
            raise WrongUse(f"unsent_pause_bytes is from 1 to unsent_close_bytes ({self.unsent_close_bytes}), "
                           f"not {self.unsent_pause_bytes}")
        if not self.hello_s > 0:
            raise WrongUse(f"hello_s is more than 0 seconds, not {self.hello_s}")
        if self.sessions_max < 2:
            raise WrongUse("sessions_max is at least 2: one place is kept free for the next to open")
        check_affinity(self.affinity)
        if self.snapshot_every < 0:
            raise WrongUse(f"snapshot_every is 0 (never) or a number of events, not {self.snapshot_every}")
        if not 0 <= self.snapshot_every_s < float("inf"):
            raise WrongUse(f"snapshot_every_s is 0 (never) or a number of seconds, not {self.snapshot_every_s}")
        if not self.snapshot_timeout_s > 0:
            raise WrongUse(f"snapshot_timeout_s is more than 0 seconds, not {self.snapshot_timeout_s}")
