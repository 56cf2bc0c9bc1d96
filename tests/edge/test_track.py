"""Tracks: one number a thing, as long as it can be known to be the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.eye.track import MAX_BOXES, MAX_TRACKS, Box, Track, Tracker, iou

FRAME_MS = 66


def box(x: float, y: float, width: float = 40, height: float = 30) -> Box:
    return Box(x0=x, y0=y, x1=x + width, y1=y + height)


def follow(pictures: list[list[Box]]) -> list[tuple[Track, ...]]:
    tracker = Tracker()
    return [tracker.update(boxes, at_ms=step * FRAME_MS) for step, boxes in enumerate(pictures)]


def numbers(told: list[tuple[Track, ...]]) -> set[int]:
    return {track.id for tracks in told for track in tracks}


@given(st.integers(-45, 45), st.integers(-45, 45))
def test_a_thing_keeps_its_number_at_any_steady_speed(vx: int, vy: int) -> None:
    assert len(numbers(follow([[box(900 + step * vx, 900 + step * vy)] for step in range(20)]))) == 1


@given(st.integers(6, 15), st.integers(1, 20), st.integers(0, 20))
def test_a_drop_out_shorter_than_the_buffer_keeps_the_number(before: int, gone: int, speed: int) -> None:
    pictures = [[box(step * speed, 50)] if step < before or step >= before + gone else [] for step in range(50)]
    assert len(numbers(follow(pictures))) == 1


def test_after_the_buffer_it_is_another_thing_and_no_number_is_used_twice() -> None:
    pictures = [[box(10, 10)]] * 5 + [[]] * 40 + [[box(10, 10)]] * 5
    assert len(numbers(follow(pictures))) == 2


@given(st.permutations(range(5)))
def test_the_order_of_boxes_in_a_picture_does_not_matter(order: list[int]) -> None:
    def told(sequence: list[int]) -> list[tuple[Track, ...]]:
        return follow([[box(100 * n + 5 * step, 40 * n, 30 + n, 30) for n in sequence] for step in range(10)])

    assert told(order) == told(sorted(order))


def test_two_things_that_pass_each_other_keep_their_numbers() -> None:
    told = follow([[box(step * 10, 50), box(400 - step * 10, 100)] for step in range(41)])
    first, last = ({track.id: track.box.y0 for track in tracks} for tracks in (told[5], told[-1]))
    assert first == last


def test_two_things_that_touch_for_a_while_stay_two() -> None:
    pictures = []
    for step in range(40):
        gap = max(0, abs(step - 20) - 8) * 2
        left, right = box(step * 6, 100), box(step * 6 + 40 + gap, 102)
        touching = Box(x0=left.x0, y0=100, x1=right.x1, y1=132)
        pictures.append([left, right] if gap else [touching])
    told = follow(pictures)
    assert {len(tracks) for tracks in told[4:]} == {2}
    assert len(numbers(told)) == 2


def test_a_piece_that_breaks_off_for_a_moment_is_no_thing() -> None:
    pictures = [
        [box(step * 6, 100)] if step % 12 < 9 else [box(step * 6, 100, 22), box(step * 6 + 26, 100, 14)]
        for step in range(48)
    ]
    assert len(numbers(follow(pictures))) == 1


def test_a_flicker_is_never_told() -> None:
    assert numbers(follow([[box(300, 300)] if step % 20 < 2 else [] for step in range(100)])) == set()


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_what_is_kept_is_bounded_under_noise(seed: int) -> None:
    import random

    random_ = random.Random(seed)
    tracker = Tracker()
    for step in range(12):
        boxes = [
            box(random_.uniform(0, 9000), random_.uniform(0, 9000), random_.uniform(1, 90), random_.uniform(1, 90))
            for _ in range(120)
        ]
        assert len(tracker.update(boxes, at_ms=step * FRAME_MS)) <= MAX_BOXES
    assert len(tracker._kept) <= MAX_TRACKS


def test_things_of_different_kind_are_never_one_track() -> None:
    person = Box(x0=10, y0=10, x1=50, y1=40, kind="person")
    told = follow([[box(10, 10)]] * 5 + [[person]] * 5)
    assert {(track.id, track.box.kind) for tracks in told for track in tracks} == {(1, "goods"), (2, "person")}


@pytest.mark.parametrize("corners", [(5, 5, 5, 9), (5, 5, 4, 9), (float("nan"), 0, 1, 1)])
def test_a_box_without_an_area_cannot_be_built(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no box"):
        Box(x0=corners[0], y0=corners[1], x1=corners[2], y1=corners[3])


@given(st.floats(0, 100), st.floats(1, 100))
def test_iou_is_symmetric_and_at_most_one(shift: float, size: float) -> None:
    one, other = box(0, 0, size, size), box(shift, shift, 50, 50)
    assert iou(one, other) == pytest.approx(iou(other, one))
    assert 0 <= iou(one, other) <= 1 + 1e-9
    assert iou(one, one) == pytest.approx(1)
