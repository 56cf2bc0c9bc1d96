"""A zone is a polygon on the picture; what has its centre in it is counted. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge_agent.eye.track import Box

Point: TypeAlias = tuple[float, float]
"""x, y in pixels of the source, from the picture's top left."""

LEAST_CORNERS, CORNERS_LIMIT = 3, 64
"""Of one zone."""

LEAST_AREA = 64.0
"""Pixels squared; a smaller polygon is a slip of the hand."""

MARGIN = 0.15
"""Of the zone's longer side, around it."""

SAMPLES = 8
"""So many points a side are asked to find which share of a box lies in the zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The corners, in order; the last is joined to the first."""

    corners: tuple[Point, ...]

    def __post_init__(self) -> None:
        """Refuse what is no simple polygon."""
        if not LEAST_CORNERS <= len(self.corners) <= CORNERS_LIMIT:
            raise ValueError(f"a zone has {LEAST_CORNERS} to {CORNERS_LIMIT} corners, not {len(self.corners)}")
        if not all(math.isfinite(value) for corner in self.corners for value in corner):
            raise ValueError("a zone is made of finite numbers")
        if any(_cross(*one, *other) for one, other in combinations(self._edges(), 2)):
            raise ValueError("the zone's edges cross each other: name its corners in order")
        if self.area < LEAST_AREA:
            raise ValueError(f"the zone has an area of {self.area:.0f} square pixels, less than {LEAST_AREA:.0f}")

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Zone:
        """From x0, y0, x1, y1 …; ValueError where they make no zone."""
        given = tuple(numbers)
        if len(given) % 2:
            raise ValueError(f"corners come in pairs x,y; these are {len(given)} numbers")
        return cls(corners=tuple(zip(given[::2], given[1::2], strict=True)))

    @classmethod
    def whole(cls, width: float, height: float) -> Zone:
        """All of a picture."""
        return cls(corners=((0, 0), (width, 0), (width, height), (0, height)))

    @property
    def area(self) -> float:
        """Pixels squared."""
        return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in self._edges())) / 2

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The least upright box around it: x0, y0, x1, y1."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def surroundings(self, width: float, height: float) -> tuple[Point, ...]:
        """The bounds and a margin, within the picture: an item on the edge must be seen whole."""
        x0, y0, x1, y1 = self.bounds
        margin = MARGIN * max(x1 - x0, y1 - y0)
        left, top = max(0.0, x0 - margin), max(0.0, y0 - margin)
        right, bottom = min(width, x1 + margin), min(height, y1 + margin)
        return (left, top), (right, top), (right, bottom), (left, bottom)

    def contains(self, point: Point) -> bool:
        """Whether a point lies in it: an odd number of its edges lie to the right."""
        x, y = point
        odd = False
        for (x0, y0), (x1, y1) in self._edges():
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                odd = not odd
        return odd

    def share(self, box: Box) -> float:
        """Which share of a box lies in it, 0 to 1."""
        steps = [(index + 0.5) / SAMPLES for index in range(SAMPLES)]
        points = ((box.x0 + box.width * across, box.y0 + box.height * down) for across in steps for down in steps)
        return sum(map(self.contains, points)) / SAMPLES**2

    def depth(self, point: Point) -> float:
        """Pixels from a point to the nearest edge, negative outside."""
        nearest = min(_distance(point, *edge) for edge in self._edges())
        return nearest if self.contains(point) else -nearest

    def _edges(self) -> Iterator[tuple[Point, Point]]:
        return zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True)


def _distance(point: Point, begin: Point, end: Point) -> float:
    (px, py), (x0, y0), (x1, y1) = point, begin, end
    dx, dy = x1 - x0, y1 - y0
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else min(1.0, max(0.0, ((px - x0) * dx + (py - y0) * dy) / length))
    return math.hypot(px - x0 - along * dx, py - y0 - along * dy)


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two segments cross in their insides; neighbours that share an end do not."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
