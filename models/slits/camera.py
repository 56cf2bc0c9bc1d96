"""What a camera makes of the lines: light, contrast, softness, grain, repeated pictures, lines outside its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from slits import paths
from slits.canvas import LINES, TIME

from edge_agent.eye.slit_counter import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from slits.dice import Dice
    from slits.textures import Bytes, Floats

    from edge_agent.eye.slit_passes import Pass


def shake(dice: Dice) -> Floats:
    """2 x columns, pixels: a camera in the wind, seldom."""
    if not dice.often(0.2):
        return np.zeros((2, COLUMNS), np.float32)
    far = dice.size(0.2, 6) if dice.often(0.8) else dice.size(5, 18)
    return np.stack([paths.smooth(dice, dice.size(1, 12)) * far for _ in range(2)]).astype(np.float32)


def shown(dice: Dice) -> NDArray[np.int64]:
    """Which moment each column shows: some cameras repeat pictures; before a clip begins its first picture stands."""
    moments = np.arange(COLUMNS)
    if dice.often(0.18):
        each = dice.between(1.3, 4.5)
        moments = (np.floor(moments / each) * each).astype(np.int64)
    if dice.often(0.15):
        begin = dice.whole(8, 100)
        moments[:begin] = moments[begin]
    return moments


def inside(dice: Dice) -> NDArray[np.bool_]:
    """Which lines lie in the picture: some gates are near its rim."""
    lines = np.ones(LINES, dtype=bool)
    if dice.often(0.15):
        missing = dice.whole(1, 3)
        lines[slice(missing) if dice.often(0.5) else slice(-missing, None)] = False
    return lines


def taken(dice: Dice, pixels: Floats, passes: Sequence[Pass], moments: NDArray[np.int64]) -> Bytes:
    """The picture's levels; `pixels` columns x lines x samples x 3. Loses the array."""
    pixels *= _light(dice, passes)[:, None, None, None]
    if dice.often(0.5):
        mean = float(pixels.mean())
        pixels -= mean
        pixels *= dice.size(0.35, 1.4)
        pixels += np.clip(mean * dice.size(0.5, 1.6), 15, 225)
    if dice.often(0.5):
        flat = pixels.reshape(COLUMNS * LINES, -1, 3)
        soft = cv2.GaussianBlur(flat, (7, 1), dice.between(0.4, 1.6), borderType=cv2.BORDER_REPLICATE)
        pixels = np.asarray(soft, dtype=np.float32).reshape(pixels.shape)
    if dice.often(0.8):
        grain = dice.rng.standard_normal((*pixels.shape[:3], 1), dtype=np.float32)
        pixels += grain * dice.size(0.5, 10)
    if dice.often(0.08):
        pixels = np.broadcast_to(pixels.mean(axis=-1, keepdims=True), pixels.shape)
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)[moments]


def _light(dice: Dice, passes: Sequence[Pass]) -> Floats:
    """Flicker, a lamp, and automatic exposure that answers to what passes."""
    gain = np.ones(COLUMNS, np.float32)
    if dice.often(0.35):
        gain *= 1 + paths.smooth(dice, dice.size(5, 60)) * dice.between(0.01, 0.12)
    if dice.often(0.15):
        gain[dice.whole(0, COLUMNS) :] *= dice.between(0.6, 1.5)
    if dice.often(0.1):
        for one in passes:
            gain *= 1 - dice.between(0.1, 0.4) * np.exp(-(((TIME - one.column) / max(4.0, one.columns)) ** 2))
    return gain
