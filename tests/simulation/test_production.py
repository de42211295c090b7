"""What the simulation has proved holds for production only if that is driven by the very same classes and functions."""

from pathlib import Path

import pytest

from processor import service as service_module
from processor.client import Client
from processor.config import Config
from processor.counters import Counters
from processor.journal import journaler as journaler_module
from processor.journal import open_journal
from processor.journal.journaler import Journaler
from processor.layout import CONTROL_NAMES
from processor.leadership import claim, examine, validity
from processor.leadership.validity import LeaderLog, Validity
from processor.logic import core as core_module
from processor.logic import sessions as sessions_module
from processor.logic.core import Core
from processor.logic.live import LiveLogic
from processor.logic.sessions import Sessions
from processor.outputs.queue import OutputQueue
from processor.recovery import plan as plan_module
from processor.recovery import recover as recover_module
from processor.recovery.plan import PHASE_LEAD, RecoveryPlan, snapshot_position
from processor.recovery.replay import Replay
from processor.ring.buffer import Ring
from processor.ring.control import ControlQueue
from processor.service import Service
from processor.snapshot import choice
from tests.simulation import leader as simulated_leader
from tests.simulation import process as simulated_process
from tests.simulation.application import Add, Total, app

NUMBERS = {name: number for number, name in CONTROL_NAMES.items()}
COMPILED = (validity, plan_module, sessions_module, core_module, journaler_module)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[RecoveryPlan]:
    """Every plan that recovery makes."""
    made: list[RecoveryPlan] = []

    def make(*arguments: int, **named: int) -> RecoveryPlan:
        made.append(RecoveryPlan(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(recover_module, "RecoveryPlan", make)
    return made


def test_the_classes_are_the_compiled_ones() -> None:
    for module in COMPILED:
        assert str(module.__file__).endswith(".so")
    for made in (Validity, LeaderLog, RecoveryPlan, Sessions):
        assert made.__flags__ & (1 << 9) == 0, f"{made.__name__} is made in Python"


def test_recovery_and_simulation_call_the_same_functions() -> None:
    assert service_module.recover is recover_module.recover
    for name in ("find_beginning", "resume", "compare_last_block", "build_claim", "parse_claim"):
        assert getattr(simulated_process, name) is getattr(recover_module, name)
    assert recover_module.build_claim is claim.build_claim
    assert recover_module.choose is choice.choose
    assert recover_module.check_last_block is choice.check_last_block
    assert simulated_leader.examine is journaler_module.examine is examine.examine
    assert recover_module.RecoveryPlan is simulated_process.RecoveryPlan is RecoveryPlan
    assert recover_module.Sessions is Sessions
    assert simulated_leader.snapshot_position is snapshot_position


def test_a_running_service_is_driven_by_them(tmp_path: Path, plans: list[RecoveryPlan]) -> None:
    service = Service(
        app, journal=f"embedded://{tmp_path}/journal", listen=f"unix:{tmp_path}/socket",
        snapshots=tmp_path / "snapshots", report=lambda text: None,
    )  # fmt: skip
    service.start()
    try:
        recovered = service.recovered
        assert recovered is not None
        with Client(f"unix:{tmp_path}/socket", app) as client:
            assert client.request(Add(1, 4)).outputs == [Total(1, 4, service.core.state.chain)]
            session = client.session
    finally:
        service.stop()
        assert service.run() == 0
    # The plan has read the own claim, the leader's log has seen every block acknowledged, the table knows the request.
    (plan,) = plans
    assert (type(plan), plan.phase) == (RecoveryPlan, PHASE_LEAD)
    log = recovered.log
    assert type(log) is LeaderLog
    assert (log.epoch_offset, log.epoch_writer) == (plan.validity.epoch_offset, plan.validity.epoch_writer)
    assert type(log.validity) is type(plan.validity) is Validity
    assert log.validity.next_sequence == service.core.sequence + 1 > 2
    assert type(service.core) is Core
    assert type(service.core.sessions) is Sessions
    assert service.core.sessions.last(session) == 1
    with open_journal(f"embedded://{tmp_path}/journal") as journal:
        assert log.expected_offset == journal.ends()[1]


def test_nothing_else_can_take_their_place() -> None:
    ring, control = Ring(64, 64, reserved=8), object()
    core = Core(app, Sessions())
    with open_journal("memory:", write=True) as journal:
        settings = {"next_sequence": 1, "timestamp": 0, "fingerprint": 1, "max_block_events": 8, "counters": Counters()}
        with pytest.raises(TypeError, match="LeaderLog"):
            Journaler(ring, journal, Validity(), **settings)         # type: ignore[arg-type]
        with pytest.raises(TypeError, match="RecoveryPlan"):
            Replay(core, journal.reader(0), control)                 # type: ignore[arg-type]
        with pytest.raises(TypeError, match="Sessions"):
            Core(app, {})                                            # type: ignore[arg-type]


class Keeper:
    """Notes where snapshots are told to go on."""

    def __init__(self) -> None:
        self.positions: list[tuple[int, int]] = []

    def ask_snapshot(self) -> None:
        """Nobody asks here."""

    def on_snapshot(self, payload: bytes, position: int, last_block_offset: int, last_block_checksum: int) -> None:
        self.positions.append((position, last_block_offset))

    def on_hash(self, payload: bytes) -> None:
        """Nothing to compare."""


@pytest.mark.parametrize(
    ("kinds", "position"),
    [(["snapshot", "read-marker"], (1, 1)), (["read-marker", "snapshot"], (2, 1)), (["snapshot"], (2, 1))],
    ids=["in the middle of a block", "at a block's end", "alone"],
)
def test_the_live_logic_goes_on_where_snapshot_position_says(
    tmp_path: Path, kinds: list[str], position: tuple[int, int]
) -> None:
    counters, keeper = Counters(), Keeper()
    with open_journal("memory:", write=True) as journal:
        recovered = recover_module.recover(
            app, journal, tmp_path, Config(), counters=counters, report=lambda text: None
        )
        ring = Ring(app.schema.slot_bytes, 64, reserved=8)
        control = ControlQueue(ring, 8)
        journaler = Journaler(
            ring, journal, recovered.log,
            next_sequence=1, timestamp=0, fingerprint=1, max_block_events=8, counters=counters,
        )  # fmt: skip
        recovered.core.answer_through(OutputQueue(4096), control, recovered.journal_id)
        logic = LiveLogic(ring, recovered.core, journaler, keeper)
        for kind in kinds:
            assert control.put(NUMBERS[kind])
        assert control.drain_now() == len(kinds)
        journaler.drain()
        journaler.run()
        logic.finish()
        logic.run()
    sequence = 1 + kinds.index("snapshot")
    assert keeper.positions == [position]
    assert position[0] == snapshot_position(1, 2, 1, len(kinds), sequence + 1)
