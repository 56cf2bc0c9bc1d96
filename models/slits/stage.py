"""One gate and one camera: what is put on the stage is painted, and counted where it crosses."""

# ruff: noqa: PLR2004  a scene is made of numbers

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from slits import paths, sprites

from edge_agent.eye.slit_counter import COLUMNS, MARGIN, SAMPLES
from edge_agent.eye.slit_passes import Pass

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from slits.canvas import Canvas
    from slits.dice import Dice
    from slits.sprites import Sprite
    from slits.textures import Floats, Textures

SLOWEST_PX: Final = 0.05
"""A column: what is slower on the line counts as this fast, or its extent in columns would have no end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """Where a scene takes place; `passes` grows as things are put on it."""

    dice: Dice
    real: Textures | None
    canvas: Canvas
    gate_px: float
    diagonal_px: float
    item_px: float
    """A usual item, along the gate; `item_px * aspect` across it."""
    aspect: float
    speed_px: float
    """A usual speed: pixels a column."""
    shutter: float
    """Share of a column's time in which the camera takes light."""
    shown: NDArray[np.int64]
    """Which moment each column shows: a slow camera repeats pictures, a clip's first picture stands."""
    passes: list[Pass] = field(default_factory=list)

    def put(self, sprite: Sprite, across: Floats, along: Floats) -> None:
        """Goods: with motion blur, perhaps a shadow, and counted."""
        self.carry(sprite, across, along)
        self.count(across, along, *sprite.extents(COLUMNS))

    def carry(self, sprite: Sprite, across: Floats, along: Floats) -> None:
        """As goods are painted, but not counted."""
        if self.dice.often(0.4):
            self._shadow(sprite, across, along)
        blur = float(np.abs(np.gradient(across)).max()) * self.shutter / sprite.width
        looks = 1 if blur < 0.15 else (2 if blur < 0.5 else 4)
        self.canvas.paint(sprite, across, along, shutter=self.shutter, looks=looks)

    def part(self, sprite: Sprite, across: Floats, along: Floats) -> None:
        """A part of somebody, who is counted as a whole."""
        self.canvas.paint(sprite, across, along, shutter=self.shutter)

    def count(self, across: Floats, along: Floats, wide: Floats, high: Floats, *, is_person: bool = False) -> None:
        """Note each crossing of a centre that the columns show; extents across and along the gate in each column."""
        shown = self.shown
        for one in paths.crossings(across[shown], along[shown], wide[shown]):
            if not 0 <= one.along <= self.gate_px:
                continue
            at = int(shown[min(COLUMNS - 1, round(one.column))])
            speed = max(SLOWEST_PX, abs(float(np.gradient(across)[at])))
            share = SAMPLES / (1 + 2 * MARGIN)
            self.passes.append(
                Pass(
                    column=one.column,
                    along=one.along / self.gate_px * share + MARGIN * share,
                    inward=float(one.inward),
                    score=1.0,
                    columns=max(1.0, float(wide[at]) / speed),
                    samples=float(high[at]) / self.gate_px * share,
                    person=float(is_person),
                )
            )

    def _shadow(self, sprite: Sprite, across: Floats, along: Floats) -> None:
        dice = self.dice
        wide, high = sprite.width * dice.between(0.9, 1.4), sprite.height * dice.between(0.9, 1.4)
        shadow = sprites.blob(dice, wide, high, None, angle=sprite.angle)
        shadow.texels[..., 3] = cv2.GaussianBlur(shadow.texels[..., 3], (0, 0), dice.between(1, 4))
        self.canvas.paint(
            shadow,
            across + sprite.width * dice.between(-0.2, 0.2),
            along + sprite.height * dice.between(-0.3, 0.3),
            shade=dice.between(0.1, 0.5),
        )
