"""From a batch to a receipt, without a broker; and everything that a batch can be instead of a batch."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.clock import SystemClock
from cloud_sync.intake import REFUSED_PER_BATCH, WAITING_LIMIT, Batch, Intake, Keys, open_batch
from cloud_sync.receipts import Receipts
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import StoreError
from evidence.keys import SigningKey
from evidence.receipt import Receipt, open_receipt
from tests.cloud.boxes import NOON_MS, FakeBox

RECEIVER_KEY = SigningKey.generate()


class Post:
    """A messenger that remembers."""

    def __init__(self) -> None:
        self.acknowledged: list[object] = []
        self.receipts: list[Receipt] = []

    def acknowledge(self, batch: Batch) -> None:
        self.acknowledged.append(batch.token)

    def publish(self, box: str, receipt: bytes) -> None:
        opened = open_receipt(receipt, {RECEIVER_KEY.public.kid: RECEIVER_KEY.public}.get)
        assert opened.box == box
        self.receipts.append(opened)


class Sleepless(SystemClock):
    """Waits take no time; the third one sets `stop`."""

    def __init__(self) -> None:
        self.waits = 0

    def wait(self, seconds: float, stop: Event) -> bool:  # noqa: ARG002 - no time passes
        self.waits += 1
        if self.waits >= 3:
            stop.set()
        return stop.is_set()


class World:
    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path / "receiver.sqlite")
        self.box = FakeBox()
        self.store.enrol(self.box.enrolled)
        self.post = Post()
        self.clock = Sleepless()
        receipts = Receipts(self.store, RECEIVER_KEY, receiver="suzhou")
        self.intake = Intake(self.store, receipts, self.post, self.clock, patience_s=0.01)

    def take(self, *payloads: bytes, box: str = "box-1") -> None:
        self.intake.take([Batch(box=box, payload=p, token=i) for i, p in enumerate(payloads)], Event())

    @property
    def marks(self) -> dict[str, int | None]:
        return {stream.stream: stream.mark for stream in self.store.streams()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_a_batch_is_stored_acknowledged_and_receipted(world: World) -> None:
    world.take(b"".join(world.box.windows(3)), b"".join(world.box.windows(2, "machine/loom-2")))
    assert world.post.acknowledged == [0, 1]
    (receipt,) = world.post.receipts
    assert receipt.receiver == "suzhou"
    assert [(s.stream, s.mark) for s in receipt.streams] == [("machine/loom-1", 2), ("machine/loom-2", 1)]


def test_a_receipt_names_only_the_streams_touched_and_an_empty_batch_asks_for_all(world: World) -> None:
    world.take(b"".join(world.box.windows(1)))
    world.take(b"".join(world.box.windows(1, "machine/loom-2")))
    assert [s.stream for s in world.post.receipts[-1].streams] == ["machine/loom-2"]
    world.take(b"")
    assert [s.stream for s in world.post.receipts[-1].streams] == ["machine/loom-1", "machine/loom-2"]


def test_a_box_of_which_nothing_is_held_gets_a_receipt_that_says_so(world: World) -> None:
    world.take(b"")
    (receipt,) = world.post.receipts
    assert receipt.streams == ()
    assert world.post.acknowledged == [0]


def test_a_repeated_batch_is_receipted_again(world: World) -> None:
    batch = b"".join(world.box.windows(2))
    world.take(batch)
    world.take(batch)
    assert [r.streams[0].mark for r in world.post.receipts] == [1, 1]
    assert (world.intake.counts.accepted, world.intake.counts.repeated) == (2, 2)


def test_the_good_before_garbage_is_kept_and_the_garbage_put_aside(world: World) -> None:
    good = world.box.windows(2)
    world.take(b"".join(good) + b"\xff\xff garbage")
    assert world.marks == {"machine/loom-1": 1}
    (piece,) = world.store.quarantine()
    assert piece.body == b"\xff\xff garbage"
    assert [r.sha256 for r in world.post.receipts[0].refusals] == [piece.sha256]


def test_a_damaged_statement_between_good_ones_is_refused_alone(world: World) -> None:
    first, second, third = world.box.windows(3)
    world.take(first + second[:-1] + bytes([second[-1] ^ 1]) + third)
    (receipt,) = world.post.receipts
    assert [(s.first, s.last) for s in receipt.streams[0].segments] == [(0, 0), (2, 2)]
    assert [r.reason for r in receipt.refusals] == ["the signature does not fit"]


def test_a_batch_of_refusals_is_put_aside_in_one_piece_after_a_while(world: World) -> None:
    world.take(b"\x00" * 100_000)
    pieces = world.store.quarantine()
    assert len(pieces) == 2  # the same byte again and again, and the rest
    assert sum(piece.times for piece in pieces) == REFUSED_PER_BATCH + 1
    assert world.post.acknowledged == [0]


def test_another_boxs_statement_is_refused_and_the_box_told(world: World) -> None:
    other = FakeBox(box="box-2", key=world.box.key)
    world.take(other.readings())
    (receipt,) = world.post.receipts
    assert receipt.refusals[0].reason == "it says it is from box-2, and came from box-1"


def test_a_stranger_is_not_refused_for_good_and_taken_once_enrolled(world: World) -> None:
    stranger = FakeBox(box="box-9")
    sealed = stranger.readings()
    world.take(sealed, box="box-9")
    assert world.post.receipts[-1].refusals == ()
    world.store.enrol(stranger.enrolled)
    world.intake._keys._read_s = -1.0  # a moment later
    world.take(sealed, box="box-9")
    assert world.post.receipts[-1].streams[0].mark == 0


def test_a_box_that_enrols_is_known_at_its_first_batch(world: World) -> None:
    world.take(b"".join(world.box.windows(1)))
    late = FakeBox(box="box-7")
    world.store.enrol(late.enrolled)
    world.intake._keys._read_s = -1.0
    world.take(late.readings(), box="box-7")
    assert world.post.receipts[-1].streams[0].mark == 0


def test_nothing_is_acknowledged_while_the_store_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(world.store, "take", full)
    world.take(b"".join(world.box.windows(1)))
    assert world.clock.waits == 3
    assert world.post.acknowledged == []
    assert world.post.receipts == []
    assert not world.intake.counts.store_works


def test_storing_goes_on_when_there_is_room_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    take, failures = world.store.take, [StoreError("the disk is full")] * 2

    def sometimes(*args: object, **more: object) -> object:
        if failures:
            raise failures.pop()
        return take(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store, "take", sometimes)
    world.take(b"".join(world.box.windows(1)))
    assert world.post.acknowledged == [0]
    assert world.intake.counts.store_works


def test_a_batch_that_the_receiver_itself_fails_on_is_put_aside_and_harms_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(payload: bytes, **more: object) -> object:
        if payload == b"poison":
            raise ZeroDivisionError
        return open_batch(payload, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("cloud_sync.intake.open_batch", faulty)
    batches = [b"".join(world.box.windows(1)), b"poison", b"".join(world.box.windows(1))]
    world.intake._take_safely([Batch(box="box-1", payload=p, token=i) for i, p in enumerate(batches)], Event())
    assert sorted(world.post.acknowledged, key=str) == [0, 1, 2]
    assert world.marks == {"machine/loom-1": 1}
    assert [piece.body for piece in world.store.quarantine()] == [b"poison"]


def test_only_so_many_batches_wait(world: World) -> None:
    taken = [world.intake.offer(Batch(box="box-1", payload=b"")) for _ in range(WAITING_LIMIT + 1)]
    assert taken == [True] * WAITING_LIMIT + [False]


def test_what_waits_is_stored_in_one_commit_before_the_intake_ends(world: World) -> None:
    for sealed in world.box.windows(5):
        assert world.intake.offer(Batch(box="box-1", payload=sealed))
    stop = Event()
    stop.set()
    world.intake.run(stop)
    assert world.marks == {"machine/loom-1": 4}
    assert world.intake.counts.commits == 1


def test_a_box_with_many_pieces_gets_several_receipts_that_fit(world: World) -> None:
    for name in range(50):
        windows = world.box.windows(120, f"machine/loom-{name}")
        world.store.take(world.box.open(*windows[::2]), received_ms=NOON_MS)
    world.take(b"")
    assert len(world.post.receipts) == 2
    assert len({s.stream for r in world.post.receipts for s in r.streams}) == 50
    assert all(len(s.segments) == 60 for r in world.post.receipts for s in r.streams)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_payload_makes_it_fail(world: World, payload: bytes) -> None:
    opened = open_batch(payload, box="box-1", keys=Keys(world.store, world.clock), at_ms=1)
    assert opened.statements == []
    assert bool(opened.refused) is bool(payload)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32))
def test_a_batch_with_bits_flipped_keeps_only_what_is_signed(world: World, seed: int) -> None:
    dice = Random(seed)
    sealed = FakeBox(key=world.box.key).windows(3)
    payload = bytearray(b"".join(sealed))
    for _ in range(dice.randint(1, 3)):
        payload[dice.randrange(len(payload))] ^= 1 << dice.randrange(8)
    keys = Keys(world.store, world.clock)
    opened = open_batch(bytes(payload), box="box-1", keys=keys, at_ms=1)
    assert all(statement.encoded in sealed for statement in opened.statements)
