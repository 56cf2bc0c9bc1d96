"""No pixel outside the goods leaves the box sharp, whatever a detector missed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.eye.opencv.blur import LEAST_CELL, cropped_to_goods, goods_only, in_cells, sharp_where
from edge_agent.eye.track import Box


def box(x0: float, y0: float, x1: float, y1: float) -> Box:
    return Box(x0=x0, y0=y0, x1=x1, y1=y1, score=0.9)


boxes = st.lists(
    st.tuples(st.floats(-20, 180), st.floats(-20, 140), st.floats(1, 90), st.floats(1, 90)).map(
        lambda t: box(t[0], t[1], t[0] + t[2], t[1] + t[3])
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=40)
@given(goods=boxes, people=boxes, seed=st.integers(0, 1000), size=st.tuples(st.integers(30, 160), st.integers(30, 200)))
def test_no_pixel_outside_the_goods_or_in_a_person_leaves_sharp(
    goods: list[Box], people: list[Box], seed: int, size: tuple[int, int]
) -> None:
    """Outside, what leaves is told by the cells alone: another picture with the same cells leaves the same."""
    picture = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    leaves = goods_only(picture, goods=goods, people=people)
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    in_goods = np.zeros(size, np.bool_)
    for one in goods:
        in_goods |= (x >= one.x0) & (x + 1 <= one.x1) & (y >= one.y0) & (y + 1 <= one.y1)
    in_person = np.zeros(size, np.bool_)
    for one in people:
        in_person |= (x + 1 > one.x0) & (x < one.x1) & (y + 1 > one.y0) & (y < one.y1)
    coarse = in_cells(picture)
    hidden = ~in_goods | in_person
    assert (leaves[hidden] == coarse[hidden]).all()
    sharp = sharp_where(size, goods=goods, people=people)
    assert not (sharp & hidden).any()
    assert (leaves[sharp] == picture[sharp]).all()


@given(seed=st.integers(0, 1000), size=st.tuples(st.integers(24, 200), st.integers(24, 200)))
@settings(deadline=None, max_examples=10)
def test_a_cell_has_one_colour_and_is_never_small(seed: int, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    coarse = in_cells(picture)
    rows = 1 + int(np.count_nonzero(np.any(np.diff(coarse, axis=0), axis=(1, 2))))
    columns = 1 + int(np.count_nonzero(np.any(np.diff(coarse, axis=1), axis=(0, 2))))
    assert rows <= max(1, size[0] // LEAST_CELL)
    assert columns <= max(1, size[1] // LEAST_CELL)
    assert len(np.unique(coarse.reshape(-1, 3), axis=0)) <= rows * columns


def test_a_person_before_the_goods_is_hidden_with_his_outline() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    sharp = sharp_where((120, 160), goods=[box(20, 20, 140, 100)], people=[box(60, 30, 80, 90)])
    assert sharp[25, 25]
    assert not sharp[30:90, 55:85].any(), "a margin round him too"
    crop = cropped_to_goods(picture, goods=[box(20, 20, 140, 100)], people=[])
    assert crop is not None
    assert crop.shape == (80, 120, 3)
    assert cropped_to_goods(picture, goods=[], people=[]) is None


def test_without_goods_nothing_is_sharp() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    assert (goods_only(picture, goods=[], people=[]) == in_cells(picture)).all()
