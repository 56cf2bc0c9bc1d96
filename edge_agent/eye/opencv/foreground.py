"""Whatever is not background, whatever it is; the camera must stand still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_agent.eye.opencv.pictures import as_bytes, shrunk
from edge_agent.eye.track import Box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.eye.counting import Frame, Picture

FOREGROUND = 255
"""MOG2's mark; a shadow is 127."""

WORK_PIXELS = 320 * 180
"""Pictures are made this small before anything is searched in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How foreground is found; one set for all cameras."""

    warm_up_ms: int = 400
    memory_ms: int = 20_000
    """What stands still for about this long becomes background."""
    hold_ms: int = 5_000
    """What stands still is no background for so long, however fast the memory."""
    longest_step_ms: int = 200
    """After a longer pause, as after blindness, no more is learned from one picture: what stands in it may be goods."""
    threshold: float = 16.0
    """Squared distance from the background, in variances of the pixel."""
    neighbours: int = 5
    """Of the 9 pixels around one, so many must be foreground; fewer are noise."""
    closing: int = 5
    """Gaps in a thing narrower than this many pixels of the small picture are filled."""
    waist: float = 0.5
    """Where a blob is thinner than this share of its thickest place, it is cut."""
    solid: float = 0.7
    """A blob whose thickest place is thinner than this share of its shorter side is an outline, and is not cut."""
    core: float = 0.3
    """A piece with less than this share of what is thick is no thing of its own."""
    min_side: float = 0.05
    """Share of the picture's shorter side; smaller things are noise."""
    sudden: float = 0.6
    """If this share of the picture is new at once, the light changed, or the lens is covered; no goods are so large."""
    relearn_ms: int = 1_000
    """After so long of that it is a new light; a cover is called blindness before."""


class Foreground:
    """Finds whatever is not background. The camera must stand still.

    A mixture of Gaussians (MOG2), not KNN: with learning rate 0 it learns nothing, so a carton that stands on the line
    stays foreground, and it draws no random numbers, so the same pictures give the same boxes. KNN does neither.
    """

    name = "foreground-mog2/1"
    sha256 = b""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or Look()
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (self._look.closing, self._look.closing))
        self._begin()

    def _begin(self) -> None:
        """Learn the background anew."""
        self._model = cv2.createBackgroundSubtractorMOG2(
            history=500, varThreshold=self._look.threshold, detectShadows=True
        )
        self._begun_ms: int | None = None
        self._last_ms = self._sudden_ms = 0
        self._pictures = 0

    def detect(self, frame: Frame) -> tuple[Box, ...]:
        """Boxes of kind `goods`, score = how full the box is of foreground."""
        small, scale = shrunk(frame.picture, WORK_PIXELS)
        mask = self._mask(as_bytes(cv2.blur(small, (3, 3))), frame.steady_ms)
        return () if mask is None else tuple(self._boxes(mask, scale))

    def _mask(self, small: Picture, steady_ms: int) -> Picture | None:
        """1 where something is, or None while the background is being learned."""
        if self._begun_ms is None:
            self._begun_ms = self._last_ms = steady_ms
            self._age_ms = np.zeros(small.shape[:2], np.float32)
            self._background = small
        passed_ms = min(steady_ms - self._last_ms, self._look.longest_step_ms)
        rate = max(1 / (self._pictures + 1), min(1.0, passed_ms / self._look.memory_ms))
        self._last_ms = steady_ms
        self._pictures += 1
        if steady_ms - self._begun_ms < self._look.warm_up_ms:
            self._model.apply(small, learningRate=rate)
            return None
        found = as_bytes(self._model.apply(small, learningRate=0) == FOREGROUND)
        if np.count_nonzero(found) > self._look.sudden * found.size:
            self._sudden_ms += passed_ms
            if self._sudden_ms >= self._look.relearn_ms:
                self._begin()
            return None
        self._sudden_ms = 0
        dense = as_bytes(cv2.blur(found * 9, (3, 3)) >= self._look.neighbours)  # unlike opening, keeps thin outlines
        mask = as_bytes(cv2.morphologyEx(dense, cv2.MORPH_CLOSE, self._kernel))
        self._learn(small, mask, passed_ms, rate)
        return mask

    def _learn(self, small: Picture, mask: Picture, passed_ms: int, rate: float) -> None:
        """Learn the background where it is seen; where a thing stands, only after `hold_ms`."""
        self._age_ms = np.clip(
            self._age_ms + np.where(mask, passed_ms, -passed_ms), 0, self._look.hold_ms + 1000, dtype=np.float32
        )
        held = as_bytes(cv2.dilate(mask, self._kernel)) & (self._age_ms < self._look.hold_ms)
        self._background = np.where(held[..., None], self._background, small)
        self._model.apply(self._background, learningRate=rate)

    def _boxes(self, mask: Picture, scale: float) -> Iterator[Box]:
        least = self._look.min_side * min(mask.shape)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        for number, (x, y, width, height, area) in enumerate(stats.tolist()):
            if number == 0 or min(width, height) < least or area < least * least:
                continue
            blob = as_bytes(labels[y : y + height, x : x + width] == number)
            for left, top, right, bottom in self._parts(blob, least):
                yield Box(
                    x0=(x + left) * scale,
                    y0=(y + top) * scale,
                    x1=(x + right) * scale,
                    y1=(y + bottom) * scale,
                    score=float(np.mean(blob[top:bottom, left:right])),
                )

    def _parts(self, blob: Picture, least: float) -> list[tuple[int, int, int, int]]:
        """A blob with a waist is two things that touch: the box of each thick core, grown back to its rim."""
        height, width = blob.shape
        outline, _ = cv2.findContours(blob, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        filled = cv2.drawContours(np.zeros((height + 2, width + 2), np.uint8), outline, -1, 1, -1, offset=(1, 1))
        depth = cv2.distanceTransform(filled, cv2.DIST_L2, 3)[1:-1, 1:-1]
        thick = float(depth.max())
        if 2 * thick < self._look.solid * min(width, height):
            return [(0, 0, width, height)]
        rim = self._look.waist * thick
        _, _, stats, _ = cv2.connectedComponentsWithStats(as_bytes(depth > rim))
        cores = [core for core in stats[1:].tolist() if core[4] >= self._look.core * stats[1:, 4].sum()]
        parts = [
            (max(0, int(x - rim)), max(0, int(y - rim)), min(width, int(x + w + rim)), min(height, int(y + h + rim)))
            for x, y, w, h, _ in cores
        ]
        whole = len(parts) <= 1 or any(min(right - left, low - top) < least for left, top, right, low in parts)
        return [(0, 0, width, height)] if whole else parts
