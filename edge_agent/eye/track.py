"""Boxes of single pictures become tracks through time.

Pure: the same boxes at the same times give the same tracks. Rules:

1. A track moves at constant velocity between two sights of it.
2. A box belongs to the track whose predicted box it overlaps most; where nothing overlaps, to the nearest one in reach.
3. A track that is not seen keeps its number for `Tuning.buffer_ms`, so that a short drop-out is not a new thing.
4. Where one box has swallowed two tracks, each keeps its own share of that box: two cartons that touch stay two.
5. A track that began as a piece of another must prove itself longer, and ends when the piece is taken in again.
6. A track is told to the caller after `Tuning.confirm_hits` sights: a flicker is no thing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_BOXES = 64
"""Boxes taken from one picture, the largest first; what is beyond is noise."""

MAX_TRACKS = 128
"""Tracks remembered at once; the longest unseen go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A thing in one picture: pixels of the source, origin top left, score 0 to 1, `kind` as its detector names it."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float = 1.0
    kind: str = "goods"

    def __post_init__(self) -> None:
        """Refuse a box without an area, and a score that is no share."""
        if not (self.x0 < self.x1 and self.y0 < self.y1 and 0 <= self.score <= 1):
            raise ValueError(f"no box: {self.x0},{self.y0} to {self.x1},{self.y1}, score {self.score}")

    @property
    def width(self) -> float:
        """Pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Pixels."""
        return self.y1 - self.y0

    @property
    def centre(self) -> tuple[float, float]:
        """The point that counts."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def area(self) -> float:
        """Pixels squared."""
        return self.width * self.height

    def shifted(self, dx: float, dy: float) -> Box:
        """The same box elsewhere."""
        return Box(x0=self.x0 + dx, y0=self.y0 + dy, x1=self.x1 + dx, y1=self.y1 + dy, score=self.score, kind=self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One thing as last seen: `id` is never used again, velocity in pixels a millisecond, `score` a mean."""

    id: int
    box: Box
    velocity: tuple[float, float]
    hits: int
    score: float
    seen_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How tracks are made; one set for all cameras."""

    buffer_ms: int = 1500
    confirm_hits: int = 3
    piece_hits: int = 4
    """Sights after which a piece is told; three times as many, and it is a thing like others."""
    least_share: float = 0.3
    """Two things in one box are of about the same size; a smaller one is a piece of the other."""
    min_iou: float = 0.1
    reach: float = 0.8
    """Centre distance allowed, in box diagonals, beside what the velocity predicts."""
    young_reach: float = 1.6
    """The same for a track seen once, whose velocity is unknown."""
    size_ratio: float = 4.0
    """A box whose area differs more than this from the track's is another thing, unless they overlap."""
    velocity_gain: float = 0.4
    """Share of the newest displacement in the velocity."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    """A track under work."""

    track: Track
    predicted: Box
    scores: float = 0.0
    is_piece: bool = False
    seen: bool = field(default=False)


class Tracker:
    """Gives boxes the numbers of tracks. Times are steady milliseconds and never go back."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self._tuning = tuning or Tuning()
        self._kept: dict[int, _Kept] = {}
        self._next_id = 1

    @property
    def buffer_ms(self) -> int:
        """How long an unseen track keeps its number."""
        return self._tuning.buffer_ms

    def update(self, boxes: Sequence[Box], *, at_ms: int) -> tuple[Track, ...]:
        """Take one picture's boxes; return the confirmed tracks seen in it, by id."""
        boxes = sorted(boxes, key=lambda box: -box.area)[:MAX_BOXES]
        self._forget(at_ms)
        for kept in self._kept.values():
            kept.predicted = _predicted(kept.track, at_ms)
            kept.seen = False
        owner: dict[int, _Kept] = {}
        for kept, index in self._pairs(boxes, at_ms):
            if not kept.seen and index not in owner:
                owner[index] = kept
                kept.seen = True
        shares = {id(kept): [kept] for kept in owner.values()}
        for kept in self._kept.values():
            if not kept.seen and (swallower := self._swallower(kept, boxes, owner)) is not None:
                shares[id(swallower)].append(kept)
        for index, box in enumerate(boxes):
            if index not in owner:
                self._begin(box, at_ms)
            else:
                self._share(box, shares[id(owner[index])], at_ms)
        return tuple(kept.track for kept in self._kept.values() if kept.seen and self._confirmed(kept))

    def forget_all(self) -> None:
        """Forget every track; their numbers stay used."""
        self._kept.clear()

    def _pairs(self, boxes: Sequence[Box], at_ms: int) -> Iterator[tuple[_Kept, int]]:
        """Every possible pair, the likeliest first; ties go to the older track."""
        costs = [
            (cost, kept.track.id, index)
            for kept in self._kept.values()
            for index, box in enumerate(boxes)
            if (cost := self._cost(kept, box, at_ms)) is not None
        ]
        for _, number, index in sorted(costs):
            yield self._kept[number], index

    def _cost(self, kept: _Kept, box: Box, at_ms: int) -> float | None:
        """0 is a perfect fit; None is impossible. A pair without overlap costs more than any with it."""
        tuning, track = self._tuning, kept.track
        if box.kind != track.box.kind:
            return None
        distance = math.dist(box.centre, kept.predicted.centre) / math.hypot(track.box.width, track.box.height)
        fit = max(iou(box, kept.predicted), iou(box, track.box) if at_ms - track.seen_ms < tuning.buffer_ms else 0)
        young = 0.2 if track.hits < tuning.confirm_hits else 0.0
        if fit >= tuning.min_iou:
            return 1 - fit + 0.5 * distance + young
        ratio = box.area / track.box.area
        reach = tuning.young_reach if track.hits == 1 else tuning.reach
        if distance > reach or not 1 / tuning.size_ratio <= ratio <= tuning.size_ratio:
            return None
        return 2 + distance + young

    def _swallower(self, kept: _Kept, boxes: Sequence[Box], owner: dict[int, _Kept]) -> _Kept | None:
        """The track whose box has taken this confirmed one in: larger than it was, and over most of our prediction."""
        if not self._confirmed(kept) or kept.is_piece:
            return None
        for index, other in owner.items():
            box = boxes[index]
            both, ratio = kept.predicted.area + other.track.box.area, kept.predicted.area / other.track.box.area
            if ratio < self._tuning.least_share or ratio > 1 / self._tuning.least_share:
                continue
            if overlap(kept.predicted, box) > 0.6 * kept.predicted.area and box.area > 0.7 * both:
                return other
        return None

    def _share(self, box: Box, sharers: list[_Kept], at_ms: int) -> None:
        """One track takes the box; several each take their own size at their predicted place inside it."""
        for kept in sharers:
            self._move(kept, box if len(sharers) == 1 else _inside(kept.predicted, box), at_ms)

    def _move(self, kept: _Kept, box: Box, at_ms: int) -> None:
        before, gain = kept.track, self._tuning.velocity_gain
        passed_ms = max(1, at_ms - before.seen_ms)
        moved = [(new - old) / passed_ms for new, old in zip(box.centre, before.box.centre, strict=True)]
        gain = 1.0 if before.hits == 1 else gain
        velocity = tuple(gain * new + (1 - gain) * old for new, old in zip(moved, before.velocity, strict=True))
        kept.seen = True
        kept.scores += box.score
        kept.is_piece = kept.is_piece and before.hits < 3 * self._tuning.piece_hits
        kept.track = Track(
            id=before.id,
            box=box,
            velocity=(velocity[0], velocity[1]),
            hits=before.hits + 1,
            score=kept.scores / (before.hits + 1),
            seen_ms=at_ms,
        )

    def _confirmed(self, kept: _Kept) -> bool:
        return kept.track.hits >= (self._tuning.piece_hits if kept.is_piece else self._tuning.confirm_hits)

    def _begin(self, box: Box, at_ms: int) -> None:
        piece = any(
            overlap(box, other.predicted) > 0.6 * box.area
            for other in self._kept.values()
            if self._confirmed(other) and not other.is_piece and other.track.box.kind == box.kind
        )
        track = Track(id=self._next_id, box=box, velocity=(0.0, 0.0), hits=1, score=box.score, seen_ms=at_ms)
        self._kept[track.id] = _Kept(track=track, predicted=box, scores=box.score, is_piece=piece, seen=True)
        self._next_id += 1

    def _forget(self, at_ms: int) -> None:
        for number, kept in list(self._kept.items()):
            young = not self._confirmed(kept)
            allowed_ms = self._tuning.buffer_ms / (3 if young else 1)
            if at_ms - kept.track.seen_ms > allowed_ms:
                del self._kept[number]
        while len(self._kept) > MAX_TRACKS - MAX_BOXES:
            del self._kept[min(self._kept.values(), key=lambda kept: (kept.track.seen_ms, kept.track.hits)).track.id]


def overlap(one: Box, other: Box) -> float:
    """The common area, pixels squared."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, width) * max(0.0, height)


def iou(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1."""
    common = overlap(one, other)
    return common / (one.area + other.area - common)


def _predicted(track: Track, at_ms: int) -> Box:
    passed_ms = at_ms - track.seen_ms
    return track.box.shifted(track.velocity[0] * passed_ms, track.velocity[1] * passed_ms)


def _inside(box: Box, outer: Box) -> Box:
    """The box pushed into `outer` as far as it fits; an axis too long for it is centred."""

    def push(low: float, high: float, outer_low: float, outer_high: float) -> float:
        if high - low >= outer_high - outer_low:
            return (outer_low + outer_high) / 2 - (low + high) / 2
        return max(outer_low - low, 0.0) + min(outer_high - high, 0.0)

    return box.shifted(push(box.x0, box.x1, outer.x0, outer.x1), push(box.y0, box.y1, outer.y0, outer.y1))
