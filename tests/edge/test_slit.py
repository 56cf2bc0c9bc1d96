"""A gate's line over time."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.eye.counting import Frame
from edge_agent.eye.gate import GateLine
from edge_agent.eye.opencv.slit import SlitSampler
from edge_agent.eye.opencv.slit_drawing import (
    BETWEEN,
    LEFT,
    LINE_HEIGHT,
    MARKS_HEIGHT,
    ROW_GAP,
    TIMES_HEIGHT,
    Words,
    draw,
    opened,
    webp,
)
from edge_agent.eye.opencv.slit_eye import SlitEye
from edge_agent.eye.slit import HOLD_MS, PAPER, Pixels, Strip, Sweep, still, strip_of
from edge_agent.eye.slit_page import Counted, PieceKind, page_of
from evidence.bodies import Direction

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "synth"))
from gate_clip import Wish, plan


def ramp(width: int = 160, height: int = 120) -> Pixels:
    """Blue tells x, green y."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


@given(
    ends=st.tuples(*(st.floats(12, 100) for _ in range(4))).filter(lambda e: abs(e[0] - e[2]) + abs(e[1] - e[3]) > 8),
    length=st.integers(2, 200),
    offsets=st.lists(st.floats(-9, 9), min_size=1, max_size=5),
    inwards=st.sampled_from([1, -1]),
)
def test_a_sample_is_what_lies_at_its_place_on_the_line(
    ends: tuple[float, float, float, float], length: int, offsets: list[float], inwards: int
) -> None:
    x0, y0, x1, y1 = ends
    line = GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=inwards * (y0 - y1), in_y=inwards * (x1 - x0))
    seen = SlitSampler(line, length_px=length, offsets_px=offsets).sample(ramp())
    assert seen.shape == (len(offsets), length, 3)
    along = (np.arange(length) + 0.5) / length
    for row, offset in zip(seen, offsets, strict=True):
        x = x0 + along * (x1 - x0) + offset * line.normal[0]
        y = y0 + along * (y1 - y0) + offset * line.normal[1]
        assert np.abs(row[:, 0] - x).max() <= 1.1
        assert np.abs(row[:, 1] - y).max() <= 1.1


def test_a_positive_offset_lies_inside() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, 50:] = 255
    line = GateLine(x0=50, y0=10, x1=50, y1=90, in_x=1, in_y=0)
    outside, inside = SlitSampler(line, offsets_px=(-6, 6)).sample(picture)
    assert (outside == 0).all()
    assert (inside == 255).all()


def test_a_long_gate_in_few_samples_misses_no_thin_thing() -> None:
    picture = np.zeros((400, 40, 3), np.uint8)
    picture[201:203] = 255
    line = GateLine(x0=20, y0=0, x1=20, y1=399, in_x=1, in_y=0)
    assert SlitSampler(line, length_px=50).sample(picture).max() > 40


@pytest.mark.parametrize("wrong", [{"length_px": 1}, {"offsets_px": ()}, {"offsets_px": (float("nan"),)}])
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"line"):
        SlitSampler(GateLine(x0=0, y0=0, x1=0, y1=9, in_x=1, in_y=0), **wrong)  # type: ignore[arg-type]


# ---- strips and pages ----


def eye_of(line: GateLine, pictures: list[Pixels], fps: int) -> list[Strip]:
    eye = SlitEye(line, columns_per_s=12)
    frames = (Frame(picture=p, at_ms=i * 1000 // fps, steady_ms=i * 1000 // fps) for i, p in enumerate(pictures))
    raws = [*(eye.see(frame) for frame in frames), eye.end()]
    return [strip_of(raw) for raw in raws if raw is not None]


def strip(at_ms: int, columns: int, *, seed: int | None = None) -> Strip:
    """A still one; with a seed, one that is never still."""
    pixels = np.full((20, columns, 3), 100, np.uint8)
    if seed is not None:
        pixels = np.random.default_rng(seed).integers(0, 256, pixels.shape, np.uint8)
    still_ = ((0, columns),) if seed is None and columns >= 48 else ()
    return Strip(from_ms=at_ms, columns_per_s=12, pixels=pixels, along=16, still=still_)


spans = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(1, 360), st.one_of(st.none(), st.integers(0, 9))),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(spans=spans, at=st.lists(st.integers(0, 150_000), max_size=6), width=st.integers(200, 1500))
def test_every_moment_stands_once_in_the_picture_in_order_and_no_crossing_is_folded(
    spans: list[tuple[int, int, int | None]], at: list[int], width: int
) -> None:
    strips, now_ms = [], 0
    for gap_ms, columns, seed in spans:
        strips.append(strip(now_ms + gap_ms, columns, seed=seed))
        now_ms = strips[-1].to_ms
    counted = [Counted(at_ms=ms, direction=Direction.IN) for ms in at]
    page = page_of(strips, counted, row_width=width)
    pieces = [placed for row in page.rows for placed in row]
    assert (pieces[0].piece.from_ms, pieces[-1].piece.to_ms) == (strips[0].from_ms, page.to_ms)
    assert all(a.piece.to_ms == b.piece.from_ms for a, b in pairwise(pieces))
    assert all(placed.x + placed.width <= width for placed in pieces)
    for row in page.rows:
        assert all(a.x + a.width == b.x for a, b in pairwise(row))
    shown = [
        (p.piece.strip, c) for p in pieces if p.piece.kind is PieceKind.SHOWN for c in range(p.piece.first, p.piece.end)
    ]
    assert len(shown) == len(set(shown)), "no column twice"
    assert shown == sorted(shown)
    for number, one in enumerate(strips):
        if not one.still:
            assert sum(s == number for s, _ in shown) == one.columns, "what is not still is shown whole"
    for ms in at:
        holding = [p.piece for p in pieces if p.piece.from_ms <= ms < p.piece.to_ms]
        assert (page.place(ms) is None) == (not holding)
        assert all(piece.kind is not PieceKind.FOLDED for piece in holding)


def test_what_came_to_stand_on_the_line_between_two_stretches_is_not_folded_away() -> None:
    empty, standing = strip(0, 360), strip(30_000, 360)
    standing.pixels[4:12] = 200
    page = page_of([empty, standing])
    assert [placed.piece.kind for row in page.rows for placed in row] == [PieceKind.FOLDED] * 2


@pytest.mark.parametrize("fps", [5, 10, 15, 30, 60])
def test_an_item_that_passes_in_one_picture_is_in_the_strip(fps: int) -> None:
    line = GateLine(x0=40, y0=0, x1=40, y1=59, in_x=1, in_y=0)
    pictures = [np.full((60, 80, 3), 100, np.uint8) for _ in range(fps * 2)]
    pictures[fps][20:40] = 255
    (one,) = eye_of(line, pictures, fps)
    assert one.pixels[: one.along].max() > 240
    assert 22 <= one.columns <= 24


def test_a_slow_change_of_light_is_followed_and_a_pause_of_the_camera_ends_the_strip() -> None:
    gate = np.repeat(np.linspace(100, 102, 120)[None, :, None], 3, axis=2).repeat(32, axis=0).astype(np.uint8)
    assert list(still(gate, columns_per_s=12)) == [(0, 120)]
    gate[:, 60:64] = 160
    assert list(still(gate, columns_per_s=12)) == [(0, 54), (70, 120)], "half a second is shown at each side"
    sweep = Sweep(columns_per_s=12)
    sample = np.zeros((8, 3), np.uint8)
    assert sweep.add(sample, sample[None], 0) is None
    raw = sweep.add(sample, sample[None], HOLD_MS + 1)
    assert raw is not None
    assert len(raw.gate) == 1


# ---- recounting ----


def play(passes: Sequence[tuple[float, int, int, int]], seconds: float, fps: int = 15) -> list[Pixels]:
    """(when on the line, where along it, pixels a second: positive inwards, grey) on a plain floor, with noise."""
    rng = np.random.default_rng(4)
    pictures = []
    for number in range(round(seconds * fps)):
        picture = np.full((180, 240, 3), 90, np.float32)
        for at_s, along, speed, grey in passes:
            x = 120 + speed * (number / fps - at_s)
            picture[max(0, along - 14) : along + 14, max(0, round(x - 18)) : max(0, round(x + 18))] = grey
        pictures.append(np.clip(picture + rng.normal(0, 2, picture.shape[:2])[..., None], 0, 255).astype(np.uint8))
    return pictures


def test_blobs_in_the_picture_are_the_crossings_and_lean_the_way_they_went() -> None:
    passes = [(1.5, 40, 60, 10), (3.2, 120, -60, 10), (5.0, 60, 90, 220), (5.2, 130, 90, 190), (7.5, 90, -45, 230)]
    line = GateLine(x0=120, y0=0, x1=120, y1=180, in_x=1, in_y=0)
    strips = eye_of(line, play(passes, 10), 15)
    page = page_of(strips)
    words = Words(title=("test",), ends=("a", "b"), time_of=str, short_time_of=str)
    picture = opened(webp(draw(page, (), words, with_marks=False).picture, quality=70))
    assert picture is not None
    top = picture.shape[0] - TIMES_HEIGHT - ROW_GAP - 32 - BETWEEN - strips[0].along
    gate = picture[top : top + strips[0].along, LEFT : LEFT + 240].astype(np.int16)
    count, _, stats, centres = cv2.connectedComponentsWithStats((np.abs(gate - 90).max(axis=2) > 40).astype(np.uint8))
    blobs = [(x / 24, y) for (x, y), size in zip(centres[1:count], stats[1:count, 4], strict=True) if size > 30]
    assert len(blobs) == len(passes)
    for at_s, along, _, _ in passes:
        assert min(abs(x - at_s) + abs(y * 180 / strips[0].along - along) / 50 for x, y in blobs) < 0.5
    across = np.abs(picture[top + strips[0].along + BETWEEN : -TIMES_HEIGHT - ROW_GAP, LEFT:].astype(np.int16) - PAPER)
    for at_s, _, speed, _ in passes[:2]:
        near = slice(round((at_s - 0.8) * 24), round((at_s + 0.8) * 24))
        inner, outer = (
            float(np.median(np.flatnonzero(rows[:, near].max(axis=(0, 2)) > 120)))
            for rows in (across[4:8], across[24:28])
        )
        assert (inner > outer) == (speed > 0), "what rises goes in"


def test_a_rendered_gate_is_recounted_from_its_picture_by_mere_thresholds() -> None:
    truth, play_ = plan(Wish(seconds=16, fps=12, width=384, height=216, seed=3, goods_in=3, goods_out=2))
    (gate,) = truth["gates"]
    (x0, y0), (x1, y1) = gate["line"]
    line = GateLine(x0=x0, y0=y0, x1=x1, y1=y1, in_x=gate["in_normal"][0], in_y=gate["in_normal"][1])
    strips = eye_of(line, list(play_), 12)
    words = Words(title=("test",), ends=("a", "b"), time_of=str, short_time_of=str)
    page = page_of(strips, fold=False)
    picture = opened(webp(draw(page, (), words, with_marks=False).picture, quality=50))
    assert picture is not None
    top = LINE_HEIGHT * 2 + 8 + MARKS_HEIGHT
    strip_ = picture[top : top + strips[0].along, LEFT : LEFT + 24 * 16].astype(np.int16)
    unlike = np.abs(strip_ - np.median(strip_, axis=1, keepdims=True)).max(axis=2)
    count, _, stats, centres = cv2.connectedComponentsWithStats((unlike > 35).astype(np.uint8))
    whole = [n for n in range(1, count) if stats[n][4] >= 60 and stats[n][0] + stats[n][2] < 2 * strips[0].columns]
    figures = sorted(float(centres[n][0]) / 24 for n in whole)  # one at the very end has not passed yet
    events = sorted(event["t"] for event in gate["events"])
    assert len(figures) == len(events) == 5
    assert all(abs(seen - true) < 1.6 for seen, true in zip(figures, events, strict=True)), "one may stand on the line"
