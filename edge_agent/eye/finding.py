"""Finding items in whole pictures: at a gate in every frame, in a zone at the scale that suits the model.

The model knows items best when their side is about `SIDE` pixels. For a zone the scale comes from the installer's
exemplar, or from the picture itself: it is looked at in several sizes, and the one is taken in which finds of about
that side cover most of it. A picture larger than the model's input is cut into tiles that overlap.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edge_agent.eye.opencv.pictures import resized
from edge_agent.eye.peaks import NOTHING, Found, merged
from edge_agent.eye.track import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edge_agent.eye.counting import Frame, Picture

SIDE = 44.0
"""Pixels: the side of an item as the model likes it."""

SIZES = (80, 112, 160, 224, 320, 448, 640, 896)
"""Pixels: the longer sides at which a picture of unknown scale is looked at."""

SPREAD = 0.6
"""Logarithm: how far from the liked side a find may be before it tells little about the scale."""

GRID = 64
"""Cells a side on which it is measured how much of a picture the finds cover."""

OVERLAP = 96
"""Pixels that neighbouring tiles share: more than an item that either should tell of."""

GREY = 114
"""What a tile is filled up with, as in training."""


class Finds(Protocol):
    """A loaded model, as `edge_agent.eye.litert.Model` is."""

    @property
    def name(self) -> str:
        """Name and version."""

    @property
    def sha256(self) -> bytes:
        """Of its file."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of the pictures it takes."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What its class numbers mean."""

    def find(self, picture: Picture, *, least: float | None = None) -> Found:
        """The items in a picture of exactly that size."""


class GateDetector:
    """Looks at whole frames, each shrunk to the model's size; `edge_agent.eye.counting.Detector`."""

    def __init__(self, model: Finds, *, least: float | None = None) -> None:
        self._model, self._least = model, least

    @property
    def name(self) -> str:
        """Name and version."""
        return self._model.name

    @property
    def sha256(self) -> bytes:
        """Of the model's file."""
        return self._model.sha256

    def detect(self, frame: Frame) -> tuple[Box, ...]:
        """Goods, persons and vehicles in this frame, `kind` as the model names them, best first."""
        height, width = frame.picture.shape[:2]
        wide, high = self._model.input_size
        scale = min(wide / width, high / height)
        small = resized(frame.picture, (max(1, round(width * scale)), max(1, round(height * scale))))
        found = merged([self._model.find(_filled(small, wide, high), least=self._least)])
        return boxes_of(_scaled(found, width / small.shape[1], height / small.shape[0]), self._model, width, height)


class StockFinder:
    """Looks at a picture with care; the same picture, zone and exemplar give the same boxes."""

    def __init__(self, model: Finds, *, least: float | None = None) -> None:
        self._model, self._least = model, least

    @property
    def name(self) -> str:
        """Name and version."""
        return self._model.name

    @property
    def sha256(self) -> bytes:
        """Of the model's file."""
        return self._model.sha256

    def find(
        self, picture: Picture, *, zone: Sequence[tuple[float, float]] | None = None, side: float | None = None
    ) -> tuple[Box, ...]:
        """The items whose centre is in the zone (a polygon, pixels; None: the whole picture), best first.

        `side` is the root of the area of a typical item, pixels; None: found from the picture itself.
        """
        height, width = picture.shape[:2]
        left, top, right, bottom = _surroundings(zone, width, height)
        part = picture[top:bottom, left:right]
        found = self._at_side(part, side) if side else self._at_best_scale(part)
        boxes = boxes_of(found, self._model, right - left, bottom - top)
        boxes = tuple(one.shifted(left, top) for one in boxes)
        return tuple(one for one in boxes if zone is None or inside(one.centre, zone))

    def _at_side(self, picture: Picture, side: float) -> Found:
        """With an item of this side as large as the model likes it."""
        return self._scaled_to(picture, round(max(picture.shape[:2]) * SIDE / side))

    def _at_best_scale(self, picture: Picture) -> Found:
        """At the size in which finds of the liked side cover most, weighed by how sure they are.

        Not by how many they are: seen too large, each label on a carton is a find, but covers little.
        """
        longest = max(picture.shape[:2])
        best, most = NOTHING, 0.0
        for size in SIZES:
            if size > 1.5 * longest:
                break
            found = self._scaled_to(picture, size)
            if len(found):
                off = np.log(found.sides * size / longest / SIDE)
                covered = _covered(found, found.scores * np.exp(-((off / SPREAD) ** 2)), longest)
                if covered > most:
                    best, most = found, covered
        return best

    def _scaled_to(self, picture: Picture, longest: int) -> Found:
        """The finds, in the picture's own pixels, when its longer side is scaled to this."""
        height, width = picture.shape[:2]
        scale = min(max(longest, 32), 4 * max(height, width), 1600) / max(height, width)
        small = resized(picture, (max(1, round(width * scale)), max(1, round(height * scale))))
        parts = [
            _shifted(_whole(self._model.find(tile, least=self._least), edges), x, y)
            for tile, x, y, edges in _tiles(small, *self._model.input_size)
        ]
        return _scaled(merged(parts), width / small.shape[1], height / small.shape[0])


def boxes_of(found: Found, model: Finds, width: int, height: int) -> tuple[Box, ...]:
    """The finds as boxes, cut to the picture."""
    cut = found.boxes.clip(0, [width, height, width, height])
    return tuple(
        Box(x0=float(x0), y0=float(y0), x1=float(x1), y1=float(y1), score=float(score), kind=model.classes[kind])
        for (x0, y0, x1, y1), score, kind in zip(cut, found.scores, found.kinds, strict=True)
        if x1 - x0 >= 1 and y1 - y0 >= 1
    )


def inside(point: tuple[float, float], polygon: Sequence[tuple[float, float]]) -> bool:
    """Whether a point lies in a polygon: an odd number of its edges lie to the right."""
    x, y = point
    odd = False
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            odd = not odd
    return odd


def _surroundings(zone: Sequence[tuple[float, float]] | None, width: int, height: int) -> tuple[int, int, int, int]:
    """The zone and a margin, within the picture: an item at its edge must be seen whole."""
    if zone is None:
        return 0, 0, width, height
    xs, ys = [x for x, _ in zone], [y for _, y in zone]
    margin = 0.15 * max(max(xs) - min(xs), max(ys) - min(ys))
    left, right = max(0, math.floor(min(xs) - margin)), min(width, math.ceil(max(xs) + margin))
    top, bottom = max(0, math.floor(min(ys) - margin)), min(height, math.ceil(max(ys) + margin))
    if right - left < 1 or bottom - top < 1:
        return 0, 0, width, height
    return left, top, right, bottom


def _covered(found: Found, weights: NDArray[np.floating[Any]], longest: int) -> float:
    """How many cells of a grid over the picture the boxes cover, each cell by the greatest weight there."""
    cells = np.zeros((GRID, GRID))
    edges = np.round(found.boxes * (GRID / longest)).clip(0, GRID).astype(int)
    for index in np.argsort(weights, kind="stable"):
        x0, y0, x1, y1 = edges[index]
        cells[y0:y1, x0:x1] = weights[index]
    return float(cells.sum())


def _tiles(picture: Picture, wide: int, high: int) -> Iterator[tuple[Picture, int, int, tuple[float, ...]]]:
    """Tiles of the model's size, where each lies, and the edges (pixels of the tile) at which it is cut."""
    height, width = picture.shape[:2]
    for top in _starts(height, high):
        for left in _starts(width, wide):
            tile = picture[top : top + high, left : left + wide]
            edges = (
                0.0 if left else -math.inf,
                0.0 if top else -math.inf,
                float(wide) if left + wide < width else math.inf,
                float(high) if top + high < height else math.inf,
            )
            yield _filled(tile, wide, high), left, top, edges


def _starts(length: int, tile: int) -> list[int]:
    """Where tiles begin so that they cover this length evenly and share at least `OVERLAP`."""
    if length <= tile:
        return [0]
    count = math.ceil((length - OVERLAP) / (tile - OVERLAP))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def _whole(found: Found, edges: tuple[float, ...]) -> Found:
    """Without what touches an edge at which the picture goes on: the neighbour sees it whole."""
    x0, y0, x1, y1 = found.boxes.T
    return found.kept((x0 > edges[0] + 1) & (y0 > edges[1] + 1) & (x1 < edges[2] - 1) & (y1 < edges[3] - 1))


def _filled(picture: Picture, wide: int, high: int) -> Picture:
    """The picture at the top left of one of exactly this size."""
    height, width = picture.shape[:2]
    if (width, height) == (wide, high):
        return picture
    out = np.full((high, wide, 3), GREY, dtype=np.uint8)
    out[:height, :width] = picture
    return out


def _shifted(found: Found, x: float, y: float) -> Found:
    return Found(boxes=found.boxes + np.array([x, y, x, y]), scores=found.scores, kinds=found.kinds)


def _scaled(found: Found, across: float, down: float) -> Found:
    return Found(boxes=found.boxes * np.array([across, down, across, down]), scores=found.scores, kinds=found.kinds)
