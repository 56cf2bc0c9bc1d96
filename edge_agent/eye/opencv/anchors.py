"""Whether a zone looks as it did when it was last counted: by its edges, whatever the light.

Each item as it was counted is a slot; between the slots, and outside the zone, the picture is a grid of blocks. Slots
and blocks are compared by the directions of their edges, of which neither brightness, nor contrast, nor their being
light on dark or dark on light changes anything. Kept in memory only; a new run counts anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_agent.eye.opencv.pictures import shrunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_agent.eye.counting import Picture
    from edge_agent.eye.track import Box
    from edge_agent.eye.zone import Zone

WORK_PIXELS = 640 * 360
"""Pictures are made about this small before they are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alikeness:
    """When a place looks as it did; one set for all cameras."""

    block: int = 16
    """Side of a block, pixels of the small picture."""
    textured: float = 3.0
    """Grey a pixel: the root mean square gradient of a place that tells something."""
    alike: float = 0.55
    """Correlation of its edges with the remembered ones, above which a slot holds its item."""
    block_alike: float = 0.35
    """The same of a block, in which there is less to compare."""
    appeared: float = 2.5
    """A bare place with so many times its remembered gradients has something in it now."""
    elsewhere: float = 0.5
    """If this share of the telling blocks outside the zone changed, the light or the camera did."""
    least_outside: int = 12
    """With fewer telling blocks outside, nothing is known of it."""
    changed_share: float = 0.15
    """Of a box's area that lies on changed places, to be one where something changed."""
    quiet: float = 0.25
    """So much of an item's area may change between the slots by itself: a lamp, a label in the wind."""
    quiet_blocks: int = 2
    """At least so many blocks."""
    dim: float = 0.25
    """Where the edges of all telling blocks have less than this of their strength, nothing can be said of a change."""
    moving: float = 0.03
    """If this share of them differs between two pictures seconds apart, something moves."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likeness:
    """How a picture compares with the remembered one."""

    held: tuple[bool, ...]
    """Of each slot, whether it looks as it did."""
    changed: NDArray[np.bool_]
    """Of each block of the zone, rows x columns."""
    elsewhere: bool
    """Whether most of what lies outside changed, or the light is too poor to tell."""
    dim: bool
    """Whether it is too poor to tell."""
    unchanged: bool
    """Whether all slots hold, and nothing between them changed."""
    block_px: tuple[float, float]
    """Width and height of a block in pixels of the source."""
    least_share: float
    """Of a box's area, to be one where something changed."""

    def is_changed(self, box: Box) -> bool:
        """Whether something changed where this box is."""
        return self.share_changed(box) >= self.least_share

    def share_changed(self, box: Box) -> float:
        """Which share of a box's area lies on changed blocks."""
        wide, high = self.block_px
        rows, columns = self.changed.shape
        left, right = _range(box.x0 / wide, box.x1 / wide, columns)
        top, bottom = _range(box.y0 / high, box.y1 / high, rows)
        return float(self.changed[top:bottom, left:right].mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A picture's edges: all that is compared, and all that is remembered."""

    edges: NDArray[np.float32]
    """Rows x columns x 2: gradients with their angle doubled, so that light on dark is like dark on light."""
    scale: float
    """Pixels of the source that one of them is wide."""


def view_of(picture: Picture) -> View:
    """What a picture is compared by."""
    small, scale = shrunk(picture, WORK_PIXELS)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), 1.5)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.25)
    size = np.sqrt(across**2 + down**2) + 1e-3
    return View(edges=np.stack([(across**2 - down**2) / size, 2 * across * down / size], axis=-1), scale=scale)


class Anchors:
    """Remembers one zone. Pictures must all be of one size."""

    def __init__(self, zone: Zone, rule: Alikeness | None = None) -> None:
        self._zone, self._rule = zone, rule or Alikeness()
        self._then: View | None = None
        self._slots: tuple[Box, ...] = ()
        self._insides: dict[tuple[int, ...], NDArray[np.bool_]] = {}

    @property
    def slots(self) -> tuple[Box, ...]:
        """The items as they were remembered."""
        return self._slots

    def remember(self, view: View, slots: Sequence[Box]) -> None:
        """From now on, it looks like this."""
        self._then, self._slots = view, tuple(slots)

    def forget(self) -> None:
        """Nothing is known any more."""
        self._then, self._slots = None, ()

    def compare(self, view: View) -> Likeness | None:
        """How it looks beside what is remembered; None where nothing is, or of a picture of another size."""
        if self._then is None or self._then.edges.shape != view.edges.shape:
            return None
        then, now, scale = self._then.edges, view.edges, view.scale
        held = tuple(self._holds(slot, then, now, scale) for slot in self._slots)
        changed = self._changed(then, now)
        inside = self._inside(changed.shape, view)
        wide, high = _block_px(changed.shape, view)
        free = inside & ~self._covered(changed.shape, wide, high)
        dim = self._is_dim(then, now)
        smallest = min((slot.area / (wide * high) for slot in self._slots), default=0.0)
        quiet = max(self._rule.quiet_blocks, self._rule.quiet * smallest)
        return Likeness(
            held=held,
            changed=changed & inside,
            elsewhere=dim or self._is_elsewhere(changed, then, ~inside),
            dim=dim,
            unchanged=all(held) and bool(np.count_nonzero(changed & free) <= quiet),
            block_px=(wide, high),
            least_share=self._rule.changed_share,
        )

    def moving(self, one: View, other: View) -> bool:
        """Whether something in the zone moved between two pictures seconds apart."""
        if one.edges.shape != other.edges.shape:
            return True
        changed = self._changed(one.edges, other.edges)
        inside = self._inside(changed.shape, other)
        return bool(np.count_nonzero(changed & inside) > max(2, self._rule.moving * np.count_nonzero(inside)))

    def _holds(self, slot: Box, then: NDArray[np.float32], now: NDArray[np.float32], scale: float) -> bool:
        """Whether a slot's edges are where they were; a slot with hardly any cannot say so."""
        rows, columns = then.shape[:2]
        left, right = _range(slot.x0 / scale, slot.x1 / scale, columns)
        top, bottom = _range(slot.y0 / scale, slot.y1 / scale, rows)
        before, after = then[top:bottom, left:right], now[top:bottom, left:right]
        old, new = float((before**2).sum()), float((after**2).sum())
        if old < self._rule.textured**2 / 4 * (before.size / 2):
            return new < self._rule.textured**2 * (before.size / 2)
        return float((before * after).sum()) >= self._rule.alike * math.sqrt(old * new + 1e-6)

    def _changed(self, then: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Of each block: whether its edges are elsewhere, or edges are where none were."""
        both, old, new = (_blocks(one, self._rule.block) for one in ((then * now), then**2, now**2))
        least = self._rule.textured**2
        moved = (old > least) & (both < self._rule.block_alike * np.sqrt(old * new + 1e-6))
        gone = (old > 4 * least) & (new < old / 16)
        appeared = (old <= least) & (new > least) & (new > self._rule.appeared**2 * old)
        return np.asarray(moved | gone | appeared)

    def _is_elsewhere(self, changed: NDArray[np.bool_], then: NDArray[np.float32], outside: NDArray[np.bool_]) -> bool:
        telling = outside & (_blocks(then**2, self._rule.block) > self._rule.textured**2)
        if np.count_nonzero(telling) < self._rule.least_outside:
            return False
        return float(changed[telling].mean()) > self._rule.elsewhere

    def _is_dim(self, then: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
        old, new = _blocks(then**2, self._rule.block), _blocks(now**2, self._rule.block)
        telling = old > self._rule.textured**2
        if not telling.any():
            return False
        return float(np.median(new[telling] / old[telling])) < self._rule.dim**2

    def _inside(self, blocks: tuple[int, ...], view: View) -> NDArray[np.bool_]:
        """Which blocks have their middle in the zone."""
        if blocks not in self._insides:
            wide, high = _block_px(blocks, view)
            middles = (((c + 0.5) * wide, (r + 0.5) * high) for r in range(blocks[0]) for c in range(blocks[1]))
            self._insides = {blocks: np.array([self._zone.contains(middle) for middle in middles]).reshape(blocks)}
        return self._insides[blocks]

    def _covered(self, blocks: tuple[int, ...], wide: float, high: float) -> NDArray[np.bool_]:
        """Which blocks lie under a slot."""
        covered = np.zeros(blocks, dtype=bool)
        for slot in self._slots:
            left, right = _range(slot.x0 / wide, slot.x1 / wide, blocks[1])
            top, bottom = _range(slot.y0 / high, slot.y1 / high, blocks[0])
            covered[top:bottom, left:right] = True
        return covered


def _block_px(blocks: tuple[int, ...], view: View) -> tuple[float, float]:
    """Width and height of a block in pixels of the source."""
    rows, columns = view.edges.shape[:2]
    return columns / blocks[1] * view.scale, rows / blocks[0] * view.scale


def _blocks(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The mean of each block of the two parts' sum."""
    rows, columns = values.shape[:2]
    size = (max(1, round(columns / side)), max(1, round(rows / side)))
    return np.asarray(cv2.resize(values.sum(axis=-1), size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _range(low: float, high: float, end: int) -> tuple[int, int]:
    """Whole cells from low to high, at least one, within 0 to end."""
    first = min(max(0, math.floor(low)), end - 1)
    return first, min(end, max(first + 1, math.ceil(high)))
