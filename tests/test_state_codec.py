"""A state written and read back is the same, its hash does not depend on its history, nothing else is accepted."""

import enum
import math
import os
import struct
import subprocess
import sys
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.errors import SnapshotError, WrongUse
from processor.fields import i8, text, u64
from processor.logic.native import NativeState
from processor.snapshot.state import check_state_type, decode_state, encode_state, state_hash

ROW = np.dtype([("flag", "u1"), ("price", "<f8"), ("name", "S5"), ("pair", "<i4", (2,))], align=True)


class Side(enum.Enum):
    BUY = 1
    SELL = 2


@dataclass
class Account:
    owner: str = ""
    balance: int = 0
    limits: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    x: float
    y: int


@dataclass
class Node:
    value: int
    children: list["Node"] = field(default_factory=list)


class Counter(NativeState):
    """Stands for a state kept in C."""

    def __init__(self) -> None:
        self.count = 0

    def export(self) -> bytes:
        return struct.pack("<q", self.count)

    def load(self, data: bytes) -> None:
        if len(data) != 8:
            raise ValueError(f"8 bytes expected, {len(data)} found")
        (self.count,) = struct.unpack("<q", data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counter) and other.count == self.count


@dataclass
class Everything:
    number: int = 0
    real: float = 0.0
    word: str = ""
    data: bytes = b""
    yes: bool = False
    nothing: None = None
    maybe: int | None = None
    either: int | str | Point | None = None
    small: i8 = 0
    large: u64 = 0
    label: text[8] = ""
    side: Side = Side.BUY
    numbers: list[int] = field(default_factory=list)
    pair: tuple[int, str] = (0, "")
    row: tuple[float, ...] = ()
    ids: set[int] = field(default_factory=set)
    tags: frozenset[str] = frozenset()
    queue: deque[int] = field(default_factory=lambda: deque(maxlen=9))
    by_id: dict[int, Account] = field(default_factory=dict)
    by_pair: dict[tuple[int, str], float] = field(default_factory=dict)
    by_point: dict[Point, bytes] = field(default_factory=dict)
    by_real: dict[float, int] = field(default_factory=dict)
    nested: dict[str, dict[int, set[bytes]]] = field(default_factory=dict)
    ordered: OrderedDict[int, int] = field(default_factory=OrderedDict)
    sums: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    tree: Node | None = None
    table: np.ndarray = field(default_factory=lambda: np.zeros(0, ROW))
    matrix: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    vector: Annotated[np.ndarray, np.dtype("f4")] = field(default_factory=lambda: np.zeros(0, "f4"))
    counter: Counter = field(default_factory=Counter)


I64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats()
POINTS = st.builds(Point, st.floats(allow_nan=False), I64)
NODES = st.recursive(
    st.builds(Node, I64), lambda inner: st.builds(Node, I64, st.lists(inner, max_size=3)), max_leaves=5
)


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    rows = draw(
        st.lists(st.tuples(st.integers(0, 255), FLOATS, st.binary(max_size=5), st.tuples(*[st.integers(-9, 9)] * 2)))
    )
    return np.array(rows, ROW)


@st.composite
def counters(draw: st.DrawFn) -> Counter:
    counter = Counter()
    counter.count = draw(I64)
    return counter


STATES = st.builds(
    Everything,
    number=I64,
    real=FLOATS,
    word=st.text(),
    data=st.binary(),
    yes=st.booleans(),
    maybe=st.none() | I64,
    either=st.none() | I64 | st.text() | POINTS,
    small=st.integers(-128, 127),
    large=st.integers(0, 2**64 - 1),
    label=st.text("abcé", max_size=4),
    side=st.sampled_from(Side),
    numbers=st.lists(I64),
    pair=st.tuples(I64, st.text()),
    row=st.lists(FLOATS).map(tuple),
    ids=st.sets(I64),
    tags=st.frozensets(st.text()),
    queue=st.lists(I64).map(lambda items: deque(items, 5)),
    by_id=st.dictionaries(I64, st.builds(Account, st.text(), I64, st.lists(FLOATS))),
    by_pair=st.dictionaries(st.tuples(I64, st.text()), FLOATS),
    by_point=st.dictionaries(POINTS, st.binary()),
    by_real=st.dictionaries(st.floats(allow_nan=False), I64),
    nested=st.dictionaries(st.text(), st.dictionaries(I64, st.sets(st.binary()))),
    ordered=st.dictionaries(I64, I64).map(OrderedDict),
    sums=st.dictionaries(st.text(), I64).map(lambda items: defaultdict(int, items)),
    tree=st.none() | NODES,
    table=tables(),
    vector=st.lists(st.floats(width=32)).map(lambda items: np.array(items, "f4")),
    counter=counters(),
)


def same(a: Any, b: Any) -> bool:
    """Equality that holds NaN equal to itself and looks at types and at the order of maps."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b) or (a != a and b != b)
    if isinstance(a, np.ndarray):
        return (
            a.dtype == b.dtype and a.shape == b.shape and all(map(same, a.reshape(-1).tolist(), b.reshape(-1).tolist()))
        )
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a.items(), b.items(), strict=True))
    if isinstance(a, list | tuple | deque):
        return len(a) == len(b) and all(map(same, a, b)) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b


@settings(max_examples=150, deadline=None)
@given(STATES)
def test_an_ordered_round_trip_gives_the_same_state_with_its_order_and_the_same_hash(state: Everything) -> None:
    kept = decode_state(Everything, bytes(encode_state(state, ordered=True)))
    normal = decode_state(Everything, bytes(encode_state(kept, ordered=True)))
    assert same(normal, kept)
    for name in Everything.__dataclass_fields__:
        if name not in ("by_real", "by_point"):  # their keys may hold -0.0, which becomes 0.0
            assert same(getattr(kept, name), getattr(state, name)), name
    assert kept.by_real == state.by_real and kept.by_point == state.by_point
    assert state_hash(kept) == state_hash(state)


@settings(max_examples=100, deadline=None)
@given(STATES, st.randoms())
def test_the_canonical_form_is_the_same_for_every_insertion_history(state: Everything, random: Any) -> None:
    def shuffled(items: dict[Any, Any]) -> dict[Any, Any]:
        pairs = list(items.items())
        random.shuffle(pairs)
        return dict(pairs)

    before = bytes(encode_state(state))
    state.by_id, state.by_pair, state.by_point = (
        shuffled(state.by_id),
        shuffled(state.by_pair),
        shuffled(state.by_point),
    )
    state.sums = defaultdict(int, shuffled(state.sums))
    state.nested = shuffled({key: shuffled(value) for key, value in state.nested.items()})
    state.ids = set(sorted(state.ids, reverse=True))
    assert bytes(encode_state(state)) == before
    assert bytes(encode_state(decode_state(Everything, before))) == before


def test_the_order_of_an_ordered_dict_is_part_of_the_state() -> None:
    one, two = Everything(ordered=OrderedDict({1: 1, 2: 2})), Everything(ordered=OrderedDict({2: 2, 1: 1}))
    assert state_hash(one) != state_hash(two)


def test_an_export_says_whether_keeping_the_order_made_it_differ_from_the_canonical_form() -> None:
    assert encode_state(Everything(by_real={1.0: 1, 2.0: 2}), ordered=True).canonical
    assert not encode_state(Everything(by_real={2.0: 1, 1.0: 2}), ordered=True).canonical
    assert encode_state(Everything(by_real={2.0: 1, 1.0: 2})).canonical


def test_the_hash_is_the_same_under_every_hash_seed() -> None:
    program = """
from dataclasses import dataclass, field
from processor.snapshot.state import state_hash
@dataclass
class S:
    names: set[str] = field(default_factory=lambda: {f"name{i}" for i in range(200)})
    sets: dict[frozenset[str], int] = field(
        default_factory=lambda: {frozenset((f"a{i}", f"b{i}")): i for i in range(50)})
print(state_hash(S()).hex(), list(S().names)[0])
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("0", "1", "4711")
    ]
    assert len({first for _, first in found}) > 1, "the seeds made no difference to the order of the set"
    assert len({digest for digest, _ in found}) == 1


def test_the_hash_of_a_known_state_never_changes() -> None:
    """Golden: a change here makes every hash in every journal differ. It needs a new format version."""
    state = Everything(number=-5, word="é", by_id={2: Account("b", 7, [math.nan]), 1: Account()}, ids={3, 1})
    state.table = np.array([(1, -math.nan, b"x", (1, 2))], ROW)
    assert state_hash(state).hex() == "d66c916bd68e97a263d8766fdcc16615"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": True}, "Everything.number is declared int, but holds True"),
        ({"number": np.int64(5)}, "Everything.number is declared int.*int64.*convert it"),
        ({"real": 1}, "Everything.real is declared float, but holds 1"),
        ({"word": b""}, "Everything.word"),
        ({"label": "éééééé"}, r"Everything.label is text\[8\]"),
        ({"nothing": 0}, "Everything.nothing"),
        ({"either": 1.5}, r"Everything.either is declared int\|str\|Point"),
        ({"numbers": [1, 2, "3"]}, r"Everything.numbers\[2\] is declared int"),
        ({"pair": (1,)}, "Everything.pair is declared.*1 elements"),
        ({"by_id": {7: Account(limits=[0.5, None])}}, r"Everything.by_id\[7\].limits\[1\] is declared float"),
        ({"by_id": {"7": Account()}}, "Everything.by_id key"),
        ({"by_real": {math.nan: 1}}, "NaN cannot be a key"),
        ({"by_id": defaultdict(Account)}, "Everything.by_id is declared dict"),
        ({"sums": defaultdict(float)}, "default_factory must be int"),
        ({"table": np.array([None])}, "Everything.table is an array of object"),
        ({"matrix": np.zeros(3)}, "Everything.matrix is declared.*float64"),
        ({"word": "\ud800"}, "no Unicode"),
    ],
)
def test_a_value_that_is_not_as_declared_is_refused_with_the_path_to_it(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        encode_state(Everything(**change))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"number": 2**63}, "Everything.number"),
        ({"number": -(2**63) - 1}, "Everything.number"),
        ({"small": 128}, "Everything.small is i8"),
        ({"large": -1}, "Everything.large is u64"),
        ({"numbers": [0, 2**64]}, r"Everything.numbers\[1\]"),
        ({"by_id": {3: Account(balance=2**63)}}, r"Everything.by_id\[3\].balance"),
    ],
)
def test_an_integer_out_of_range_overflows_with_the_path_to_it(change: dict[str, Any], path: str) -> None:
    with pytest.raises(OverflowError, match=path):
        encode_state(Everything(**change))


def test_one_object_in_two_places_is_refused_since_recovery_would_make_two_of_it() -> None:
    account = Account()
    with pytest.raises(SnapshotError, match=r"by_id\[2\].*in the state twice"):
        encode_state(Everything(by_id={1: account, 2: account}))
    point = Point(1.0, 1)
    encode_state(Everything(by_point={point: b""}, either=point))


def test_an_attribute_that_is_no_field_is_refused() -> None:
    state = Everything()
    state.cache = 5  # type: ignore[attr-defined]
    with pytest.raises(SnapshotError, match="'cache'"):
        encode_state(state)


def test_a_cycle_is_refused() -> None:
    node = Node(1)
    node.children.append(node)
    with pytest.raises(SnapshotError, match=r"twice"):
        encode_state(Everything(tree=node))


def test_a_nesting_too_deep_is_refused() -> None:
    root = node = Node(0)
    for value in range(100_000):
        node.children.append(Node(value))
        node = node.children[0]
    with pytest.raises(SnapshotError, match="too deep"):
        encode_state(Everything(tree=root))


@pytest.mark.parametrize(
    "hint", [Any, object, list, dict, dict[list[int], int], set[Account], complex, list[int] | list[str]]
)
def test_a_type_that_cannot_be_in_a_snapshot_is_refused_when_declared(hint: Any) -> None:
    kind = dataclass(type("Bad", (), {"__annotations__": {"thing": hint}}))
    with pytest.raises(WrongUse, match=r"Bad\.thing"):
        check_state_type(kind)


def test_arrays_of_any_memory_layout_give_the_same_bytes() -> None:
    plain = np.arange(24, dtype="<i8").reshape(4, 6)
    big = plain.astype(">i8")
    wide = np.zeros((8, 12), "<i8")
    wide[::2, ::2] = plain
    exports = {
        bytes(encode_state(Everything(table=array))) for array in (plain, big, np.asfortranarray(plain), wide[::2, ::2])
    }
    assert len(exports) == 1


def test_what_lies_in_the_holes_of_a_record_and_in_the_bits_of_nan_does_not_matter() -> None:
    clean = np.zeros(1000, ROW)
    clean["price"] = np.nan
    dirty = np.frombuffer(os.urandom(clean.nbytes), ROW).copy()
    for name in ROW.names or ():
        dirty[name] = clean[name]
    dirty["price"].view("u8")[...] = 0xFFF8_0000_0000_1234
    assert dirty.tobytes() != clean.tobytes()
    assert state_hash(Everything(table=dirty)) == state_hash(Everything(table=clean))
    dirty["price"] = clean["price"] = 1.5
    assert dirty.tobytes() != clean.tobytes()
    assert state_hash(Everything(table=dirty)) == state_hash(Everything(table=clean))


def test_every_nan_is_one_and_both_zeros_are_one_key() -> None:
    (odd,) = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_1234))
    assert state_hash(Everything(real=odd, row=(odd,))) == state_hash(Everything(real=math.nan, row=(math.nan,)))
    assert state_hash(Everything(by_real={-0.0: 1})) == state_hash(Everything(by_real={0.0: 1}))
    assert state_hash(Everything(real=-0.0)) != state_hash(Everything(real=0.0))


def test_a_canonical_array_is_handed_over_without_a_copy() -> None:
    table = np.arange(1 << 20, dtype="<i8")
    pieces = [np.frombuffer(piece, np.uint8) for piece in encode_state(Everything(table=table))]
    assert sum(np.shares_memory(piece, table) for piece in pieces) == 8


def test_arrays_come_back_writable_with_shape_and_dtype() -> None:
    state = Everything(table=np.array([(1, 2.5, b"abc", (3, 4))] * 3, ROW), matrix=np.ones((2, 3), np.int64))
    back = decode_state(Everything, bytes(encode_state(state)))
    back.table["price"][1] = 7.0
    assert back.table.dtype == ROW and back.table["price"].tolist() == [2.5, 7.0, 2.5]
    assert back.matrix.shape == (2, 3) and np.zeros((), "f8").shape == ()


def test_a_snapshot_of_another_declaration_is_refused_with_both() -> None:
    @dataclass
    class Account:
        owner: str = ""
        balance: float = 0.0
        limits: list[float] = field(default_factory=list)

    with pytest.raises(SnapshotError, match=r"balance:float.*balance:int"):
        decode_state(Account, bytes(encode_state(globals()["Account"]())))


def test_an_array_whose_dtype_the_application_has_changed_is_refused() -> None:
    @dataclass
    class Table:
        rows: np.ndarray = field(default_factory=lambda: np.zeros(2, "i4"))

    written = bytes(encode_state(Table(np.zeros(2, "i8"))))
    with pytest.raises(SnapshotError, match=r"Table.rows is now an array of int32.*int64"):
        decode_state(Table, written)


def test_loading_calls_neither_init_nor_post_init() -> None:
    @dataclass
    class Loud:
        value: int = 0

        def __post_init__(self) -> None:
            raise AssertionError("called")

    loud = object.__new__(Loud)
    loud.value = 5
    assert decode_state(Loud, bytes(encode_state(loud))).value == 5


def test_a_native_state_is_its_export() -> None:
    counter = Counter()
    counter.count = 77
    assert bytes(encode_state(counter)) == struct.pack("<q", 77)
    assert decode_state(Counter, bytes(encode_state(counter))) == counter
    with pytest.raises(SnapshotError, match=r"Counter is no export of a Counter: 8 bytes expected, 3 found"):
        decode_state(Counter, b"abc")


@settings(max_examples=300, deadline=None)
@given(STATES, st.data())
def test_damaged_bytes_are_refused_or_read_but_never_crash(state: Everything, data: st.DataObject) -> None:
    good = bytearray(encode_state(state, ordered=True).__bytes__())
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    for bad in (good, good[:cut]):
        try:
            decode_state(Everything, bad)
        except SnapshotError:
            continue
