"""The keeper and events: sealed at once, told once whatever ends the box, raised until an answer clears them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.keeping.keeper import CHANGE_SEAL_MS, NEWS_AT_ONCE
from evidence.bodies import Event, EventKind, Events, Gap, GapReason, Phase, Readings
from evidence.judging.events_again import EventsJudged
from evidence.judging.limits import Limit, Side
from tests.world.box import BoxUnderTest, machine_settings, recounted
from tests.world.disk import FullDisk, no_tmpfs_disk, tmpfs_disk

PRESS = "machine/press"
HOT = Limit(
    name="too much",
    point="active_power",
    side=Side.ABOVE,
    raise_milli=2_000_000,
    clear_milli=1_800_000,
    delay_ms=3000,
    hold_ms=5000,
)


def settings(limit: Limit = HOT, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return machine_settings() | {"limits": [limit.settings()], "counter_events": 1} | more


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxUnderTest]:
    made = BoxUnderTest(directory=tmp_path, settings={PRESS: settings()}, other={"seal_every_ms": 300_000})
    yield made
    if made.spool is not None:
        made.die()


def phases(box: BoxUnderTest) -> list[Phase]:
    return [event.phase for event in box.statements().events() if event.event is EventKind.LIMIT]


def again(box: BoxUnderTest) -> EventsJudged:
    found = recounted(box.statements().bodies(PRESS)).events
    assert found is not None
    return found


def test_what_passes_a_limit_is_signed_with_its_readings_at_the_very_commit(box: BoxUnderTest) -> None:
    box.start()
    box.run(10, 1500)
    assert box.statements().events() == []
    times = box.run(4, 2500)
    statements = box.statements()
    readings, events = statements.bodies(PRESS)[-2:]
    assert isinstance(readings, Readings)
    assert isinstance(events, Events)
    (event,) = events.events
    assert readings.times_ms[-1] == event.at_ms == times[-1]
    assert (event.event, event.phase, event.subject) == (EventKind.LIMIT, Phase.RAISED, "too much")
    assert (event.value, event.reference, event.says) == (25_000, 20_000, "2500 W, not below 2000 W")


def test_what_was_raised_stays_raised_through_silence_death_and_restart_until_an_answer_clears_it(
    box: BoxUnderTest,
) -> None:
    box.start()
    box.run(10, 2500)
    box.run(600, None)
    box.die()
    box.clock.boot(off_ms=3_600_000)
    box.start()
    box.run(20, 2500)
    assert phases(box) == [Phase.RAISED]
    assert [(each.event, each.subject) for each in again(box).raised] == [(EventKind.LIMIT, "too much")]
    box.run(4, 1500)
    box.keeper.finish("stopped as told")
    box.die()
    box.start()
    assert phases(box) == [Phase.RAISED, Phase.CLEARED]
    found = again(box)
    assert (found.agreed, found.unfounded, found.missing, found.raised) == (2, 0, 0, ())


def test_a_set_clock_neither_raises_nor_clears(box: BoxUnderTest) -> None:
    keeper = box.start()
    box.run(10, 2500)
    for by_ms in (7_200_000, -7_200_000, 7_200_000):
        box.clock.set(by_ms)
        box.run(5, 2500)
    box.run(10, 1500)
    keeper.finish("stopped as told")
    assert phases(box) == [Phase.RAISED, Phase.CLEARED]
    found = again(box)
    assert (found.agreed, found.unfounded, found.missing) == (2, 0, 0)


def test_a_limit_goes_by_its_name_when_its_figures_change(box: BoxUnderTest) -> None:
    box.start()
    box.run(10, 2500)
    lower = settings(replace(HOT, raise_milli=3_000_000, clear_milli=2_900_000))
    box.keeper.change(box.box, {PRESS: lower}, {"enterprise": "Suzhou Tyre"})
    box.run(10, 2500)
    box.keeper.finish("stopped as told")
    assert phases(box) == [Phase.RAISED, Phase.CLEARED]
    found = again(box)
    assert (found.agreed, found.unfounded, found.missing) == (2, 0, 0)


def test_a_limit_that_chatters_is_signed_at_once_a_few_times_and_then_now_and_then(tmp_path: Path) -> None:
    touchy = settings(replace(HOT, delay_ms=0, clear_milli=2_000_000))
    box = BoxUnderTest(directory=tmp_path, settings={PRESS: touchy}, other={"seal_every_ms": 300_000})
    keeper = box.start()
    for _ in range(150):
        box.run(1, 2500)
        box.run(1, 1500)
    windows = len(box.statements().windows())
    assert windows <= NEWS_AT_ONCE + 300_000 // CHANGE_SEAL_MS + 2
    keeper.finish("stopped as told")
    found = again(box)
    assert (found.agreed, found.unfounded, found.missing) == (300, 0, 0)
    box.die()


ALARM = Event(at_ms=0, event=EventKind.COMPONENT, phase=Phase.RAISED, subject="smoke 3-14", says="fire alarm")


def report(box: BoxUnderTest, times: int = 1) -> list[Event]:
    box.clock.sleep(1000)
    events = [replace(ALARM, at_ms=box.clock.at_ms, subject=f"smoke {i}") for i in range(times)]
    box.read("press", 1500, events=tuple(events))
    return events


@pytest.mark.parametrize("times", [1, 300])
def test_what_a_device_reports_is_signed_at_the_very_commit_and_once(box: BoxUnderTest, times: int) -> None:
    keeper = box.start()
    box.run(3)
    events = report(box, times)
    keeper.step()
    assert box.statements().events() == events
    box.die()
    box.start()
    box.run(3)
    box.keeper.finish("stopped as told")
    assert box.statements().events() == events
    assert again(box).reported == times


def test_what_is_reported_too_often_to_be_signed_at_once_survives_a_death_in_the_journal(box: BoxUnderTest) -> None:
    keeper = box.start()
    events: list[Event] = []
    for _ in range(NEWS_AT_ONCE + 5):
        events += report(box)
        keeper.step()
    assert len(box.statements().events()) < len(events), "some lie in the journal"
    box.die()
    box.start()
    assert box.statements().events() == events


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[FullDisk]:
    if why := no_tmpfs_disk():
        pytest.skip(why)
    with tmpfs_disk(tmp_path) as disk:
        yield disk


def test_an_alarm_in_a_full_box_is_signed_when_there_is_room(small_disk: FullDisk) -> None:
    box = BoxUnderTest(directory=small_disk.path, settings={PRESS: settings()})
    keeper = box.start()
    reserve = small_disk.path / "spool.db.reserve"
    while reserve.exists():
        small_disk.fill()
        box.run(20)
    small_disk.fill()
    box.run(20)
    events = report(box)
    box.run(4100, 2500)
    small_disk.free()
    box.run(20, 1500)
    keeper.finish("stopped as told")
    found = box.statements()
    box.die()
    assert [event for event in found.events() if event.event is EventKind.COMPONENT] == events
    assert any(isinstance(body, Gap) and body.reason is GapReason.DISK_FULL for body in found.bodies(PRESS))
    judged = recounted(found.bodies(PRESS)).events
    assert judged is not None
    assert (judged.unfounded, judged.missing) == (0, 0)
