"""Looking at one zone: which pictures make a look, and what the model and the anchors say of them.

A look begins every `look_every_ms`, sooner while something is not clear. Its first picture is compared with what is
remembered; only where that differs are more pictures taken, seconds apart, and the model asked. That the camera cannot
see is told at once. What may be said then is decided in stock.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from edge_agent.eye.counting import Frame, Lost, SightTest
from edge_agent.eye.items import GOODS, Counted, Finder, count_boxes
from edge_agent.eye.opencv.anchors import view_of
from edge_agent.eye.stock import Looked, Seen, Standing, agreed, decide, together
from evidence.bodies import Sight, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.eye.counting import Picture
    from edge_agent.eye.opencv.anchors import Anchors, Likeness, View
    from edge_agent.eye.zone import Zone

PICTURES: Final = 5
"""Of one look, where something changed."""
APART_MS: Final = 1_000
"""Between two of them, at least; less where looks follow each other within seconds."""
AGAIN_MS: Final = 10_000
"""Until the next look while a change is being made sure of; where it stays unclear, ever longer."""
HALF: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is looked at, and how often."""

    zone: Zone
    look_every_ms: int
    side: float | None = None
    """Of a typical item, pixels; None: found."""
    kinds: tuple[str, ...] = GOODS


class ZoneEye:
    """One zone's looking. Feed it what the source gives; it returns a look when one is done."""

    def __init__(self, place: Place, finder: Finder, anchors: Anchors, *, sight: SightTest | None = None) -> None:
        self._place, self._finder, self._anchors, self._sight_test = place, finder, anchors, sight
        self._standing = Standing()
        self._sight: Sight | None = None
        self._due_ms: int | None = None
        self._again_ms = AGAIN_MS
        self._taken: list[Frame] = []
        self._side = place.side
        self.asked = 0
        """How often the model was."""

    @property
    def standing(self) -> Standing:
        """What may be said now."""
        return self._standing

    def wants(self, steady_ms: int) -> bool:
        """Whether it would look at a picture of this time, beside asking whether the camera sees."""
        if self._taken:
            return steady_ms - self._taken[-1].steady_ms >= min(APART_MS, self._place.look_every_ms // PICTURES)
        return self._due_ms is None or steady_ms >= self._due_ms

    def begin(self, standing: Standing) -> None:
        """Go on from what an earlier run had counted."""
        self._standing = standing

    def see(self, what: Frame | Lost) -> Looked | None:
        """Take the next picture, or the loss of them."""
        if isinstance(what, Lost):
            return None if what.ended else self._blind(what.at_ms)
        sight = self._sight_test.judge(what)[0] if self._sight_test else Sight.CLEAR
        if sight is Sight.BLIND:
            return self._blind(what.at_ms)
        self._sight = sight
        return self._take(what) if self.wants(what.steady_ms) else None

    def _blind(self, at_ms: int) -> Looked | None:
        self._taken.clear()
        self._due_ms = None  # look as soon as it sees again
        if self._sight is Sight.BLIND:
            return None
        self._sight = Sight.BLIND
        return self._decided(Seen(at_ms=at_ms, sight=Sight.BLIND))

    def _take(self, frame: Frame) -> Looked | None:
        if not self._taken:
            likeness = self._anchors.compare(view_of(frame.picture))
            if likeness is not None and likeness.unchanged and self._standing.count is not None:
                return self._done(Seen(at_ms=frame.at_ms, unchanged=True), frame)
        self._taken.append(frame)
        return self._look() if len(self._taken) == PICTURES else None

    def _look(self) -> Looked:
        """Something is not as it was: ask the model, picture by picture."""
        frames, self._taken = self._taken, []
        views = [view_of(frame.picture) for frame in frames]
        likenesses = [self._anchors.compare(view) for view in views]
        pictures = tuple(
            self._counted(frame.picture, likeness) for frame, likeness in zip(frames, likenesses, strict=True)
        )
        moves = [self._anchors.moving(one, other) for one, other in pairwise(views)]
        known = [likeness for likeness in likenesses if likeness is not None]
        seen = Seen(
            at_ms=frames[-1].at_ms,
            elsewhere=sum(one.elsewhere for one in known) > HALF * len(frames),
            blocked=sum(moves) > HALF * len(moves)
            or sum(bool(one.blockers) for one in pictures) >= HALF * len(pictures),
            pictures=pictures,
        )
        looked = self._done(seen, frames[-1])
        if looked.standing.verdict is Verdict.COUNTED and not any(one.dim for one in known):
            self._remember(views, pictures)
        return looked

    def _counted(self, picture: Picture, likeness: Likeness | None) -> Counted:
        self.asked += 1
        height, width = picture.shape[:2]
        around = self._place.zone.surroundings(width, height)
        boxes = self._finder.find(picture, zone=around, side=self._side)
        found = count_boxes(boxes, self._place.zone, kinds=self._place.kinds)
        if likeness is None or not self._anchors.slots:
            return found
        return together(self._anchors.slots, likeness.held, found, changed=likeness.is_changed)

    def _remember(self, views: Sequence[View], pictures: Sequence[Counted]) -> None:
        best = agreed(pictures)
        for view, counted in zip(views, pictures, strict=True):
            if counted.count == (best.count if best else None):
                self._anchors.remember(view, counted.items)
                return

    def _done(self, seen: Seen, frame: Frame) -> Looked:
        looked = self._decided(seen)
        if looked.standing.verdict is Verdict.COUNTED:
            self._again_ms, wait_ms = AGAIN_MS, self._place.look_every_ms
        elif looked.standing.is_pending:
            self._again_ms = wait_ms = AGAIN_MS
        else:
            wait_ms, self._again_ms = self._again_ms, 2 * self._again_ms
        self._again_ms = min(self._again_ms, self._place.look_every_ms)
        self._due_ms = frame.steady_ms + min(wait_ms, self._place.look_every_ms)
        return looked

    def _decided(self, seen: Seen) -> Looked:
        self._standing = decide(self._standing, seen)
        return Looked(at_ms=seen.at_ms, standing=self._standing)
