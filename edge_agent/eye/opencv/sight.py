"""Whether a picture still shows the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_agent.eye.opencv.pictures import as_bytes, shrunk
from evidence.bodies import Sight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.eye.counting import Frame, Picture

SIGHT_PIXELS = 160 * 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Blindness:
    """When a picture does not show the scene; one set for all cameras."""

    every_ms: int = 200
    """How often it is asked; in between the last answer holds."""
    after_ms: int = 600
    """So long it must be bad, or good again, before sight changes."""
    dark_level: float = 24.0
    """Grey, 0 to 255: the brightest hundredth of a dark picture is darker."""
    blank_contrast: float = 4.0
    """Grey: the standard deviation of a picture of nothing is smaller."""
    memory_ms: int = 60_000
    """How slowly the remembered scene follows the light of the day."""
    textured: float = 6.0
    """Mean gradient, grey a pixel: a block of the remembered scene with less tells nothing."""
    alike: float = 0.4
    """Correlation of a block's gradients with the remembered ones; below, the block is gone."""
    kept: float = 0.2
    """Share of the remembered gradients found again; below, the block is gone: a cover that scatters light."""
    gone: float = 0.75
    """If this share of the telling blocks is gone, so is the scene."""
    steady: float = 0.7
    """Mean correlation of a block with itself over time; below, it is a moving belt and tells nothing."""
    learning: int = 10
    """Pictures after which the scene is known."""
    least_blocks: int = 16
    """With fewer telling blocks a cover cannot be told from goods."""
    frozen_ms: int = 30_000
    """A living camera does not send the same picture bit for bit for so long."""


class SceneTest:
    """Whether a picture still shows the scene: not dark, not blank, not frozen, its edges where they were.

    The scene is remembered from the first good pictures and followed slowly, never while blind. So a camera that was
    turned stays blind until it is turned back or the process starts anew: its gate is not where it was.
    """

    GRID = (9, 16)

    def __init__(self, rule: Blindness | None = None) -> None:
        self._rule = rule or Blindness()
        self._scene: NDArray[np.float32] | None = None
        self._steadiness = np.zeros(self.GRID, np.float32)
        self._pictures = 0
        self._asked_ms: int | None = None
        self._last: Picture | None = None
        self._moved_ms = 0
        self._said = (Sight.CLEAR, "seen")
        self._turned_ms: int | None = None

    def judge(self, frame: Frame) -> tuple[Sight, str]:
        """BLIND with `dark`, `blank`, `frozen` or `covered`; CLEAR with `seen`. The first picture is judged at once."""
        now_ms = frame.steady_ms
        if self._asked_ms is not None and now_ms - self._asked_ms < self._rule.every_ms:
            return self._said
        first, passed_ms = self._asked_ms is None, now_ms - (self._asked_ms or now_ms)
        self._asked_ms = now_ms
        small, _ = shrunk(frame.picture, SIGHT_PIXELS)
        grey = as_bytes(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        why = self._why_blind(grey, now_ms)
        if why is None:
            self._remember(grey, passed_ms)
        self._say(why, now_ms, at_once=first)
        return self._said

    def _why_blind(self, grey: Picture, now_ms: int) -> str | None:
        if self._last is None or not np.array_equal(grey, self._last):
            self._last, self._moved_ms = grey, now_ms
        if np.percentile(grey, 99) < self._rule.dark_level:
            return "dark"
        if grey.std() < self._rule.blank_contrast:
            return "blank"
        if now_ms - self._moved_ms >= self._rule.frozen_ms:
            return "frozen"
        return "covered" if self.share_gone(grey) > self._rule.gone else None

    def share_gone(self, grey: Picture) -> float:
        """Which share of the scene's telling blocks is not to be found in this picture; 0 where too few tell."""
        if self._scene is None or self._pictures < self._rule.learning:
            return 0.0
        both, old, new = self._compared(grey)
        telling = (old > self._rule.textured**2) & (self._steadiness > self._rule.steady)
        if np.count_nonzero(telling) < self._rule.least_blocks:
            return 0.0
        gone = (both < self._rule.alike * np.sqrt(old * new)) | (both < self._rule.kept * old)
        return float(np.mean(gone[telling]))

    def _compared(self, grey: Picture) -> tuple[NDArray[np.float32], ...]:
        """For each block: the product of the remembered and the present gradients, and the square of each."""
        now = _gradients(grey.astype(np.float32))
        then = now if self._scene is None else _gradients(self._scene)
        return tuple(self._blocks(one) for one in ((then * now).sum(0), (then**2).sum(0), (now**2).sum(0)))

    def _blocks(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(values, self.GRID[::-1], interpolation=cv2.INTER_AREA), dtype=np.float32)

    def _remember(self, grey: Picture, passed_ms: int) -> None:
        """Follow the light of the scene, and how steady each block is, slowly; at first, quickly."""
        if self.share_gone(grey) > self._rule.gone / 2:
            return  # a cover that slides in must not teach us itself
        self._pictures += 1
        rate = np.float32(max(1 / self._pictures, min(1.0, passed_ms / self._rule.memory_ms)))
        both, old, new = self._compared(grey)
        self._steadiness += rate * (both / np.sqrt(old * new + 1) - self._steadiness)
        now = grey.astype(np.float32)
        self._scene = now if self._scene is None else self._scene + rate * (now - self._scene)

    def _say(self, why: str | None, now_ms: int, *, at_once: bool) -> None:
        if (why is None) == (self._said[0] is Sight.CLEAR):
            self._turned_ms = None
            return
        if self._turned_ms is None:
            self._turned_ms = now_ms
        if at_once or now_ms - self._turned_ms >= self._rule.after_ms:
            self._said = (Sight.CLEAR, "seen") if why is None else (Sight.BLIND, why)
            self._turned_ms = None


def _gradients(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """2 x rows x columns, grey a pixel; smoothed, so that a shift of a pixel still correlates."""
    soft = cv2.GaussianBlur(grey, (0, 0), 1.2)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.25)
    return np.stack([across, down]).astype(np.float32)
