"""What moves: a small picture with a mask, cut to what is to be seen of it, so that its centre is its box's centre."""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from slits.textures import clouds, colour, texture

if TYPE_CHECKING:
    from slits.dice import Dice
    from slits.textures import Floats, Textures

RIM = 2
"""Empty texels around a sprite."""

SHAPES = {"rect": 0.36, "round": 0.14, "ellipse": 0.16, "ring": 0.07, "blob": 0.15, "poly": 0.08, "outline": 0.04}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sprite:
    """A drawn thing; `width` is measured across the gate, `height` along it, both in pixels of the camera."""

    texels: Floats
    """Blue, green, red, times the mask; the mask, 0 to 1."""
    width: float
    height: float
    angle: float = 0.0
    spin: float = 0.0
    """Radians a column."""

    def turned(self, columns: int) -> Floats:
        """Its angle in each column."""
        return np.asarray(self.angle + self.spin * np.arange(columns))

    def extents(self, columns: int) -> tuple[Floats, Floats]:
        """Of the box around it in each column: across the gate, along it."""
        c, s = np.abs(np.cos(self.turned(columns))), np.abs(np.sin(self.turned(columns)))
        return self.width * c + self.height * s, self.width * s + self.height * c


def goods(
    dice: Dice, width: float, height: float, real: Textures | None, *, angle: float = 0.0, spin: float = 0.0
) -> Sprite:
    """An item of any shape and surface, no larger than this."""
    columns, rows = _texels(width, height)
    shape = dice.one_of(SHAPES)
    surface = texture(dice, rows, columns, real)
    if shape == "rect" and real and dice.often(0.5) and (face := real.item(dice, rows, columns)) is not None:
        surface = face
    mask = _mask(dice, shape, rows, columns)
    _mark(dice, surface)
    return _cut(_shaded(dice, surface), mask, (width, height), angle, spin)


def blob(
    dice: Dice,
    width: float,
    height: float,
    real: Textures | None,
    *,
    angle: float = 0.0,
    tint: Floats | None = None,
) -> Sprite:
    """Something soft without a name: an arm, a shadow. `tint` covers most of its surface."""
    columns, rows = _texels(width, height)
    surface = texture(dice, rows, columns, real)
    mask = _mask(dice, "blob", rows, columns)
    _mark(dice, surface)
    surface = _shaded(dice, surface)
    if tint is not None:
        surface = surface * 0.25 + tint * 0.75
    return _cut(surface, mask, (width, height), angle)


def limb(dice: Dice, width: float, height: float, tone: Floats) -> Sprite:
    """A part of somebody, of one colour."""
    columns, rows = max(6, min(48, int(width))), max(6, min(48, int(height)))
    mask = np.zeros((rows, columns), np.float32)
    if dice.often(0.5):
        _ellipse(mask, columns / 2 - 1, rows / 2 - 1)
    else:
        mask[1:-1, 1:-1] = 1
    surface = tone.astype(np.float32) + clouds(dice, rows, columns) * dice.between(3, 60)
    surface = surface + np.linspace(-1, 1, columns, dtype=np.float32)[None, :, None] * dice.between(-25, 25)
    return Sprite(texels=_premultiplied(surface, mask), width=width, height=height)


def _texels(width: float, height: float) -> tuple[int, int]:
    """How finely it is drawn."""
    share = max(min(1.0, 110 / max(width, height)), min(1.0, 24 / min(width, height)))
    return min(160, max(4, int(width * share))), min(160, max(4, int(height * share)))


def _mask(dice: Dice, shape: str, rows: int, columns: int) -> Floats:
    mask = np.zeros((rows, columns), np.float32)
    match shape:
        case "rect":
            mask[:] = 1
        case "round":
            corner = max(1, int(min(rows, columns) * dice.between(0.1, 0.45)))
            mask[corner : rows - corner], mask[:, corner : columns - corner] = 1, 1
            for x in (corner, columns - 1 - corner):
                for y in (corner, rows - 1 - corner):
                    cv2.circle(mask, (x, y), corner, 1.0, -1)
        case "ellipse" | "ring":
            _ellipse(mask, columns / 2 - 1, rows / 2 - 1)
            if shape == "ring":
                hole = 0.0 if dice.often(0.6) else 0.3
                _ellipse(mask, columns * dice.between(0.15, 0.38), rows * dice.between(0.15, 0.38), hole)
        case "blob" | "poly":
            cv2.fillPoly(mask, [_outline(dice, shape, rows, columns)], 1.0)
        case _:
            thick = max(2, int(min(rows, columns) * 0.12))
            if dice.often(0.5):
                cv2.rectangle(mask, (0, 0), (columns - 1, rows - 1), 1.0, thick)
            else:
                _ellipse(mask, columns / 2 - thick, rows / 2 - thick, thick=thick)
    if not mask.any():
        mask[:] = 1
    return mask


def _outline(dice: Dice, shape: str, rows: int, columns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    if shape == "poly":
        corners = dice.whole(4, 9)
        angles = np.sort(dice.rng.random(corners)) * 2 * math.pi
        radii = dice.rng.uniform(0.6, 1, corners)
    else:
        corners = 24
        angles = np.arange(corners) * 2 * math.pi / corners
        wobble = np.convolve(np.tile(dice.rng.normal(0, 1, corners), 3), np.ones(5) / 5, "same")
        radii = 1 - 0.35 * np.abs(wobble[corners : 2 * corners])
    points = [columns / 2 * (1 + radii * np.cos(angles)), rows / 2 * (1 + radii * np.sin(angles))]
    return np.stack(points, axis=1).astype(np.int32)


def _mark(dice: Dice, surface: Floats) -> None:
    """Labels and tape on a third of them."""
    if not dice.often(0.35):
        return
    rows, columns = surface.shape[:2]
    for _ in range(dice.whole(1, 4)):
        x, y = dice.whole(0, columns), dice.whole(0, rows)
        to = (x + int(columns * dice.between(0.05, 0.5)), y + int(rows * dice.between(0.05, 0.5)))
        cv2.rectangle(surface, (x, y), to, colour(dice).tolist(), -1)


def _shaded(dice: Dice, surface: Floats) -> Floats:
    """Lighter on one side."""
    rows, columns = surface.shape[:2]
    down, across = np.mgrid[:rows, :columns].astype(np.float32)
    tilt = dice.between(-0.3, 0.3) * (across / columns - 0.5) + dice.between(-0.3, 0.3) * (down / rows - 0.5)
    return np.asarray(surface * (1 + tilt)[..., None])


def _cut(surface: Floats, mask: Floats, size: tuple[float, float], angle: float, spin: float = 0.0) -> Sprite:
    """Only the box of what is to be seen: the rest would move the centre."""
    rows, columns = mask.shape
    ys, xs = np.nonzero(mask > 0.25)
    part = (slice(int(ys.min()), int(ys.max()) + 1), slice(int(xs.min()), int(xs.max()) + 1))
    kept = mask[part]
    return Sprite(
        texels=_premultiplied(surface[part], kept),
        width=size[0] * kept.shape[1] / columns,
        height=size[1] * kept.shape[0] / rows,
        angle=angle,
        spin=spin,
    )


def _premultiplied(surface: Floats, mask: Floats) -> Floats:
    if min(mask.shape) > 6:
        mask = np.asarray(cv2.GaussianBlur(mask, (3, 3), 0, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)
    texels = np.dstack([np.clip(surface, 0, 255) * mask[..., None], mask])
    return np.pad(texels, ((RIM, RIM), (RIM, RIM), (0, 0))).astype(np.float32)


def _ellipse(mask: Floats, across: float, down: float, value: float = 1.0, *, thick: int = -1) -> None:
    middle = (mask.shape[1] // 2, mask.shape[0] // 2)
    cv2.ellipse(mask, middle, (max(1, int(across)), max(1, int(down))), 0, 0, 360, value, thick)
