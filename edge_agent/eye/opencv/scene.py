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
PACKED: Final = 1
"""The packed form's number."""
PACKED_LIMIT: Final = 32_768
"""Bytes."""
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
    detailed: float = 0.5
    """Fine detail, grey: a block with less does not tell what is out of focus."""
    in_place: float = 0.75
    """With less of its detail found, the picture is laid over the scene before it is called blurred."""
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
    depth: float = 1.0
    light: float = 1.0
    sharp: float = 1.0
    middling: float = 1.0
    """Median correlation of the telling blocks: it falls when the scene lies beside its place."""


class Scene:
    """Learns the scene from the first looks, and follows it slowly."""

    def __init__(self, how: Remembering | None = None) -> None:
        self._how = how or Remembering()
        self.picture: Floats | None = None
        """Grey."""
        self._fine: Floats | None = None
        """The scene's fine detail: what `detail` gives, without the noise that is another one in each picture."""
        self._detail = np.zeros(GRID, np.float32)
        self._steadiness = np.zeros(GRID, np.float32)
        self._looks = self._fine_looks = 0
        self._then: Slopes | None = None
        self._old = np.zeros(GRID, np.float32)
        self._then_at = 0
        self.telling = np.zeros(GRID, np.bool_)
        self._lay: tuple[float, float] | None = None
        self._swayed = 0
        self.sway = 0.0
        """Pixels of the small picture from look to look, on the mean: a camera that is held by hand sways."""

    def pack(self) -> bytes | None:
        """The scene as bytes, at most PACKED_LIMIT; None while it is not known."""
        if self.picture is None or np.count_nonzero(self.telling) < self._how.least_blocks:
            return None
        rows, columns = self.picture.shape
        head = np.array([PACKED, rows, columns], "<u2").tobytes()
        picture = np.clip(np.rint(self.picture), 0, 255).astype(np.uint8).tobytes()
        return head + self._detail.astype("<f4").tobytes() + self._steadiness.astype("<f4").tobytes() + picture

    @classmethod
    def unpack(cls, packed: bytes, how: Remembering | None = None) -> Scene | None:
        """The scene that was packed, known at once; None for bytes that are none."""
        start = 6 + 2 * 4 * GRID[0] * GRID[1]
        if not start < len(packed) <= PACKED_LIMIT:
            return None
        number, rows, columns = np.frombuffer(packed[:6], "<u2").tolist()
        numbers = np.frombuffer(packed[6:start], "<f4").astype(np.float32).reshape(2, *GRID)
        if number != PACKED or rows * columns != len(packed) - start or not np.isfinite(numbers).all():
            return None
        scene = cls(how)
        scene._detail, scene._steadiness = numbers[0].copy(), numbers[1].copy()
        scene.picture = np.frombuffer(packed[start:], np.uint8).astype(np.float32).reshape(rows, columns)
        scene._looks = 10 * scene._how.learning
        return scene

    def fits(self, grey: Floats) -> bool:
        """Whether the picture has the scene's size."""
        return self.picture is None or self.picture.shape == grey.shape

    def compare(self, grey: Floats, fine: Floats) -> Likeness:
        """Compare; each is always of one size. `fine` has only what is small in the picture, around 0."""
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
        detail = blocks(np.abs(fine))
        sharpness = detail[tell] / (self._detail[tell] + 0.05)
        coarse_old, coarse_new = blocks(self.picture), blocks(grey)
        return Likeness(
            known=True,
            gone=float(gone.mean()),
            smooth=float(np.mean(sharpness[gone] < self._how.smooth)) if gone.any() else 0.0,
            detail=self._detail_kept(fine, kept, gone),
            depth=_depth(grey) / max(_depth(self.picture), 1e-3),
            light=float(grey.mean() / (self.picture.mean() + 1)),
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

    def _detail_kept(self, fine: Floats, kept: Floats, gone: NDArray[np.bool_]) -> float:
        """How much of the scene's fine detail is found where its coarse edges are; the light's strength cancels."""
        known = self._fine
        if known is None or self._fine_looks < self._how.learning:
            return 1.0
        there = blocks(known * known)[self.telling]
        judged = ~gone & (there > self._how.detailed**2) & (kept > self._how.kept)
        if np.count_nonzero(judged) < self._how.least_blocks // 2:
            return 1.0
        light = np.clip(kept[judged], 0, 1.5)

        def found(fine: Floats) -> float:
            return float(np.median(blocks(known * fine)[self.telling][judged] / there[judged] / light))

        detail = found(fine)
        return detail if detail > self._how.in_place else max(detail, found(_laid_over(known, fine)))

    def learn(self, grey: Floats, fine: Floats, likeness: Likeness, passed_ms: int) -> None:
        """Follow the light of the scene, and how steady each block is, slowly; at first, quickly."""
        self._looks += 1
        self._sway(grey)
        memory_ms = self._how.memory_ms if likeness.gone <= self._how.taught_by else self._how.stock_ms
        steady_rate = np.float32(max(1 / self._looks, min(1.0, passed_ms / memory_ms)))
        memory_ms = self._how.swaying_ms if self.sways else memory_ms
        rate = np.float32(max(1 / self._looks, min(1.0, passed_ms / memory_ms)))
        both, old, new = self._compared(grey)
        self._steadiness += steady_rate * (both / np.sqrt(old * new + 1e-3) - self._steadiness)
        self._detail += rate * (blocks(np.abs(fine)) - self._detail)
        self._fine_looks += 1
        fine_rate = max(rate, np.float32(1 / self._fine_looks))
        self._fine = fine if self._fine is None else self._fine + fine_rate * (fine - self._fine)
        self.picture = grey if self.picture is None else self.picture + rate * (grey - self.picture)

    def _compared(self, grey: Floats) -> tuple[Floats, Floats, Floats]:
        """For each block: the product of the remembered and the present gradients, and the square of each."""
        now = gradients(grey)
        if self._then is None or self._looks - self._then_at >= min(self._looks // 4, GRADIENTS_EVERY):
            self._then = now if self.picture is None else gradients(self.picture)
            self._old, self._then_at = _power(self._then, self._then), self._looks
        return _power(self._then, now), self._old, _power(now, now)


def _laid_over(fine: Floats, other: Floats) -> Floats:
    """The other moved to where the first lies, to parts of a pixel: detail a pixel beside its place is not blurred."""
    size = (fine.shape[1], fine.shape[0])
    (right, down), _ = cv2.phaseCorrelate(
        fine.copy(), other.copy(), np.asarray(cv2.createHanningWindow(size, cv2.CV_32F), np.float32)
    )
    back = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return np.asarray(cv2.warpAffine(other, back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.float32)


def _depth(grey: Floats) -> float:
    return float(grey.std() / (grey.mean() + 1))


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
