"""The scene a camera was put up to see: a slow picture of it, and how a new one differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Slopes = tuple[Floats, Floats]

GRID: Final = (9, 16)
"""Blocks, rows and columns."""
GRADIENTS_EVERY: Final = 10
"""Looks: the remembered scene changes slowly, and its gradients are reckoned again so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembering:
    """How the scene is remembered, and when a block of it is gone; one set for all cameras."""

    memory_ms: int = 60_000
    """How slowly the remembered scene follows the light of the day."""
    sways: float = 0.06
    """Pixels of the small picture from look to look; a fixed camera has a tenth of it."""
    swaying_ms: int = 3_000
    """A camera that sways has no fixed scene: what it sees is followed quickly."""
    swaying_steady: float = 0.3
    """In place of `steady`, there."""
    stock_ms: int = 600_000
    """How slowly it follows what was put before it."""
    textured: float = 1.2
    """Mean gradient, grey a pixel: a block of the remembered scene with less tells nothing."""
    steady: float = 0.7
    """Mean correlation of a block with itself over time; below, it is a moving belt and tells nothing."""
    alike: float = 0.4
    """Correlation of a block's gradients with the remembered ones; below, the block is gone."""
    kept: float = 0.2
    """Share of the remembered gradients found again; below, the block is gone: a cover that scatters light."""
    smooth: float = 0.4
    """A block with less of its detail has nothing sharp in it."""
    taught_by: float = 0.375
    """With more of it gone, the scene is not learned from: a cover that slides in must not teach us itself."""
    learning: int = 5
    """Looks after which the scene is known."""
    least_blocks: int = 16
    """With fewer telling blocks a cover cannot be told from goods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How a picture compares with the scene; the words are those of `conditions.Look`."""

    known: bool = False
    gone: float = 0.0
    smooth: float = 0.0
    detail: float = 1.0
    alike: float = 1.0
    sharp: float = 1.0
    middling: float = 1.0
    """Median correlation of the telling blocks: it falls when the scene lies beside its place."""


class Scene:
    """Learns the scene from the first looks, and follows it slowly."""

    def __init__(self, how: Remembering | None = None) -> None:
        self._how = how or Remembering()
        self.picture: Floats | None = None
        """Grey."""
        self._detail = np.zeros(GRID, np.float32)
        self._steadiness = np.zeros(GRID, np.float32)
        self._looks = 0
        self._then: Slopes | None = None
        self._old = np.zeros(GRID, np.float32)
        self._then_at = 0
        self.telling = np.zeros(GRID, np.bool_)
        self._lay: tuple[float, float] | None = None
        self._swayed = 0
        self.sway = 0.0
        """Pixels of the small picture from look to look, on the mean: a camera that is held by hand sways."""

    def compare(self, grey: Floats, detail: Floats) -> Likeness:
        """Compare; `grey` is always of one size, `detail` a number for each block."""
        if self.picture is None or self._looks < self._how.learning:
            return Likeness()
        both, old, new = self._compared(grey)
        self.telling = (old > self._how.textured**2) & (
            self._steadiness > (self._how.swaying_steady if self.sways else self._how.steady)
        )
        if np.count_nonzero(self.telling) < self._how.least_blocks:
            return Likeness()
        tell = self.telling
        same = both[tell] / np.sqrt(old[tell] * new[tell] + 1e-6)
        kept = both[tell] / old[tell]
        gone = (same < self._how.alike) | (kept < self._how.kept)
        sharpness = detail[tell] / (self._detail[tell] + 0.05)
        light = min(1.0, float(np.sqrt(new[tell].mean() / old[tell].mean())))
        coarse_old, coarse_new = blocks(self.picture), blocks(grey)
        return Likeness(
            known=True,
            gone=float(gone.mean()),
            smooth=float(np.mean(sharpness[gone] < self._how.smooth)) if gone.any() else 0.0,
            detail=float(np.median(sharpness)) / max(light, 0.2),
            alike=correlation(coarse_old, coarse_new),
            sharp=float(detail.mean() / (self._detail.mean() + 0.05)),
            middling=float(np.median(same)),
        )

    @property
    def taught_by(self) -> float:
        """With more of it gone, a fixed camera's scene is not learned from."""
        return self._how.taught_by

    @property
    def sways(self) -> bool:
        """Whether the camera is held by hand, or hangs loose."""
        return self.sway > self._how.sways

    def _sway(self, grey: Floats) -> None:
        """Note how far the picture lies beside the scene, to parts of a pixel, against the last look."""
        if self._then is None or self.picture is None or not self.telling.any():
            return
        across, down = self._then
        apart = cv2.GaussianBlur(grey, (7, 7), 1.2) - cv2.GaussianBlur(self.picture, (7, 7), 1.2)
        apart -= np.asarray(cv2.blur(apart, (21, 21)))
        xx, xy, yy = blocks(across * across), blocks(across * down), blocks(down * down)
        x, y = -blocks(across * apart) / 2, -blocks(down * apart) / 2
        whole = xx * yy - xy * xy
        good = self.telling & (whole > 0.05 * (xx + yy) ** 2)
        if np.count_nonzero(good) < self._how.least_blocks // 2:
            return
        right = float(np.median(((yy * x - xy * y)[good]) / whole[good]))
        low = float(np.median(((xx * y - xy * x)[good]) / whole[good]))
        if self._lay is not None:
            self._swayed += 1
            step = min(1.0, float(np.hypot(right - self._lay[0], low - self._lay[1])))
            self.sway += max(1 / self._swayed, 0.05) * (step - self.sway)
        self._lay = (right, low)

    def learn(self, grey: Floats, detail: Floats, likeness: Likeness, passed_ms: int) -> None:
        """Follow the light of the scene, and how steady each block is, slowly; at first, quickly."""
        self._looks += 1
        self._sway(grey)
        memory_ms = self._how.memory_ms if likeness.gone <= self._how.taught_by else self._how.stock_ms
        steady_rate = np.float32(max(1 / self._looks, min(1.0, passed_ms / memory_ms)))
        memory_ms = self._how.swaying_ms if self.sways else memory_ms
        rate = np.float32(max(1 / self._looks, min(1.0, passed_ms / memory_ms)))
        both, old, new = self._compared(grey)
        self._steadiness += steady_rate * (both / np.sqrt(old * new + 1e-3) - self._steadiness)
        self._detail += rate * (detail - self._detail)
        self.picture = grey if self.picture is None else self.picture + rate * (grey - self.picture)

    def _compared(self, grey: Floats) -> tuple[Floats, Floats, Floats]:
        """For each block: the product of the remembered and the present gradients, and the square of each."""
        now = gradients(grey)
        if self._then is None or self._looks - self._then_at >= min(self._looks // 4, GRADIENTS_EVERY):
            self._then = now if self.picture is None else gradients(self.picture)
            self._old, self._then_at = _power(self._then, self._then), self._looks
        return _power(self._then, now), self._old, _power(now, now)


def blocks(values: Floats) -> Floats:
    """The mean of each block of GRID."""
    return np.asarray(cv2.resize(values, GRID[::-1], interpolation=cv2.INTER_AREA), dtype=np.float32)


def correlation(one: Floats, other: Floats) -> float:
    """-1 to 1; 0 where one of them is flat."""
    left, right = one - one.mean(), other - other.mean()
    return float((left * right).sum() / np.sqrt((left * left).sum() * (right * right).sum() + 1e-6))


def gradients(grey: Floats) -> Slopes:
    """Across and down, grey a pixel; smoothed, so that a shift of a pixel still correlates."""
    soft = cv2.GaussianBlur(grey, (7, 7), 1.2)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.25)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _power(one: Slopes, other: Slopes) -> Floats:
    return blocks(one[0] * other[0] + one[1] * other[1])
