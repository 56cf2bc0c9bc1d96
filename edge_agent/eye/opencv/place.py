"""Where the remembered scene lies in a picture: in its place, or moved, turned or zoomed beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_agent.eye.opencv.scene import GRID, blocks, correlation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


NOWHERE: Final = (-10_000, -10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeking:
    """How the scene is sought; one set for all cameras."""

    points: int = 36
    half: int = 8
    """Pixels of the small picture: a piece reaches so far on each side."""
    reach: int = 14
    """So far from its place a piece is sought."""
    alike: float = 0.6
    """Correlation with which a piece is found."""
    agree: float = 0.4
    """Of all pieces so many must agree on where the scene went; `least` at least."""
    least: int = 8
    far_alike: float = 0.45
    """The whole scene, shifted far, is found when what overlaps correlates so well."""
    overlap: float = 0.35
    """With less of it in the picture it is not recognised."""


def displacement(scene: Floats, grey: Floats, telling: NDArray[np.bool_], how: Seeking | None = None) -> float | None:
    """How far the scene lies beside its place, in shares of the longer side, on the mean; None if it is not found."""
    how = how or Seeking()
    old, new = _plain(scene), _plain(grey)
    near = _by_pieces(old, new, telling, how)
    return near if near is not None else _as_a_whole(old, new, how)


def _plain(grey: Floats) -> Floats:
    """Without the light: every place as bright and as contrasty as every other."""
    flat = grey - cv2.GaussianBlur(grey, (0, 0), 5)
    spread = np.sqrt(cv2.GaussianBlur(flat * flat, (0, 0), 9))
    return np.asarray(cv2.GaussianBlur(flat / (spread + 1.5), (0, 0), 0.8), dtype=np.float32)


def _by_pieces(old: Floats, new: Floats, telling: NDArray[np.bool_], how: Seeking) -> float | None:
    height, width = old.shape
    corners = np.where(telling, blocks(np.asarray(cv2.cornerMinEigenVal(old, 5), np.float32)), -1)
    order = np.argsort(corners, axis=None)[::-1][: how.points]
    border = how.half + how.reach
    padded = cv2.copyMakeBorder(new, border, border, border, border, cv2.BORDER_REFLECT_101)
    from_, to = [], []
    for row, column in zip(*np.unravel_index(order, GRID), strict=True):
        if corners[row, column] <= 0:
            continue
        x = min(max(int((column + 0.5) * width / GRID[1]), how.half), width - how.half - 1)
        y = min(max(int((row + 0.5) * height / GRID[0]), how.half), height - how.half - 1)
        piece = old[y - how.half : y + how.half + 1, x - how.half : x + how.half + 1]
        around = padded[
            y - how.half - how.reach + border : y + how.half + how.reach + 1 + border,
            x - how.half - how.reach + border : x + how.half + how.reach + 1 + border,
        ]
        found = cv2.matchTemplate(around, piece, cv2.TM_CCOEFF_NORMED)
        _, best, _, (best_x, best_y) = cv2.minMaxLoc(found)
        from_.append((x, y))
        to.append((x + best_x - how.reach, y + best_y - how.reach) if best >= how.alike else NOWHERE)
    if len(from_) < how.least:
        return None
    start, end = np.array(from_, np.float32), np.array(to, np.float32)
    good = end[:, 0] > NOWHERE[0]
    if good.sum() < max(how.least, how.agree * len(good)):
        return None
    matrix, agree = cv2.estimateAffinePartial2D(start[good], end[good], method=cv2.RANSAC, ransacReprojThreshold=1.2)
    if matrix is None or agree.sum() < max(how.least, how.agree * len(good)):
        return None
    went = start @ matrix[:, :2].T + matrix[:, 2] - start
    return float(np.hypot(went[:, 0], went[:, 1]).mean() / max(width, height))


def _as_a_whole(old: Floats, new: Floats, how: Seeking) -> float | None:
    height, width = old.shape
    window = np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)
    (dx, dy), _ = cv2.phaseCorrelate(old.copy(), new.copy(), window)  # it writes into what it is given
    x, y = round(dx), round(dy)
    if max(0, width - abs(x)) * max(0, height - abs(y)) < how.overlap * width * height:
        return None
    there = new[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
    here = old[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
    same = correlation(here, there)
    return float(np.hypot(x, y)) / max(width, height) if same > how.far_alike else None
