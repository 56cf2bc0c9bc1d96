"""The page's questions, answered from a real store."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from cloud_sync.derive import DAY_MS
from cloud_sync.levels import Width
from cloud_sync.packing import unpack
from cloud_sync.page_view import Clear, Image, PageView, Subject, Trouble
from cloud_sync.pages import pages
from cloud_sync.reports import Span, State
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.view import StoreView, name_of
from evidence.bodies import Direction, EventKind, Phase, Sight, Verdict
from evidence.judging.limits import Limit, Side
from evidence.statement import ClockQuality
from tests.cloud.boxes import IDLE, NOON_MS, RUNNING, STOPPED, WINDOW_MS, FakeBox, limit
from tests.world.eyes import png
from tests.world.visit import get

JUDGED: dict[str, Any] = {
    "strategy": "power_threshold",
    "point": "active_power",
    "running_above_mw": 3_000_000,
    "idle_above_mw": 300_000,
    "hysteresis_mw": 50_000,
    "dwell_ms": 10_000,
    "hold_ms": 30_000,
}


class World:
    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path / "receiver.sqlite")
        self.view: PageView = StoreView(self.store)

    def add(self, box: FakeBox, *sealed: bytes) -> FakeBox:
        self.store.enrol(box.enrolled)
        self.store.take(box.open(*sealed), received_ms=NOON_MS + DAY_MS)
        return box


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_enterprises_come_from_the_roster_each_once(world: World) -> None:
    for box, enterprise in (("a", "众祥纺织"), ("b", "yongxing"), ("c", "yongxing")):
        world.store.enrol(FakeBox(box=box, enterprise=enterprise).enrolled)
    assert [(e.name, e.title) for e in world.view.enterprises()] == [
        ("yongxing", "yongxing"),
        (name_of("众祥纺织"), "众祥纺织"),
    ]
    assert name_of("众祥纺织").startswith("e-")


def test_machines_and_gates_have_their_signed_titles_and_stand_in_their_order(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    world.add(
        box,
        box.settings("machine/loom-1", "2 号织机"),
        box.settings("machine/loom-2", "1 号织机"),
        box.settings("machine/loom-2", "0 号织机"),
        *box.windows(1),
        *box.windows(1, "machine/spare"),
        box.crossings(),
        box.commissioning(),
    )
    found = [(w.subject, w.key, w.title) for w in world.view.watched("yongxing")]
    assert found == [
        (Subject.MACHINE, "box-1.loom-2", "0 号织机"),
        (Subject.MACHINE, "box-1.loom-1", "2 号织机"),
        (Subject.GATE, "box-1.north", "north"),
        (Subject.MACHINE, "box-1.spare", "spare"),
    ]
    assert world.view.watched("nobody") == ()


def test_spans_are_what_was_signed_and_contested_where_two_disagree(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    clone = box.copy()
    world.add(
        box,
        box.readings(spans=((0, RUNNING), (100_000, IDLE))),
        clone.readings(spans=((0, STOPPED),), length_ms=50_000),
    )
    spans = world.view.spans("yongxing", NOON_MS, NOON_MS + DAY_MS)["box-1.loom-1"]
    assert list(spans) == [
        Span(from_ms=NOON_MS, to_ms=NOON_MS + 50_000, state=State.CONTESTED),
        Span(from_ms=NOON_MS + 50_000, to_ms=NOON_MS + 100_000, state=State.RUNNING),
        Span(from_ms=NOON_MS + 100_000, to_ms=NOON_MS + WINDOW_MS, state=State.IDLE),
    ]
    assert world.view.spans("yongxing", 0, NOON_MS)["box-1.loom-1"] == ()


def test_a_gates_blind_time_is_not_clear(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    ways = (Direction.IN, Direction.OUT)
    world.add(box, box.crossings(ways=ways, sight=((0, Sight.CLEAR), (60_000, Sight.BLIND), (90_000, Sight.CLEAR))))
    seen = world.view.gate("yongxing", "box-1.north", NOON_MS, NOON_MS + DAY_MS)
    assert [crossing.direction for crossing in seen.crossings] == list(ways)
    assert list(seen.clear) == [
        Clear(from_ms=NOON_MS, to_ms=NOON_MS + 60_000),
        Clear(from_ms=NOON_MS + 90_000, to_ms=NOON_MS + WINDOW_MS),
    ]
    assert world.view.gate("yongxing", "box-1.nowhere", 0, NOON_MS).crossings == ()


def test_the_record_says_what_is_held_missing_forked_and_not_recorded(world: World) -> None:
    box = FakeBox(enterprise="yongxing", clock=ClockQuality.SIMULATED)
    sealed = [box.settings("machine/loom-1", **JUDGED), *box.windows(3), box.gap(), *box.windows(2)]
    clone = box.copy()
    sealed += [*box.windows(1), *clone.windows(1, state=STOPPED)]
    world.add(box, *sealed[:2], *sealed[3:])
    record = world.view.record("yongxing", "box-1.loom-1", Subject.MACHINE)
    assert record is not None
    assert (record.first_n, record.last_n, record.held) == (0, 7, 8)
    assert record.clock is ClockQuality.SIMULATED
    assert record.threshold is not None
    assert record.threshold.running_above_mw == 3_000_000
    assert [(p.trouble, p.first_n, p.last_n) for p in record.problems] == [
        (Trouble.MISSING, 2, 2),
        (Trouble.GAP, 4, 4),
        (Trouble.FORK, 7, 7),
    ]
    (watched,) = world.view.watched("yongxing")
    assert (watched.gaps, watched.forks, watched.simulated) == (2, 1, True)


LIMIT = Limit(
    name="pressure",
    point="pressure",
    side=Side.BELOW,
    raise_milli=100_000,
    clear_milli=105_000,
    delay_ms=0,
    hold_ms=180_000,
)
SENSED: dict[str, Any] = {
    "points": [
        {"name": "pressure", "unit": "kPa", "decimals": 0, "kind": "gauge"},
        {"name": "pump", "unit": "1", "decimals": 0, "kind": "state"},
        {"name": "starts", "unit": "1", "decimals": 0, "kind": "counter"},
        {"name": "clock_time", "unit": "s", "decimals": 0, "kind": "gauge", "clock": 1},
    ],
    "limits": [LIMIT.settings()],
}


def test_a_fire_sensors_alarm_events_and_levels_come_with_what_they_count(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    world.add(
        box,
        box.settings("fire/hydrant", "消火栓", **SENSED),
        *(box.sensed([7], point=point, unit="1") for point in ("starts", "pump")),
        box.sensed([7], point="clock_time", unit="s"),
        box.sensed([120, 86]),
        box.events(limit(Phase.RAISED, NOON_MS + 60_000)),
    )
    (watched,) = world.view.watched("yongxing")
    assert (watched.subject, watched.key, watched.alarmed) == (Subject.FIRE, "box-1.hydrant", 1)
    (alarm,) = watched.alarms
    assert (alarm.event.event, alarm.event.at_ms) == (EventKind.LIMIT, NOON_MS + 60_000)
    assert alarm.point is not None
    assert (alarm.point.name, alarm.point.unit) == ("pressure", "kPa")
    sensed = world.view.sensed("yongxing", [watched], NOON_MS, NOON_MS + DAY_MS, Width.QUARTER)[
        watched.subject, watched.key
    ]
    assert [each.point.name for each in sensed.measured] == ["pressure", "starts"]
    assert list(sensed.measured[0].limits) == [LIMIT]
    assert [(slot.least, slot.most) for slot in sensed.measured[0].slots] == [(86, 120)]
    assert [(span.from_ms, span.to_ms) for span in sensed.heard] == [(NOON_MS, NOON_MS + 180_000)]
    happened = world.view.happened("yongxing", watched, NOON_MS, NOON_MS + DAY_MS, 9)
    assert [each.event.phase for each in happened.newest] == [Phase.RAISED]
    assert happened.count == 1
    assert world.view.eventful("yongxing", NOON_MS, NOON_MS + DAY_MS) == {(Subject.FIRE, "box-1.hydrant"): 1}
    assert world.view.eventful("yongxing", 0, NOON_MS) == {}
    nobody = world.view.sensed("nobody", [watched], NOON_MS, NOON_MS + DAY_MS, Width.QUARTER)
    assert nobody == {}


def test_a_machine_and_a_sensor_of_one_name_are_two(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    world.add(box, *box.windows(1), box.sensed([5], "fire/loom-1"), box.sensed([6], "meter/loom-1"))
    found = world.view.watched("yongxing")
    assert {watched.subject for watched in found} == {Subject.MACHINE, Subject.FIRE, Subject.METER}
    assert {watched.key for watched in found} == {"box-1.loom-1"}
    sensed = world.view.sensed("yongxing", found[1:], NOON_MS, NOON_MS + DAY_MS, Width.QUARTER)
    assert set(sensed) == {(watched.subject, watched.key) for watched in found[1:]}


def test_settings_that_are_nonsense_leave_events_and_levels_without_a_meaning_and_break_nothing(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    nonsense: dict[str, Any] = {"points": [3, {"name": 4}], "limits": [{"name": "pressure"}]}
    world.add(
        box,
        box.settings("fire/hydrant", **nonsense),
        box.sensed([86]),
        box.events(limit(Phase.RAISED)),
        box.heartbeat(),
    )
    (watched,) = world.view.watched("yongxing")
    assert watched.alarms[0].point is None
    sensed = world.view.sensed("yongxing", [watched], NOON_MS, NOON_MS + DAY_MS, Width.QUARTER)[
        watched.subject, watched.key
    ]
    assert sensed.measured == ()
    assert sensed.heard


def test_a_box_that_is_not_in_the_roster_is_not_shown(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    world.store.take(box.open(*box.windows(1)), received_ms=NOON_MS)
    assert world.view.enterprises() == ()


def test_a_zones_counts_its_certificate_and_what_was_signed_last_are_found(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    first = box.stock([(0, Verdict.COUNTED, 48, 2)], declared=(6, 4))
    second = box.stock([(0, Verdict.BLIND, 48)], from_ms=NOON_MS + WINDOW_MS, declared=(6, 4))
    world.add(box, box.settings("zone/yard", "Yard"), first, second, box.certificate())
    (watched,) = world.view.watched("yongxing")
    assert (watched.subject, watched.key, watched.title) == (Subject.ZONE, "box-1.yard", "Yard")
    seen = world.view.zone("yongxing", watched.key, NOON_MS, NOON_MS + DAY_MS)
    assert [(stand.verdict, stand.items) for stand in seen.stands] == [(Verdict.COUNTED, 48), (Verdict.BLIND, 48)]
    assert seen.last is not None
    assert (seen.last.counted_at_ms, seen.last.declared) == (NOON_MS + WINDOW_MS - 1, (6, 4))
    assert seen.certificate is not None
    assert world.view.zone("yongxing", "box-1.nowhere", 0, NOON_MS).stands == ()


def test_an_image_comes_out_of_its_signed_statement_or_not_at_all(world: World) -> None:
    box, other = FakeBox(enterprise="yongxing"), FakeBox(box="box-2", enterprise="yongxing")
    gate, left, stayed = "gate/door", png(), png(least=1)
    world.add(box, box.settings(gate), box.picture(left, gate, leaves=True), box.picture(stayed, gate))
    world.add(other, other.settings(gate))

    def image(key: str, data: bytes, subject: Subject = Subject.GATE) -> Image | None:
        return world.view.image("yongxing", key, subject, sha256(data).digest())

    assert image("box-1.door", left) == Image(media_type="image/png", data=left)
    assert image("box-1.door", stayed) is None
    assert image("box-2.door", left) is None
    assert image("box-1.door", left, Subject.ZONE) is None
    seen = world.view.gate("yongxing", "box-1.door", 0, NOON_MS * 2)
    assert (seen.pictures.count, seen.pictures.here) == (2, 1)
    with world.store._connections.writing() as db:
        rows = db.execute("SELECT seq, body FROM statement").fetchall()
        altered = [(unpack(body)[:-1] + bytes([unpack(body)[-1] ^ 1]), seq) for seq, body in rows]
        db.executemany("UPDATE statement SET body = ? WHERE seq = ?", altered)
    assert image("box-1.door", left) is None


def test_the_pages_show_it(world: World) -> None:
    box = FakeBox(enterprise="yongxing")
    world.add(box, box.settings("machine/loom-1", "<b>1 号织机"), *box.windows(12), box.crossings(ways=(Direction.IN,)))
    app = FastAPI()
    app.include_router(pages(world.view, now_ms=lambda: NOON_MS + 12 * WINDOW_MS))
    world.add(box, box.settings("fire/hydrant", "<b>1 号", **SENSED), box.sensed([86]), box.events(limit(Phase.RAISED)))
    world.add(box, box.settings("zone/yard", "<b>1 号"), box.stock([(0, Verdict.COUNTED, 48)]), box.picture(b"1"))
    pages_of = ("z/box-1.yard", "m/box-1.loom-1", "g/box-1.north", "fire/box-1.hydrant", "fire/box-1.hydrant?span=30d")
    for path in ("/", "/e/yongxing", "/e/yongxing?span=7d", *(f"/e/yongxing/{page}" for page in pages_of)):
        answer = get(app, path)
        assert answer.status_code == 200
        assert "<b>1 号" not in answer.text
    assert "&lt;b&gt;1 号织机" in get(app, "/e/yongxing").text
