"""What may be said of a zone: night does not empty it, a person in it changes nothing, a change is told once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.eye.items import Counted, count_boxes
from edge_agent.eye.stock import PATIENCE, Seen, Standing, agreed, decide, together
from edge_agent.eye.track import Box
from edge_agent.eye.zone import Zone
from evidence.bodies import Sight, Verdict

ALL = Zone.whole(1000, 1000)


def box(number: int, *, score: float = 0.9, kind: str = "carton") -> Box:
    x, y = 40 * (number % 20), 40 * (number // 20)
    return Box(x0=x, y0=y, x1=x + 36, y1=y + 36, score=score, kind=kind)


def counted(count: int, *, uncertain: int = 0) -> Counted:
    return Counted(items=tuple(map(box, range(count))), uncertain=uncertain)


def look(at_ms: int, *counts: int, elsewhere: bool = False) -> Seen:
    return Seen(at_ms=at_ms, elsewhere=elsewhere, pictures=tuple(map(counted, counts)))


def after(*looks: Seen, before: Standing | None = None) -> Standing:
    standing = before or Standing()
    for seen in looks:
        standing = decide(standing, seen)
    return standing


TWELVE = after(*(look(t, 12, 12, 12) for t in range(3)))


def test_a_count_stands_after_three_looks_that_agree() -> None:
    assert after(look(0, 12), look(1, 12)).verdict is Verdict.DISAGREED
    assert after(look(0, 12), look(1, 12)).count is None
    assert (TWELVE.verdict, TWELVE.count, TWELVE.counted_at_ms, len(TWELVE.items)) == (Verdict.COUNTED, 12, 2, 12)


def test_a_change_is_believed_after_three_looks_and_told_once() -> None:
    told = []
    standing = TWELVE
    for at_ms in range(10, 20):
        after_it = decide(standing, look(at_ms, 9, 9, 9))
        if after_it.count != standing.count:
            told.append((at_ms, after_it.count))
        standing = after_it
    assert told == [(12, 9)]


def test_a_change_that_goes_away_again_is_not_told() -> None:
    standing = after(look(10, 9), look(11, 9), look(12, 12), before=TWELVE)
    assert (standing.verdict, standing.count, standing.recent) == (Verdict.COUNTED, 12, ())


def test_pictures_that_differ_are_no_count() -> None:
    assert decide(TWELVE, look(9, 3, 12, 7, 19, 1)).verdict is Verdict.DISAGREED
    assert decide(TWELVE, look(9, 3, 12, 7, 19, 1)).count == 12
    assert agreed([counted(count) for count in (11, 12, 12, 12, 3)]) == counted(12, uncertain=1)
    assert agreed([]) is None


def test_a_count_that_never_settles_is_said_with_how_unclear_it_is() -> None:
    standing = after(*(look(10 + n, count) for n, count in enumerate((7, 9, 8, 9, 8))), before=TWELVE)
    assert (standing.verdict, standing.count, standing.uncertain) == (Verdict.COUNTED, 8, 1)


LOOKS = st.builds(
    Seen,
    at_ms=st.just(0),
    sight=st.sampled_from(Sight),
    unchanged=st.booleans(),
    elsewhere=st.booleans(),
    blocked=st.booleans(),
    pictures=st.lists(st.integers(0, 14).map(counted), max_size=5).map(tuple),
)


def at(times: list[Seen]) -> list[Seen]:
    return [
        Seen(
            at_ms=100 + n,
            sight=seen.sight,
            unchanged=seen.unchanged,
            elsewhere=seen.elsewhere,
            blocked=seen.blocked,
            pictures=seen.pictures,
        )
        for n, seen in enumerate(times)
    ]


@given(st.lists(LOOKS, max_size=30).map(at))
def test_a_count_changes_by_counting_alone_and_its_time_with_it(looks: list[Seen]) -> None:
    standings = [TWELVE]
    for seen in looks:
        standings.append(decide(standings[-1], seen))
    for (before, standing), seen in zip(pairwise(standings), looks, strict=True):
        if standing.verdict is Verdict.COUNTED:
            assert (seen.sight, standing.counted_at_ms) == (Sight.CLEAR, seen.at_ms)
            assert not seen.blocked
        else:
            assert (standing.count, standing.items) == (before.count, before.items)
            assert standing.counted_at_ms == before.counted_at_ms
        if standing.count != before.count:
            assert standing.count in {picture.count for picture in seen.pictures}


@given(st.lists(st.integers(0, 14), min_size=1, max_size=40))
def test_night_does_not_empty_a_warehouse(counts: list[int]) -> None:
    standing = after(*(look(10 + n, count, elsewhere=True) for n, count in enumerate(counts)), before=TWELVE)
    assert standing.count == 12
    blind = after(*(Seen(at_ms=n, sight=Sight.BLIND) for n in range(5)), before=TWELVE)
    assert (blind.verdict, blind.count) == (Verdict.BLIND, 12)
    morning = decide(blind, Seen(at_ms=99, unchanged=True))
    assert (morning.verdict, morning.count, morning.counted_at_ms) == (Verdict.COUNTED, 12, 99)


@given(st.lists(st.integers(0, 14), min_size=1, max_size=40))
def test_a_person_in_the_zone_never_changes_a_count(counts: list[int]) -> None:
    standing = TWELVE
    for n, count in enumerate(counts):
        standing = decide(standing, Seen(at_ms=10 + n, blocked=True, pictures=(counted(count),)))
        assert (standing.verdict, standing.count) == (Verdict.OCCLUDED, 12)


@given(st.lists(st.integers(0, 14), min_size=PATIENCE.looks - 1, max_size=PATIENCE.looks - 1))
def test_nothing_is_believed_of_fewer_looks_than_patience_asks_for(counts: list[int]) -> None:
    assert after(*(look(10 + n, count) for n, count in enumerate(counts)), before=TWELVE).count == 12


# Slots and boxes.


def test_a_slot_that_looks_as_it_did_holds_its_item_whatever_the_model_says() -> None:
    slots = [box(n) for n in range(6)]
    nothing = Counted(items=(), uncertain=0)
    assert together(slots, [True] * 6, nothing, changed=lambda _: True).count == 6
    assert together(slots, [True] * 6, counted(6), changed=lambda _: True).count == 6
    assert together(slots, [True] * 5 + [False], counted(5), changed=lambda _: True).count == 5
    assert together(slots, [True] * 6, counted(9), changed=lambda _: True).count == 9
    assert together(slots, [True] * 6, counted(9), changed=lambda _: False).count == 6, "nothing changed there"


def test_labels_stacks_doubles_and_people_are_no_items() -> None:
    carton = Box(x0=100, y0=100, x1=200, y1=200, score=0.8, kind="carton")
    label = Box(x0=120, y0=120, x1=150, y1=150, score=0.85, kind="carton")
    double = Box(x0=104, y0=98, x1=206, y1=199, score=0.6, kind="sack")
    assert count_boxes([carton, label, double], ALL).items == (carton,)
    quarters = [Box(x0=x, y0=y, x1=x + 48, y1=y + 48, score=0.7, kind="carton") for x in (100, 151) for y in (100, 151)]
    assert set(count_boxes([carton, *quarters], ALL).items) == set(quarters), "that was the stack of the four"
    person = Box(x0=300, y0=300, x1=360, y1=480, score=0.9, kind="person")
    assert (count_boxes([person], ALL).count, count_boxes([person], ALL).blockers) == (0, (person,))


def test_only_what_has_its_centre_in_the_zone_and_is_asked_for_is_counted() -> None:
    zone = Zone.of((0, 0, 120, 0, 120, 120, 0, 120))
    assert count_boxes([box(n) for n in range(8)], zone).count == 3
    drums = [box(0, kind="drum"), box(1)]
    assert count_boxes(drums, zone, kinds=("drum",)).count == 1


def test_doubtful_boxes_and_boxes_on_the_edge_make_a_count_uncertain() -> None:
    sure = [box(n, score=0.95) for n in range(9)]
    doubtful = [box(n, score=0.3 + 0.02 * n) for n in range(9, 18)]
    assert count_boxes(sure, ALL).uncertain <= 1
    assert count_boxes([*sure, *doubtful], ALL).uncertain > count_boxes(sure, ALL).uncertain
    cut = Zone.of((0, 0, 1000, 0, 1000, 18.1, 0, 18.1))
    assert count_boxes(sure, cut).uncertain > count_boxes(sure, ALL).uncertain


@given(st.lists(st.tuples(st.integers(0, 399), st.floats(0, 1)), max_size=60, unique_by=lambda one: one[0]))
def test_boxes_in_any_order_give_the_same_count(drawn: list[tuple[int, float]]) -> None:
    boxes = [box(number, score=score) for number, score in drawn]
    one, other = count_boxes(boxes, ALL), count_boxes(reversed(boxes), ALL)
    assert (one.count, one.uncertain) == (other.count, other.uncertain)
    assert set(one.items) <= set(boxes)


# Polygons.


@pytest.mark.parametrize(
    ("corners", "says"),
    [
        ((0, 0, 1, 1), "3 to 64 corners"),
        ((0, 0, 9, 0, 9), "pairs"),
        ((0, 0, 100, 100, 100, 0, 0, 100), "cross"),
        ((0, 0, 1, 0, 1, 1), "area"),
        ((0, 0, 100, 0, float("nan"), 100), "finite"),
    ],
)
def test_what_is_no_zone_is_refused(corners: tuple[float, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Zone.of(corners)


@given(st.floats(-50, 150), st.floats(-50, 150))
def test_a_point_is_in_a_square_where_arithmetic_says_so(x: float, y: float) -> None:
    square = Zone.of((0, 0, 100, 0, 100, 100, 0, 100))
    inside = 0 < x < 100 and 0 < y < 100
    if x not in (0, 100) and y not in (0, 100):
        assert square.contains((x, y)) == inside
        assert (square.depth((x, y)) > 0) == inside


def test_the_share_of_a_box_in_a_zone_is_that_of_its_area() -> None:
    square = Zone.of((0, 0, 100, 0, 100, 100, 0, 100))
    assert square.share(Box(x0=-50, y0=0, x1=50, y1=100)) == 0.5
    assert square.surroundings(110, 110) == ((0, 0), (110, 0), (110, 110), (0, 110))
