"""A gate's line in each picture: laid side by side these lines are a slit-scan, in which each crossing is one blob."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_agent.eye.opencv.pictures import as_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.eye.counting import Picture
    from edge_agent.eye.gate import GateLine

DEFAULT_LENGTH_PX: Final = 64
LEAST_LENGTH: Final = 2
LENGTH_LIMIT: Final = 1024
LINES_LIMIT: Final = 64
TAPS_LIMIT: Final = 8
"""Looks for one sample along the line; a gate longer than 8 samples' worth of pixels is looked at in steps."""


class SlitSampler:
    """Reads the picture along a gate, and along lines beside it, between the pixels.

    A sample is the mean of what lies in its piece of the line, `thickness_px` wide across it, so that a long gate in a
    few samples does not flicker. Beyond the picture's rim its outermost pixels are seen.
    """

    def __init__(
        self,
        line: GateLine,
        *,
        length_px: int = DEFAULT_LENGTH_PX,
        offsets_px: Sequence[float] = (0.0,),
        thickness_px: int = 3,
    ) -> None:
        """`offsets_px`: how far each line lies from the gate, in pixels of the source; positive is inside."""
        if not LEAST_LENGTH <= length_px <= LENGTH_LIMIT:
            raise ValueError(f"a line has {LEAST_LENGTH} to {LENGTH_LIMIT} samples")
        if not 1 <= len(offsets_px) <= LINES_LIMIT or not all(map(math.isfinite, offsets_px)):
            raise ValueError(f"1 to {LINES_LIMIT} lines, each a finite number of pixels from the gate")
        if not 1 <= thickness_px <= TAPS_LIMIT:
            raise ValueError(f"a line is 1 to {TAPS_LIMIT} pixels thick")
        self.line, self.offsets_px = line, tuple(offsets_px)
        taps = max(1, min(TAPS_LIMIT, math.ceil(line.length / length_px)))
        along = (np.arange(length_px * taps) + 0.5) / (length_px * taps)
        across = np.arange(thickness_px) - (thickness_px - 1) / 2
        away = np.add.outer(np.asarray(self.offsets_px), across)[:, :, None]  # lines x thickness x 1
        normal = line.normal
        x = line.x0 + along * (line.x1 - line.x0) + away * normal[0]
        y = line.y0 + along * (line.y1 - line.y0) + away * normal[1]
        flat = (len(self.offsets_px) * thickness_px, length_px * taps)
        self._where, self._between = cv2.convertMaps(
            x.reshape(flat).astype(np.float32), y.reshape(flat).astype(np.float32), cv2.CV_16SC2
        )
        self._size = (length_px, len(self.offsets_px))

    def sample(self, picture: Picture) -> Picture:
        """Lines x samples x 3: blue, green, red; the first sample is at the gate's first end."""
        fine = cv2.remap(picture, self._where, self._between, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if fine.shape[:2] == self._size[::-1]:
            return as_bytes(fine)
        return as_bytes(cv2.resize(fine, self._size, interpolation=cv2.INTER_AREA))
