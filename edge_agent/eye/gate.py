"""A gate is a line on the picture; things that go across it are counted.

Pure: the same tracks at the same times give the same crossings. The rule:

1. A thing is where the centre of its box is. Its distance from the gate is signed: positive on the inner side.
2. It changes sides when its centre stands beyond the gate by `Rule.band` of its own extent across the gate
   and has travelled `Rule.travel` of that extent since it was farthest on the old side. So trembling on the line
   never counts, however long.
3. It counts only if its path went through the segment; round the end of it, only the side changes.
4. Going back counts again, in the other direction: what stays inside is in minus out.
5. The side of a thing is remembered while its track may come back, so a drop-out on the line loses nothing.
6. The time of a crossing is when the centre was on the line; if it lingered there, within `Rule.linger`, when it left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from evidence.bodies import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_agent.eye.track import Box, Track

MAX_REMEMBERED = 1024
"""Tracks whose side is known at once; those unseen for longest are forgotten first."""


class Items(Enum):
    """What is counted at a gate."""

    GOODS = "goods"
    """Whatever is carried, pushed or conveyed."""
    PERSON = "person"
    VEHICLE = "vehicle"

    def counts(self, kind: str) -> bool:
        """Whether a thing that was taken for `kind` is one of them."""
        if self is Items.GOODS:
            return kind not in {"person", "vehicle", "forklift"}
        return kind == self.value or (self is Items.VEHICLE and kind == "forklift")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """A segment from (x0, y0) to (x1, y1) in pixels of the source, and a vector that points inside."""

    x0: float
    y0: float
    x1: float
    y1: float
    in_x: float
    in_y: float

    def __post_init__(self) -> None:
        """Refuse a line without a length, and an inner side along it."""
        if not all(map(math.isfinite, (self.x0, self.y0, self.x1, self.y1, self.in_x, self.in_y))):
            raise ValueError("a gate is made of finite numbers")
        if self.length < 1:
            raise ValueError("a gate needs two different ends, in pixels")
        if abs(self._towards_in) < 0.1 * math.hypot(self.in_x, self.in_y) or (self.in_x, self.in_y) == (0, 0):
            raise ValueError("the inward vector must point across the gate, not along it")

    @property
    def length(self) -> float:
        """Pixels."""
        return math.hypot(self.x1 - self.x0, self.y1 - self.y0)

    @property
    def _towards_in(self) -> float:
        return ((self.y0 - self.y1) * self.in_x + (self.x1 - self.x0) * self.in_y) / self.length

    @property
    def normal(self) -> tuple[float, float]:
        """Unit vector square to the segment, pointing inside."""
        sign = math.copysign(1 / self.length, self._towards_in)
        return (self.y0 - self.y1) * sign, (self.x1 - self.x0) * sign

    def distance(self, point: tuple[float, float]) -> float:
        """Pixels from the infinite line, positive inside."""
        normal = self.normal
        return (point[0] - self.x0) * normal[0] + (point[1] - self.y0) * normal[1]

    def along(self, point: tuple[float, float]) -> float:
        """Where on the segment: 0 at its first end, 1 at its second."""
        dx, dy = self.x1 - self.x0, self.y1 - self.y0
        return ((point[0] - self.x0) * dx + (point[1] - self.y0) * dy) / self.length**2

    def extent(self, box: Box) -> float:
        """How long the box is across the gate, pixels."""
        normal = self.normal
        return abs(normal[0]) * box.width + abs(normal[1]) * box.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Shares of a thing's extent across the gate."""

    band: float = 0.25
    travel: float = 0.5
    linger: float = 0.2
    memory_ms: int = 3000
    """How long the side of an unseen track is kept; never shorter than the tracker keeps its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One thing went through the gate: UTC milliseconds of its centre on the line, and which track it was."""

    at_ms: int
    direction: Direction
    kind: str
    confidence_permille: int
    track: int
    sources: int = 0
    """Who saw it: bit 0 the source that counts, bit 1 its first witness, and so on; 0 where nobody noted it."""
    uncertain: int = 0
    """How many more things may have been in it."""


@dataclass(slots=True, kw_only=True)
class _Past:
    """What the gate knows of one track."""

    side: int  # -1 outside, +1 inside
    farthest: float  # greatest distance on that side since it came there, pixels, >= 0
    distance: float  # at its last sight
    point: tuple[float, float]
    seen_ms: int
    extent: float  # slow mean: a box that shatters for one picture must not shrink the band
    on_line_ms: float | None = None  # when the centre last went to the other side
    left: tuple[float, float] | None = None  # when it last left the line's nearness there, and how far out that is
    through: bool = False  # that was between the ends of the segment


class Gate:
    """Counts the tracks that go through one line. Times are steady milliseconds; they come back in `Crossing.at_ms`."""

    def __init__(self, line: GateLine, rule: Rule | None = None) -> None:
        self.line = line
        self._rule = rule or Rule()
        self._past: dict[int, _Past] = {}
        self.total_in = 0
        self.total_out = 0

    @property
    def net(self) -> int:
        """What stayed inside: in minus out."""
        return self.total_in - self.total_out

    def observe(self, tracks: Iterable[Track], *, at_ms: int) -> tuple[Crossing, ...]:
        """Take one picture's tracks, in any order; return what crossed, in order of time."""
        found = [crossing for track in tracks if (crossing := self._follow(track, at_ms=at_ms)) is not None]
        self._forget(at_ms)
        self.total_in += sum(crossing.direction is Direction.IN for crossing in found)
        self.total_out += sum(crossing.direction is Direction.OUT for crossing in found)
        return tuple(sorted(found, key=lambda crossing: (crossing.at_ms, crossing.track)))

    def forget_all(self) -> None:
        """Forget every side, not the totals: after a blind time the same number may be another thing."""
        self._past.clear()

    def _follow(self, track: Track, *, at_ms: int) -> Crossing | None:
        point = track.box.centre
        distance, extent = self.line.distance(point), self.line.extent(track.box)
        past = self._past.get(track.id)
        if past is None:
            if distance != 0:  # exactly on the line nobody knows where it came from
                self._past[track.id] = _Past(
                    side=1 if distance > 0 else -1,
                    farthest=abs(distance),
                    distance=distance,
                    point=point,
                    seen_ms=at_ms,
                    extent=extent,
                )
            return None
        past.extent += 0.2 * (extent - past.extent)
        self._note_line(past, distance=distance, point=point, at_ms=at_ms)
        self._note_leaving(past, distance=distance, at_ms=at_ms)
        past.distance, past.point, past.seen_ms = distance, point, at_ms
        on_old_side = distance * past.side
        past.farthest = max(past.farthest, on_old_side)
        beyond = -on_old_side
        if beyond < self._rule.band * past.extent or past.farthest + beyond < self._rule.travel * past.extent:
            return None
        return self._change_side(past, track, beyond=beyond, at_ms=at_ms)

    def _note_line(self, past: _Past, *, distance: float, point: tuple[float, float], at_ms: int) -> None:
        """Keep when and where the centre left its old side, if it did so since the last sight."""
        if past.distance * past.side > 0 >= distance * past.side:
            share = past.distance / (past.distance - distance)
            where = tuple(old + share * (new - old) for old, new in zip(past.point, point, strict=True))
            past.on_line_ms = past.seen_ms + share * (at_ms - past.seen_ms)
            past.through = 0 <= self.line.along((where[0], where[1])) <= 1

    def _note_leaving(self, past: _Past, *, distance: float, at_ms: int) -> None:
        """Keep when the centre last left the nearness of the line on the new side."""
        near = self._rule.linger * past.extent
        before, beyond = -past.distance * past.side, -distance * past.side
        if before <= near < beyond:
            past.left = (past.seen_ms + (near - before) / (beyond - before) * (at_ms - past.seen_ms), near)

    def _change_side(self, past: _Past, track: Track, *, beyond: float, at_ms: int) -> Crossing | None:
        direction = Direction.IN if past.side < 0 else Direction.OUT
        through, on_line_ms = past.through, past.on_line_ms
        if on_line_ms is not None and past.left is not None:
            left_ms, near = past.left  # at the speed it left with, it was on the line so much earlier
            on_line_ms = max(on_line_ms, left_ms - near * (at_ms - left_ms) / max(beyond - near, 1e-6))
        past.side, past.farthest, past.on_line_ms, past.left, past.through = -past.side, beyond, None, None, False
        if not through or on_line_ms is None:
            return None
        return Crossing(
            at_ms=min(at_ms, round(on_line_ms)),
            direction=direction,
            kind=track.box.kind,
            confidence_permille=round(1000 * track.score),
            track=track.id,
        )

    def _forget(self, at_ms: int) -> None:
        if len(self._past) > MAX_REMEMBERED // 2:
            for number, past in list(self._past.items()):
                if at_ms - past.seen_ms > self._rule.memory_ms:
                    del self._past[number]
        while len(self._past) > MAX_REMEMBERED:
            del self._past[min(self._past, key=lambda number: self._past[number].seen_ms)]
