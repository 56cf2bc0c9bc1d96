"""What of a picture may leave the box: goods, sharp; everything else, so coarse that nobody is known by it.

1. Sharp is only what lies inside a goods box and outside every person box, grown by its margin.
2. All the rest is drawn in cells of at least CELL of the shorter side: a cell has one colour, the mean of what it
   holds. So whatever a detector misses does not leak: of an unseen face there is a part of one cell.
3. Where nothing is goods, the whole picture is cells.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_agent.eye.opencv.pictures import as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edge_agent.eye.counting import Picture
    from edge_agent.eye.track import Box

CELL: Final = 1 / 14
"""Of the picture's shorter side: in a view of 360 rows 26 pixels, about a head."""
LEAST_CELL: Final = 12
"""Pixels, however small the picture."""
PERSON_MARGIN: Final = 0.15
"""Of a person box's longer side: hair, hands and what was half seen."""


def goods_only(picture: Picture, *, goods: Iterable[Box], people: Iterable[Box]) -> Picture:
    """The picture as it may leave the box."""
    sharp = sharp_where(picture.shape[:2], goods=goods, people=people)
    return as_bytes(np.where(sharp[..., None], picture, in_cells(picture)))


def cropped_to_goods(picture: Picture, *, goods: Sequence[Box], people: Iterable[Box]) -> Picture | None:
    """The smallest part that holds all goods, as it may leave; None where there are none."""
    height, width = picture.shape[:2]
    spans = [span for box in goods if (span := _span(box, width, height)) is not None]
    if not spans:
        return None
    x0, y0 = min(span[0] for span in spans), min(span[1] for span in spans)
    x1, y1 = max(span[2] for span in spans), max(span[3] for span in spans)
    return as_bytes(goods_only(picture, goods=goods, people=people)[y0:y1, x0:x1].copy())


def sharp_where(shape: tuple[int, int], *, goods: Iterable[Box], people: Iterable[Box]) -> NDArray[np.bool_]:
    """Rows x columns: which pixels may stay as they are."""
    height, width = shape
    sharp = np.zeros(shape, np.bool_)
    for box in goods:
        if (span := _span(box, width, height)) is not None:
            sharp[span[1] : span[3], span[0] : span[2]] = True
    for box in people:
        margin = PERSON_MARGIN * max(box.width, box.height)
        x0, y0, x1, y1 = box.x0 - margin, box.y0 - margin, box.x1 + margin, box.y1 + margin
        sharp[max(0, math.floor(y0)) : max(0, math.ceil(y1)), max(0, math.floor(x0)) : max(0, math.ceil(x1))] = False
    return sharp


def in_cells(picture: Picture) -> Picture:
    """The picture in cells of one colour each."""
    height, width = picture.shape[:2]
    cell = max(LEAST_CELL, math.ceil(CELL * min(height, width)))
    size = (max(1, width // cell), max(1, height // cell))  # never smaller cells than that
    coarse = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return as_bytes(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST))


def _span(box: Box, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Its whole pixels within the picture; None where there are none."""
    x0, y0 = max(0, math.ceil(box.x0)), max(0, math.ceil(box.y0))
    x1, y1 = min(width, math.floor(box.x1)), min(height, math.floor(box.y1))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
