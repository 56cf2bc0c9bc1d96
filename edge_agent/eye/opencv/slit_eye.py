"""One gate's slit: every picture sampled along the gate and in a band across it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edge_agent.eye.opencv.slit import SlitSampler
from edge_agent.eye.slit import Raw, Sweep

if TYPE_CHECKING:
    from edge_agent.eye.counting import Frame
    from edge_agent.eye.gate import GateLine

ALONG_LEAST: Final = 64
ALONG_MOST: Final = 96
ACROSS: Final = 32
REACH: Final = 6.0
"""The band reaches this part of the picture's shorter side to each side of the gate."""


class SlitEye:
    """Looks at the gate's line in each picture. Cheap: some 0.1 ms a picture."""

    def __init__(self, line: GateLine, *, columns_per_s: int) -> None:
        self._line = line
        self._sweep = Sweep(columns_per_s=columns_per_s)
        self._gate: SlitSampler | None = None

    def see(self, frame: Frame) -> Raw | None:
        """Sample a picture; a stretch of columns when one is full, or pictures were away."""
        if self._gate is None:
            self._begin(min(frame.picture.shape[:2]))
        assert self._gate is not None  # noqa: S101 - just made
        return self._sweep.add(self._gate.sample(frame.picture)[0], self._band.sample(frame.picture), frame.at_ms)

    def end(self, at_ms: int | None = None) -> Raw | None:
        """What is not told yet; up to `at_ms` when pictures go on."""
        return self._sweep.end(at_ms)

    def _begin(self, shorter_side: int) -> None:
        along = round(min(ALONG_MOST, max(ALONG_LEAST, self._line.length / 3)))
        reach = shorter_side / REACH
        self._gate = SlitSampler(self._line, length_px=along)
        self._band = SlitSampler(
            self._line, length_px=along // 2, offsets_px=np.linspace(reach, -reach, ACROSS).tolist(), thickness_px=1
        )
