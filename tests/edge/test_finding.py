"""Items in whole pictures: tiles tell of each item once, the scale is found, a zone takes what is in it."""

import numpy as np
import pytest

from edge_agent.eye.counting import Frame, Picture
from edge_agent.eye.finding import GREY, SIDE, GateDetector, StockFinder, inside
from edge_agent.eye.peaks import Found, merged

WIDE, HIGH = 384, 384


class Squares:
    """A model that knows white squares on grey exactly, if their side is within what it likes."""

    name = "squares 1"
    sha256 = b"\x01" * 32
    input_size = (WIDE, HIGH)
    classes = ("carton", "person")

    def __init__(self) -> None:
        self.looks = 0

    def find(self, picture: Picture, *, least: float | None = None) -> Found:
        assert picture.shape == (HIGH, WIDE, 3)
        assert least is None or 0 < least < 1
        self.looks += 1
        white = picture[:, :, 0] > 180
        boxes = []
        while white.any():
            row, column = np.argwhere(white)[0]
            right = column + int(np.argmin(np.append(white[row, column:], False)))
            bottom = row + int(np.argmin(np.append(white[row:, column], False)))
            white[row:bottom, column:right] = False
            if 12 <= right - column <= 120 and bottom - row >= 4:
                boxes.append([column, row, right, bottom])
        off = [np.log(np.sqrt((b[2] - b[0]) * (b[3] - b[1])) / SIDE) for b in boxes]
        return merged(
            [
                Found(
                    np.array(boxes, dtype=float).reshape(-1, 4),
                    np.array([0.9 * np.exp(-(one**2)) for one in off]),
                    np.zeros(len(boxes), np.int64),
                )
            ]
        )


def shelf(width: int, height: int, side: int, gap: int) -> tuple[Picture, int]:
    """White squares in rows, and how many."""
    picture = np.full((height, width, 3), GREY, dtype=np.uint8)
    tops, lefts = range(gap, height - side, side + gap), range(gap, width - side, side + gap)
    for top in tops:
        for left in lefts:
            picture[top : top + side, left : left + side] = 255
    return picture, len(tops) * len(lefts)


@pytest.mark.parametrize(("side", "gap"), [(44, 20), (60, 30), (100, 40), (200, 60)])
def test_items_of_any_size_are_found_at_a_scale_that_the_picture_tells(side: int, gap: int) -> None:
    picture, there = shelf(640, 640, side, gap)
    found = StockFinder(Squares()).find(picture)
    assert len(found) == there
    assert all(abs(box.width - side) < 0.15 * side for box in found)


def test_an_exemplar_takes_one_look_where_the_picture_then_fits() -> None:
    model = Squares()
    picture, there = shelf(640, 640, 120, 30)
    assert len(StockFinder(model).find(picture, side=120)) == there
    assert model.looks == 1


def test_an_item_between_two_tiles_is_one_item() -> None:
    model = Squares()
    picture, there = shelf(1280, 720, 44, 23)
    found = StockFinder(model).find(picture, side=44)
    assert model.looks > 4
    assert len(found) == there
    assert len({(round(box.x0 / 20), round(box.y0 / 20)) for box in found}) == there


def test_a_zone_takes_the_items_whose_centre_it_holds() -> None:
    picture, there = shelf(640, 640, 60, 30)
    everything = StockFinder(Squares()).find(picture)
    zone = [(0.0, 0.0), (640.0, 0.0), (0.0, 640.0)]
    within = StockFinder(Squares()).find(picture, zone=zone)
    assert 0 < len(within) < there
    assert len(within) == sum(inside(box.centre, zone) for box in everything)
    assert all(inside(box.centre, zone) for box in within)


def test_a_zone_outside_of_the_picture_holds_nothing() -> None:
    picture, _ = shelf(640, 640, 60, 30)
    assert StockFinder(Squares()).find(picture, zone=[(900, 900), (950, 900), (950, 950)]) == ()


def test_the_same_picture_gives_the_same_boxes() -> None:
    picture, _ = shelf(640, 480, 60, 30)
    finder = StockFinder(Squares())
    assert finder.find(picture) == finder.find(picture)
    assert (finder.name, finder.sha256) == ("squares 1", b"\x01" * 32)


@pytest.mark.parametrize("size", [(640, 360), (384, 384), (320, 640)])
def test_a_gate_looks_once_at_a_whole_frame_and_tells_its_own_pixels(size: tuple[int, int]) -> None:
    model = Squares()
    picture, there = shelf(*size, 80, 30)
    found = GateDetector(model).detect(Frame(picture=picture, at_ms=0, steady_ms=0))
    assert model.looks == 1
    assert len(found) == there
    assert all(box.kind == "carton" and abs(box.width - 80) < 8 for box in found)
    assert all(0 <= box.x0 < box.x1 <= size[0] and 0 <= box.y0 < box.y1 <= size[1] for box in found)


def test_an_empty_picture_holds_nothing() -> None:
    grey = np.full((480, 640, 3), GREY, dtype=np.uint8)
    assert StockFinder(Squares()).find(grey) == ()
    assert StockFinder(Squares()).find(np.zeros((1, 1, 3), np.uint8)) == ()
