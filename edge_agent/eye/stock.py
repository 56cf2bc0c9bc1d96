"""What stands in a zone, look after look: when a count may be said, and when only the last one. Pure.

1. A camera that cannot see is BLIND: the count is the last one, never zero.
2. Where every slot (an item as it was last counted) and everything between them looks as it did, the count is
   confirmed; no model is asked. How bright it is does not matter: slots are compared by their edges.
3. A slot that looks as it did holds its item, whatever the model says of it. Elsewhere the model is believed, and only
   where something changed.
4. Somebody or something before the goods, or moving among them, is OCCLUDED: the count is the last one.
5. Pictures of one look that differ are DISAGREED. So is another count than the last until `Patience.looks` looks have
   given it: a change is said once, and is then certain that nobody stood there.
6. Where the world outside the zone changed as well, it was the light or the camera, not the goods: another count is
   not believed, however often it is given, until the light is back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from statistics import median_low
from typing import TYPE_CHECKING, Final

from edge_agent.eye.track import Box, iou, overlap
from evidence.bodies import Sight, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.eye.items import Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a change must be seen; one set for all zones."""

    looks: int = 3
    """So many looks must give another count before it is believed."""
    memory: int = 5
    """Of the last so many that counted anything."""
    agree: float = 0.6
    """Share of a look's pictures that must lie near its median."""
    near: float = 0.08
    """Share of a count by which pictures of one look may differ; one item always may."""


PATIENCE: Final = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look gave: one or more pictures, seconds apart."""

    at_ms: int
    sight: Sight = Sight.CLEAR
    unchanged: bool = False
    """Everything in the zone is as it was when it was last counted."""
    elsewhere: bool = False
    """Most of what is outside the zone changed since."""
    blocked: bool = False
    """Somebody stands in the zone, or something moves there."""
    pictures: tuple[Counted, ...] = ()
    """Of each picture, slots that hold their item included; none where it is unchanged, or not clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What may be said of the zone since the last look."""

    verdict: Verdict = Verdict.BLIND
    count: int | None = None
    """The last one; None where nothing was ever counted."""
    uncertain: int = 0
    counted_at_ms: int | None = None
    items: tuple[Box, ...] = ()
    recent: tuple[int, ...] = ()
    """Counts of the last looks that gave another than `count`, as long as it is not believed."""

    @property
    def is_pending(self) -> bool:
        """Whether another count is seen and not yet believed: look again soon."""
        return bool(self.recent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A look at the zone, and what may be said since."""

    at_ms: int
    standing: Standing


def decide(before: Standing, seen: Seen, patience: Patience = PATIENCE) -> Standing:
    """What may be said after this look."""
    if seen.sight is Sight.BLIND:
        return replace(before, verdict=Verdict.BLIND, recent=())
    if seen.blocked:
        return replace(before, verdict=Verdict.OCCLUDED)
    if seen.unchanged and before.count is not None:
        return replace(before, verdict=Verdict.COUNTED, counted_at_ms=seen.at_ms, recent=())
    best = agreed(seen.pictures, patience)
    if best is None:
        return replace(before, verdict=Verdict.DISAGREED)
    if best.count == before.count:
        return _counted(seen.at_ms, best, best.uncertain)
    return _another(before, best, seen, patience)


def _another(before: Standing, best: Counted, seen: Seen, patience: Patience) -> Standing:
    """After a look that gave another count than the last one."""
    if seen.elsewhere and before.count is not None:
        return replace(before, verdict=Verdict.DISAGREED, recent=())
    recent = (*before.recent, best.count)[-patience.memory :]
    if Counter(recent)[best.count] >= patience.looks:
        return _counted(seen.at_ms, best, best.uncertain)
    if len(recent) == patience.memory and best.count == median_low(recent):
        spread = max(abs(count - best.count) for count in recent)  # it gets no clearer: say how unclear it is
        return _counted(seen.at_ms, best, max(best.uncertain, spread))
    return replace(before, verdict=Verdict.DISAGREED, recent=recent)


def agreed(pictures: Sequence[Counted], patience: Patience = PATIENCE) -> Counted | None:
    """The picture with the median count; None where too few pictures are near it."""
    if not pictures:
        return None
    middle = median_low(picture.count for picture in pictures)
    reach = max(1, round(patience.near * middle))
    near = [picture for picture in pictures if abs(picture.count - middle) <= reach]
    if len(near) < patience.agree * len(pictures):
        return None
    best = next(picture for picture in near if picture.count == middle)
    spread = max(abs(picture.count - middle) for picture in near)
    return replace(best, uncertain=max(best.uncertain, spread))


def together(slots: Sequence[Box], held: Sequence[bool], found: Counted, *, changed: Callable[[Box], bool]) -> Counted:
    """What stands there by rule 3: items of the slots that hold, and what was found where something changed."""
    kept = tuple(slot for slot, holds in zip(slots, held, strict=True) if holds)
    new = tuple(box for box in found.items if changed(box) and not any(_is_same(box, slot) for slot in kept))
    return replace(found, items=kept + new)


def _counted(at_ms: int, best: Counted, uncertain: int) -> Standing:
    return Standing(
        verdict=Verdict.COUNTED, count=best.count, uncertain=uncertain, counted_at_ms=at_ms, items=best.items
    )


def _is_same(box: Box, slot: Box) -> bool:
    """Whether a found box is the item of a slot, or a part of it, or it and more."""
    return iou(box, slot) > 0.3 or overlap(box, slot) > 0.7 * min(box.area, slot.area)  # noqa: PLR2004
