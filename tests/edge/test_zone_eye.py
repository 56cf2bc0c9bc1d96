"""Looking at a yard through a day: light, night, people, a forklift's load gone; with anchors, on pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.opencv.anchors import Anchors, view_of
from edge_agent.eye.zone_eye import PICTURES, Place, ZoneEye
from evidence.bodies import Sight, Verdict
from tests.world.yard import ZONE, Knows, Yard, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_agent.eye.stock import Looked


@pytest.fixture
def yard() -> Yard:
    made = Yard()
    made.stands = set(range(12))
    return made


def remembered(yard: Yard) -> Anchors:
    anchors = Anchors(ZONE)
    anchors.remember(view_of(yard.picture()), [place(n) for n in sorted(yard.stands)])
    return anchors


# Anchors.


def darker(yard: Yard) -> None:
    yard.light = 0.35


def brighter(yard: Yard) -> None:
    yard.light = 1.35


def flatter(yard: Yard) -> None:
    yard.gamma, yard.light = 0.6, 0.8


def infrared(yard: Yard) -> None:
    yard.negative, yard.noise = True, 5.0


@pytest.mark.parametrize("changed", [darker, brighter, flatter, infrared])
def test_light_changes_no_slot_and_nothing_between_them(yard: Yard, changed: Callable[[Yard], None]) -> None:
    anchors = remembered(yard)
    changed(yard)
    likeness = anchors.compare(view_of(yard.picture()))
    assert likeness is not None
    assert all(likeness.held)
    assert likeness.unchanged
    assert not likeness.elsewhere


@pytest.mark.parametrize("gone", range(12))
def test_an_item_that_is_gone_is_seen_in_its_slot_alone(yard: Yard, gone: int) -> None:
    anchors = remembered(yard)
    yard.stands.remove(gone)
    yard.light = 0.8
    likeness = anchors.compare(view_of(yard.picture()))
    assert likeness is not None
    assert [n for n, holds in enumerate(likeness.held) if not holds] == [gone]
    assert likeness.is_changed(place(gone))
    assert not likeness.unchanged


@pytest.mark.parametrize("number", [12, 13, 20, 27, 31])
def test_a_new_item_is_seen_where_it_stands(yard: Yard, number: int) -> None:
    anchors = remembered(yard)
    yard.stands.add(number)
    likeness = anchors.compare(view_of(yard.picture()))
    assert likeness is not None
    assert all(likeness.held)
    assert likeness.is_changed(place(number))
    assert not likeness.unchanged


def test_somebody_who_walks_is_movement_and_a_still_yard_is_none(yard: Yard) -> None:
    anchors = remembered(yard)
    before = view_of(yard.picture())
    assert not anchors.moving(before, view_of(yard.picture()))
    yard.person_at = 200
    assert anchors.moving(before, view_of(yard.picture()))
    assert not anchors.compare(view_of(yard.picture())).elsewhere  # type: ignore[union-attr]  # it was remembered


def test_another_camera_is_told_from_other_goods(yard: Yard) -> None:
    anchors = remembered(yard)
    other = Yard(seed=2)
    other.stands = set(yard.stands)
    likeness = anchors.compare(view_of(other.picture()))
    assert likeness is not None
    assert likeness.elsewhere
    assert anchors.compare(view_of(np.zeros((90, 160, 3), np.uint8))) is None, "of another size"
    anchors.forget()
    assert anchors.compare(view_of(yard.picture())) is None


# A whole eye.


class Told:
    """A camera whose sight is as the test says."""

    sight = Sight.CLEAR

    def judge(self, frame: Frame) -> tuple[Sight, str]:
        del frame
        return self.sight, "as told"


class Day:
    """A yard, an eye on it, and time."""

    def __init__(self, yard: Yard) -> None:
        self.yard, self.finder, self.sight = yard, Knows(yard), Told()
        self.eye = ZoneEye(Place(zone=ZONE, look_every_ms=60_000), self.finder, Anchors(ZONE), sight=self.sight)
        self.now_ms = 1_000
        self.looks: list[Looked] = []

    def watch(self, seconds: int, *, step_s: int = 1) -> None:
        for _ in range(0, seconds, step_s):
            self.now_ms += 1_000 * step_s
            if not self.eye.wants(self.now_ms) and self.sight.sight is Sight.CLEAR:
                continue
            frame = Frame(picture=self.yard.picture(), at_ms=self.now_ms, steady_ms=self.now_ms)
            if (looked := self.eye.see(frame)) is not None:
                self.looks.append(looked)

    @property
    def said(self) -> tuple[Verdict, int | None]:
        return self.eye.standing.verdict, self.eye.standing.count

    def counts(self) -> Iterator[int]:
        """What was said to be counted, each once."""
        last = None
        for looked in self.looks:
            if looked.standing.verdict is Verdict.COUNTED and looked.standing.count != last:
                last = looked.standing.count
                yield last or 0


@pytest.fixture
def day(yard: Yard) -> Day:
    made = Day(yard)
    made.watch(40)
    assert made.said == (Verdict.COUNTED, 12)
    return made


def test_a_yard_where_nothing_happens_is_confirmed_every_minute_without_the_model(day: Day) -> None:
    asked = day.finder.asked
    day.watch(1800, step_s=5)
    assert day.finder.asked == asked
    assert 29 <= len(day.looks) - 3 <= 31
    assert list(day.counts()) == [12]
    assert day.now_ms - (day.eye.standing.counted_at_ms or 0) <= 65_000


def test_a_pallet_that_is_driven_away_is_one_change(day: Day) -> None:
    for x in range(-60, 640, 35):  # a forklift comes and goes
        day.yard.person_at = x
        if x == 290:
            day.yard.stands -= {3, 4, 11}
        day.watch(4)
    day.yard.person_at = None
    day.watch(240)
    assert list(day.counts()) == [12, 9]
    assert day.said == (Verdict.COUNTED, 9)


def test_whoever_stands_before_the_goods_changes_no_count(day: Day) -> None:
    day.yard.person_at = 250
    day.watch(200, step_s=2)
    assert day.said == (Verdict.OCCLUDED, 12)
    day.yard.person_at = None
    day.watch(70)
    assert day.said == (Verdict.COUNTED, 12)
    assert list(day.counts()) == [12]


def test_somebody_whom_the_model_does_not_know_is_seen_by_his_moving(day: Day) -> None:
    day.finder.says = ()
    for x in range(100, 500, 24):
        day.yard.person_at = x
        day.watch(5)
    assert list(day.counts()) == [12]
    day.yard.person_at = None
    day.watch(70)
    assert day.said == (Verdict.COUNTED, 12)


def test_night_storm_and_a_model_that_sees_nothing_in_them_empty_no_warehouse(day: Day) -> None:
    day.finder.says = ()
    for light, noise in ((0.5, 3.0), (0.25, 4.0), (0.12, 4.0), (0.05, 4.0), (0.02, 5.0), (0.3, 3.0)):
        day.yard.light, day.yard.noise = light, noise
        day.watch(150, step_s=2)
        assert day.eye.standing.count == 12
    day.yard.light, day.yard.noise, day.finder.says = 1.0, 2.0, None
    day.watch(130)
    assert day.said == (Verdict.COUNTED, 12)
    assert list(day.counts()) == [12]


def test_what_is_taken_in_the_dark_is_missed_in_the_morning(day: Day) -> None:
    day.sight.sight = Sight.BLIND
    day.watch(600, step_s=5)
    assert day.said == (Verdict.BLIND, 12)
    day.yard.stands -= set(range(4))
    day.sight.sight = Sight.CLEAR
    day.watch(60)
    assert day.said == (Verdict.COUNTED, 8)


def test_everything_taken_is_nothing_and_not_an_error(day: Day) -> None:
    day.yard.stands.clear()
    day.watch(120)
    assert day.said == (Verdict.COUNTED, 0)
    asked = day.finder.asked
    day.watch(600, step_s=5)
    assert day.finder.asked == asked, "an empty yard is confirmed as cheaply"
    day.yard.stands = {5}
    day.watch(120)
    assert list(day.counts()) == [12, 0, 1]


def test_a_lost_camera_is_blind_once_and_looked_through_at_once_when_it_is_back(day: Day) -> None:
    lost = day.eye.see(Lost(why="gone", at_ms=day.now_ms))
    assert lost is not None
    assert (lost.standing.verdict, lost.standing.count) == (Verdict.BLIND, 12)
    assert day.eye.see(Lost(why="gone", at_ms=day.now_ms)) is None
    assert day.eye.see(Lost(why="the end", at_ms=day.now_ms, ended=True)) is None
    day.watch(1)
    assert day.said == (Verdict.COUNTED, 12)


def test_a_count_that_stays_unclear_is_asked_for_ever_more_rarely(day: Day) -> None:
    day.yard.person_at = 250
    day.watch(120, step_s=2)
    early, asked = len(day.looks), day.finder.asked
    day.watch(240, step_s=2)
    assert len(day.looks) - early <= 4
    assert day.finder.asked - asked <= 4 * PICTURES
