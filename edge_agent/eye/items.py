"""A picture's boxes become a count of what stands in a zone, and how many of it may be wrong. Pure.

1. An item is counted where its centre is; a person or a vehicle is none, and blocks the zone where it stands before it.
2. A box that lies in a larger one is a label or tape on it, unless several fill the larger one: then that is the stack.
3. Boxes below the operating point are not counted, and make the count uncertain; so do boxes just above it, and boxes
   that the zone's edge cuts near their middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from edge_agent.eye.track import Box, iou, overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_agent.eye.counting import Picture
    from edge_agent.eye.zone import Zone

GOODS: Final = ("carton", "tyre", "sack", "drum", "roll")
BLOCKERS: Final = ("person", "forklift")


class Finder(Protocol):
    """Finds items in a whole picture, with care."""

    @property
    def name(self) -> str:
        """What stands in a statement as the detector: name and version."""

    @property
    def sha256(self) -> bytes:
        """Hash of the model file."""

    def find(
        self, picture: Picture, *, zone: Sequence[tuple[float, float]] | None = None, side: float | None = None
    ) -> tuple[Box, ...]:
        """Boxes whose centre is in this polygon; `side`: of a typical item, root of its area, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What one picture gave."""

    items: tuple[Box, ...]
    uncertain: int
    """About four of five true counts lie within the count plus and minus this."""
    blockers: tuple[Box, ...] = ()

    @property
    def count(self) -> int:
        """Visible front items."""
        return len(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """How boxes are weighed; one set for all cameras, measured by bench/stock.py."""

    score: float = 0.40
    """The operating point."""
    doubtful: float = 0.20
    """Boxes below are not there."""
    blocks: float = 0.50
    """Score of a person or vehicle that counts as one."""
    blocked_share: float = 0.10
    """Of a person or vehicle inside the zone, to block it."""
    inside: float = 0.80
    """A box with this share of its area in a larger one is a part of it."""
    part: float = 0.50
    """And is smaller than this share of it."""
    filled: float = 0.60
    """A box filled so far by two smaller ones or more is the stack of them."""
    same: float = 0.50
    """Boxes that share more of their union are one thing."""
    spread: float = 1.28
    """Standard deviations on each side that hold four fifths."""
    unseen: float = 0.15
    """Variance that no box tells of, a counted item."""


WEIGHING: Final = Weighing()


def count_boxes(
    boxes: Iterable[Box], zone: Zone, *, kinds: Sequence[str] = GOODS, weighing: Weighing = WEIGHING
) -> Counted:
    """What stands in the zone by these boxes, in any order."""
    boxes = sorted(boxes, key=lambda box: (-box.score, box.x0, box.y0))
    blockers = tuple(
        box
        for box in boxes
        if box.kind in BLOCKERS and box.score >= weighing.blocks and zone.share(box) >= weighing.blocked_share
    )
    goods = _apart([box for box in boxes if box.kind in kinds and box.score >= weighing.doubtful], weighing)
    sure = [box for box in goods if box.score >= weighing.score]
    items = tuple(box for box in sure if zone.contains(box.centre))
    return Counted(items=items, uncertain=_uncertain(goods, zone, weighing), blockers=blockers)


def _apart(boxes: Sequence[Box], weighing: Weighing) -> list[Box]:
    """One box a thing: no doubles, no stacks, no parts. Best first, as given."""
    singles: list[Box] = []
    for box in boxes:
        if all(iou(box, other) <= weighing.same for other in singles):
            singles.append(box)
    sure = [box for box in singles if box.score >= weighing.score]
    singles = [box for box in singles if not _is_stack(box, sure, weighing)]
    return [box for box in singles if not any(_is_part(box, other, weighing) for other in singles)]


def _is_stack(box: Box, others: Sequence[Box], weighing: Weighing) -> bool:
    inside = [
        other
        for other in others
        if other is not box
        and other.area < weighing.part * box.area
        and overlap(box, other) >= weighing.inside * other.area
    ]
    return len(inside) > 1 and sum(other.area for other in inside) >= weighing.filled * box.area


def _is_part(box: Box, other: Box, weighing: Weighing) -> bool:
    """Whether a box is a label or a piece of tape on a thing that is at least as sure, or sure enough."""
    if box is other or box.area >= weighing.part * other.area:
        return False
    return other.score >= min(box.score, weighing.score) and overlap(box, other) >= weighing.inside * box.area


def _uncertain(boxes: Sequence[Box], zone: Zone, weighing: Weighing) -> int:
    """From the variance of each box's being there, and being inside."""
    variance, count = 0.0, 0
    for box in boxes:
        size = math.sqrt(box.area)
        nearness = zone.depth(box.centre) / (0.25 * size)
        inside = min(1.0, max(0.0, 0.5 + nearness / 2))
        there = _chance(box.score, weighing)
        chance = inside * there
        variance += chance * (1 - chance)
        count += box.score >= weighing.score and inside >= 0.5  # noqa: PLR2004  its centre is in the zone
    return math.floor(0.5 + weighing.spread * math.sqrt(variance + weighing.unseen * count))


def _chance(score: float, weighing: Weighing) -> float:
    """That a box of this score is an item: a half at the operating point."""
    low, high = weighing.doubtful / 2, 2 * weighing.score
    if score < weighing.score:
        return 0.5 * max(0.0, (score - low) / (weighing.score - low))
    return min(1.0, 0.5 + 0.5 * (score - weighing.score) / (high - weighing.score))
