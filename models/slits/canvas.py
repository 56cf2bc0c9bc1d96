"""The lines across the gate over time, onto which surfaces and sprites are painted.

Across the gate: pixels of the camera, 0 on the gate, positive inside. Along it: pixels from its first end. Time is
counted in columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from slits.sprites import RIM

from edge_agent.eye.slit_counter import COLUMNS, MARGIN, OFFSETS, SAMPLES

if TYPE_CHECKING:
    from slits.sprites import Sprite
    from slits.textures import Floats

TIME = np.arange(COLUMNS, dtype=np.float32)
LINES = len(OFFSETS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Canvas:
    """Columns x lines x samples x 3 (blue, green, red), painted from back to front."""

    pixels: Floats
    across: Floats
    """Where each line lies."""
    along: Floats
    """Where each sample lies."""
    shake: Floats
    """2 x columns: how far the camera's picture is shifted across and along."""

    @classmethod
    def blank(cls, *, gate_px: float, diagonal_px: float, shake: Floats) -> Canvas:
        """Black, for a gate this long in a picture this large."""
        share = (np.arange(SAMPLES) + 0.5) / SAMPLES * (1 + 2 * MARGIN) - MARGIN
        return cls(
            pixels=np.zeros((COLUMNS, LINES, SAMPLES, 3), np.float32),
            across=(np.array(OFFSETS) * diagonal_px).astype(np.float32),
            along=(share * gate_px).astype(np.float32),
            shake=shake,
        )

    @property
    def reach(self) -> float:
        """How far the outermost lines are from the gate."""
        return float(self.across[-1])

    def between(self, low: float, high: float) -> slice:
        """The samples that lie between these places along the gate."""
        inside = np.nonzero((self.along > low) & (self.along < high))[0]
        return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)

    def cover(
        self, texture: Floats, *, scale: float, moved: Floats | None = None, between: slice = slice(None)
    ) -> None:
        """Lay a surface over these samples, repeated as in mirrors; `moved` across the gate so far in each column."""
        rows, columns = texture.shape[:2]
        moved = np.zeros(COLUMNS, np.float32) if moved is None else moved
        x = self.across[None, :, None] + (self.shake[0] - moved)[:, None, None]
        y = self.along[None, None, between] + self.shake[1][:, None, None]
        x, y = np.broadcast_arrays(_mirrored(x * scale, columns), _mirrored(y * scale, rows))
        flat = (COLUMNS * LINES, -1)
        seen = cv2.remap(texture, x.reshape(flat), y.reshape(flat), cv2.INTER_LINEAR)
        self.pixels[:, :, between] = seen.reshape(COLUMNS, LINES, -1, 3)

    def paint(
        self, sprite: Sprite, across: Floats, along: Floats, *, shutter: float = 0.0, looks: int = 1, shade: float = 0.0
    ) -> None:
        """Paint a sprite whose centre is there in each column.

        `shutter`: share of a column's time that is blurred together, in so many `looks`. With a `shade` it only
        darkens, by that share.
        """
        u, v = across + self.shake[0], along + self.shake[1]
        du, dv = np.gradient(u), np.gradient(v)
        radius = 0.6 * float(np.hypot(sprite.width, sprite.height)) + 2
        times, lines = np.nonzero(np.abs(u[:, None] - self.across) < radius + np.abs(du)[:, None])
        if not len(times):
            return
        far = radius + float(np.abs(dv).max())
        part = self.between(float(v[times].min()) - far, float(v[times].max()) + far)
        if part.stop == part.start:
            return
        seen = np.zeros((len(times), part.stop - part.start, 4), np.float32)
        for look in range(looks):
            late = ((look + 0.5) / looks - 0.5) * shutter
            right = self.across[lines] - (u + late * du)[times]
            down = self.along[None, part] - (v + late * dv)[times, None]
            seen += _texels(sprite, right[:, None], down, sprite.turned(COLUMNS)[times, None]) / looks
        mask = seen[..., 3:]
        behind = self.pixels[times, lines, part]
        painted = behind * (1 - mask * shade) if shade else behind * (1 - mask) + seen[..., :3]
        self.pixels[times, lines, part] = painted


def _texels(sprite: Sprite, right: Floats, down: Floats, angle: Floats) -> Floats:
    """What of the sprite is at these distances from its centre."""
    rows, columns = (size - 2 * RIM for size in sprite.texels.shape[:2])
    c, s = np.cos(angle), np.sin(angle)
    x = (right * c + down * s) / sprite.width * columns + columns / 2 + RIM - 0.5
    y = (down * c - right * s) / sprite.height * rows + rows / 2 + RIM - 0.5
    found = cv2.remap(sprite.texels, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(found, dtype=np.float32)


def _mirrored(at: Floats, size: int) -> Floats:
    at = np.mod(at, 2 * size - 2)
    return np.where(at > size - 1, 2 * size - 2 - at, at).astype(np.float32)
