"""The counter that reads slit-scans: what it shows its model, what it makes of the model's maps, and when it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.eye.counting import Frame
from edge_agent.eye.gate import Crossing, GateLine, Items
from edge_agent.eye.slit_counter import COLUMNS, OFFSETS, SAMPLES, SlitCounter, slit_scan
from edge_agent.eye.slit_passes import STRIDE, passes
from evidence.bodies import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 240
LINE = GateLine(x0=160, y0=20, x1=160, y1=220, in_x=1, in_y=0)


class Bright:
    """Stands for the model: a bright blob on the gate's line is a pass, inward where the outer line meets it first."""

    name = "bright 1"
    sha256 = b"b" * 32
    least_score = 0.5

    def maps(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        assert picture.shape == (SAMPLES, COLUMNS, 13)
        assert picture.dtype == np.uint8
        logits = np.full((SAMPLES // STRIDE, COLUMNS // STRIDE, 3), -9, np.float32)
        sizes = np.zeros((SAMPLES // STRIDE, COLUMNS // STRIDE, 2), np.float32)
        lit = picture[..., 0].max(axis=0) > 200
        edges = np.flatnonzero(np.diff(np.concatenate([[0], lit, [0]]).astype(int)))
        for begin, end in edges.reshape(-1, 2):
            if begin > 0 and end < COLUMNS:
                rows = np.flatnonzero(picture[:, (begin + end) // 2, 0] > 200)
                cell = (int(rows.mean()) // STRIDE, (begin + end) // 2 // STRIDE)
                way = picture[..., 10][rows].astype(int)[:, max(0, begin - 2) : end + 2] - 128
                logits[cell] = [4.0, 4.0 if way.sum() > 0 else -4.0, -4.0]
                sizes[cell] = np.log([end - begin, len(rows)])
        return logits, sizes


def film(paths: list[list[float]], *, period_ms: int = 66, noise: float = 0) -> Iterator[Frame]:
    """A white square of 40 px at each path's x, on grey."""
    rng = np.random.default_rng(1)
    for number, places in enumerate(zip(*paths, strict=True)):
        picture = np.full((HEIGHT, WIDTH, 3), 60.0)
        for lane, x in enumerate(places):
            top, left = 60 + 70 * lane, round(x)
            picture[top : top + 40, max(0, left - 20) : max(0, left + 20)] = 250
        picture += rng.normal(0, noise, picture.shape) if noise else 0
        yield Frame(
            picture=picture.clip(0, 255).astype(np.uint8),
            at_ms=1_000_000 + number * period_ms,
            steady_ms=number * period_ms,
        )


def counted(frames: Iterator[Frame]) -> list[Crossing]:
    counter = SlitCounter(LINE, Bright())
    return [one for frame in frames for one in counter.see(frame)] + list(counter.finish())


def test_each_pass_is_told_once_with_its_time_and_direction() -> None:
    there = [20.0 + 7 * n for n in range(45)]
    (one,) = counted(film([there]))
    assert (one.direction, one.kind) == (Direction.IN, "goods")
    assert one.at_ms == pytest.approx(66 * 20, abs=150)
    (other,) = counted(film([there[::-1]]))
    assert other.direction is Direction.OUT


def test_hundreds_of_passes_are_each_told_once() -> None:
    places = [20.0 + 7 * (n % 45) for n in range(45 * 30)]
    told = counted(film([places]))
    assert len(told) == 30
    assert {one.direction for one in told} == {Direction.IN}
    gaps = np.diff([one.at_ms for one in told])
    assert gaps == pytest.approx(45 * 66, abs=150)


def test_what_stands_on_the_line_for_an_hour_takes_no_column_and_is_counted_when_it_goes_on() -> None:
    counter = SlitCounter(LINE, Bright())
    frames = list(film([[20.0 + 7 * min(n, 19) + 7 * max(0, n - 3600) for n in range(3625)]], period_ms=1000))
    told = [one for frame in frames for one in counter.see(frame)] + list(counter.finish())
    assert len(told) == 1


def test_noise_moves_nothing() -> None:
    assert counted(film([[-100.0] * 60], noise=5)) == []


def test_after_blindness_nothing_is_carried_across() -> None:
    counter = SlitCounter(LINE, Bright())
    frames = list(film([[20.0 + 7 * n for n in range(45)]]))
    told = [one for frame in frames[:19] for one in counter.see(frame)]
    counter.forget_all()
    told += [one for frame in frames[24:] for one in counter.see(frame)] + list(counter.finish())
    assert told == []


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 89), max_size=4), begin=st.integers(0, 40))
def test_the_times_of_looks_change_no_count(cuts: list[int], begin: int) -> None:
    """Finishing early, as where all stands still, neither loses nor doubles a pass that is complete."""
    frames = list(film([[-100.0] * begin + [20.0 + 7 * n for n in range(45)] + [-100.0] * 45]))
    counter = SlitCounter(LINE, Bright())
    told: list[Crossing] = []
    for number, frame in enumerate(frames):
        told += counter.see(frame)
        if number in {cut + begin for cut in cuts if not 15 <= cut <= 26}:
            told += counter.finish()
    assert len(told + list(counter.finish())) == 1


def test_lines_outside_the_picture_are_nought_and_say_no_direction() -> None:
    lines = np.random.default_rng(2).integers(0, 256, (COLUMNS, len(OFFSETS), SAMPLES, 3), np.uint8)
    inside = np.array([False, True, True, True, True, True, True])
    picture = slit_scan(lines, inside)
    assert not picture[..., 3].any()
    assert picture[..., 4:9].all()
    assert (picture[..., 12] == 128).all()


def test_an_eight_bit_plateau_is_one_pass() -> None:
    logits = np.full((48, 128, 3), -9, np.float32)
    logits[20:23, 60:64, 0] = 2.0
    sizes = np.full((48, 128, 2), np.log(8), np.float32)
    (one,) = passes(logits, sizes, least=0.5)
    assert one.column == pytest.approx(124, abs=4)
    assert one.along == pytest.approx(43, abs=4)


def test_what_is_expected_decides_what_an_unclear_thing_is_taken_for() -> None:
    class Unclear(Bright):
        def maps(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            logits, sizes = super().maps(picture)
            logits[..., 2] = -1.0
            return logits, sizes

    kinds = {}
    for items in Items:
        counter = SlitCounter(LINE, Unclear(), items=items)
        for frame in film([[20.0 + 7 * n for n in range(45)]]):
            assert counter.see(frame) == ()
        (one,) = counter.finish()
        kinds[items] = one.kind
    assert kinds == {Items.GOODS: "goods", Items.PERSON: "person", Items.VEHICLE: "vehicle"}
    assert all(items.counts(kind) for items, kind in kinds.items())
