"""A zone's count as a step line: what was not counted is hatched, and never lies on the ground."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.bars import SLOTS, Frame
from cloud_sync.steps import HEIGHT, steps
from cloud_sync.stock import Stand, joined
from evidence.bodies import Verdict

HOUR_MS = 3_600_000
DAY = Frame(from_ms=0, to_ms=24 * HOUR_MS)
COUNTED, OCCLUDED, DISAGREED, BLIND = Verdict.COUNTED, Verdict.OCCLUDED, Verdict.DISAGREED, Verdict.BLIND


def at(hour: float, until: float, verdict: Verdict | None, items: int | None, uncertain: int = 0) -> Stand:
    return Stand(int(hour * HOUR_MS), int(until * HOUR_MS), verdict, items, uncertain)


def path(drawing: str, name: str) -> str:
    found = re.search(rf'<path class="{name}"[^>]* d="([^"]*)"', drawing)
    return found[1] if found else ""


def lefts(drawing: str, name: str) -> list[int]:
    return [int(x) for x in re.findall(r"M(\d+) ", path(drawing, name))]


def test_a_count_is_a_line_over_an_area_that_begins_at_nought() -> None:
    drawing = steps([at(0, 12, COUNTED, 10), at(12, 24, COUNTED, 5)], (), DAY)
    assert lefts(drawing, "l") == lefts(drawing, "area") == [0, 360]
    tops = [int(y) for y in re.findall(r"M\d+ (\d+)h", path(drawing, "l"))]
    assert (HEIGHT - tops[0]) > 1.9 * (HEIGHT - tops[1] - 3)
    assert path(drawing, "u") == ""


def test_an_uncertain_count_is_a_band_as_high_as_it_is_uncertain() -> None:
    drawing = steps([at(0, 24, COUNTED, 50, 25)], (), DAY)
    upper, lower = re.search(r"M0 (\d+)h720V(\d+)", path(drawing, "l")).groups()  # type: ignore[union-attr]
    assert int(lower) - int(upper) > 20


def test_a_count_of_nought_is_a_line_on_the_ground_and_a_blind_time_is_none() -> None:
    counted = steps([at(0, 24, COUNTED, 0)], (), DAY)
    assert path(counted, "l") == f"M0 {HEIGHT - 3}h720V{HEIGHT}h-720z"
    blind = steps([at(0, 24, BLIND, 48)], (), DAY)
    assert (path(blind, "l"), path(blind, "area"), path(blind, "last")) == ("", "", "")
    assert path(blind, "u") == "M0 0h720v48h-720z"


def test_the_last_count_is_dashed_only_where_it_was_hidden_and_known() -> None:
    stands = [at(0, 6, COUNTED, 10), at(6, 8, OCCLUDED, 10), at(8, 10, DISAGREED, 10), at(10, 12, BLIND, 10)]
    drawing = steps(stands, (), DAY)
    assert lefts(drawing, "last") == [180, 240]
    assert lefts(drawing, "u") == [180]
    assert path(steps([at(0, 6, OCCLUDED, None)], (), DAY), "last") == ""


def test_a_time_of_which_nobody_spoke_is_hatched_like_a_blind_one() -> None:
    drawing = steps([at(0, 6, COUNTED, 10)], [(6 * HOUR_MS, 7 * HOUR_MS)], DAY)
    assert path(drawing, "u") == "M180 0h30v48h-30z"


def test_what_two_statements_contradict_each_other_about_is_cross_hatched() -> None:
    assert path(steps([at(0, 6, None, None)], (), DAY), "c") == "M0 0h180v48h-180z"


def test_a_restless_zone_is_drawn_in_slots_in_true_proportion() -> None:
    minute = 1 / 60
    stands = [at(i * minute, (i + 1) * minute, OCCLUDED if i % 4 == 0 else COUNTED, 10 + i % 3) for i in range(1440)]
    drawing = steps(stands, (), DAY)
    hidden = sum(int(width) for width in re.findall(r"M\d+ 0h(\d+)v", path(drawing, "u")))
    assert 0.2 < hidden / 720 < 0.3
    assert len(lefts(drawing, "l")) <= SLOTS
    assert len(drawing) < 20_000


stands = st.lists(
    st.builds(
        lambda start, length, verdict, items, unsure: Stand(start, start + length, verdict, items, unsure),
        st.integers(0, 1000),
        st.integers(1, 200),
        st.sampled_from(Verdict),
        st.one_of(st.none(), st.integers(0, 3)),
        st.integers(0, 1),
    ),
    max_size=12,
)


@given(stands, st.randoms())
def test_joined_in_any_order_is_the_same_and_each_instant_is_there_once(found: list[Stand], dice: object) -> None:
    one = joined(found)
    shuffled = list(found)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert joined(shuffled) == one
    assert all(a.to_ms <= b.from_ms for a, b in pairwise(one))
    assert all(a.to_ms < b.from_ms or a[2:] != b[2:] for a, b in pairwise(one))
    spoken = set().union(*(range(s.from_ms, s.to_ms) for s in found))
    assert sum(s.to_ms - s.from_ms for s in one) == len(spoken)
    for stand in one:
        said = {s[2:] for s in found if s.from_ms < stand.to_ms and stand.from_ms < s.to_ms}
        assert stand.verdict is None or stand[2:] in said
        assert stand.verdict is not None or len(said) > 1
