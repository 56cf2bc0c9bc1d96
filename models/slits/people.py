"""Somebody walks through the gate: seen from the side, lying across the line, or from above; perhaps with a load."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from slits import paths, sprites
from slits.canvas import TIME
from slits.textures import colour, skin

from edge_agent.eye.slit_counter import COLUMNS

if TYPE_CHECKING:
    from slits.stage import Stage
    from slits.textures import Floats

VEST = np.array([60.0, 220.0, 230.0])
VIEWS = {"upright": 0.45, "lying": 0.3, "above": 0.25}
"""How a body lies in the picture: along the gate, across it, or only head and shoulders are to be seen."""

BODIES = {"upright": (0.32, 1.0), "lying": (1.0, 0.35), "above": (0.45, 0.5)}
"""Extents across and along the gate, in sizes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walker:
    """Somebody on the way; `size` is the body's length in pixels."""

    stage: Stage
    view: str
    size: float
    across: Floats
    along: Floats
    swing: Floats
    """-1 to 1: legs and arms."""
    ahead: float
    """1 when going inwards."""
    feet_first: int

    def draw(self) -> None:
        """From the far leg to the near arm."""
        dice = self.stage.dice
        legs, top, hair, shoes = (colour(dice) for _ in range(4))
        bare = skin(dice)
        if self.view == "above":
            self._from_above(legs, top, hair if dice.often(0.6) else bare)
            return
        swing = 0.14 * self.swing
        for side in (1, -1):
            self._segment(0.66, side * swing * 0.6, 0.12, 0.26, legs)
            self._segment(0.88, side * swing * 1.25, 0.09, 0.26, legs)
            self._segment(0.97, side * swing * 1.4 + 0.03 * self.ahead, 0.13, 0.06, shoes)
        still = np.zeros(COLUMNS)
        self._segment(0.45, -swing, 0.08, 0.3, top * 0.9)
        self._segment(0.37, still, 0.2 if self.view == "upright" else 0.27, 0.36, top)
        if dice.often(0.3):
            self._segment(0.37, still, 0.2, 0.07, VEST)
        self._segment(0.45, swing, 0.08, 0.3, top * 0.8 if dice.often(0.6) else bare)
        self._segment(0.09, still + 0.02 * self.ahead, 0.11, 0.15, bare if dice.often(0.7) else hair)

    def _from_above(self, legs: Floats, top: Floats, head: Floats) -> None:
        still = np.zeros(COLUMNS)
        for side in (1, -1):
            self._limb(side * self.swing * 0.3, still + side * 0.1, 0.28, 0.14, legs)
            self._limb(-side * self.swing * 0.2, still + side * 0.26, 0.22, 0.1, top)
        self._limb(still, still, 0.28, 0.5, top)
        self._limb(still + self.ahead * 0.04, still, 0.22, 0.2, head)

    def _segment(self, down: float, aside: Floats, wide: float, long: float, tone: Floats) -> None:
        """A part of the body: `down` 0 at the crown, 1 at the soles; all in sizes."""
        if self.view == "upright":
            self._limb(aside, np.full(COLUMNS, down - 0.5), wide, long, tone)
        else:
            self._limb(np.full(COLUMNS, (0.5 - down) * self.feet_first), aside, long, wide, tone)

    def _limb(self, across: Floats, along: Floats, wide: float, high: float, tone: Floats) -> None:
        limb = sprites.limb(self.stage.dice, wide * self.size, high * self.size, tone)
        self.stage.part(limb, self.across + across * self.size, self.along + along * self.size)


def walk(stage: Stage) -> None:
    """Somebody goes through or along the gate, and is counted as a person; what is carried counts as goods."""
    dice = stage.dice
    view = dice.one_of(VIEWS)
    size = stage.gate_px * (dice.size(0.25, 1.1) if view == "upright" else dice.size(0.1, 0.6))
    across: Floats
    if passes_by := dice.often(0.3):
        across = dice.between(-1.2, 1.2) * size + paths.smooth(dice, 40) * size * 0.15
    else:
        across = paths.free(dice, speed=stage.speed_px, length=stage.item_px * stage.aspect)
    pace = np.abs(np.gradient(across))
    stride = size * (dice.between(0.8, 1.4) if view == "above" else dice.between(0.5, 0.9))
    phase: Floats = np.cumsum(pace) / max(1.0, stride) * 2 * math.pi + dice.between(0, 6)
    if dice.often(0.3):
        phase = TIME * dice.between(0.1, 0.7)
    drift = dice.between(-0.3, 0.3) * max(0.02, float(np.percentile(pace, 70))) if dice.often(0.4) else 0.0
    along = dice.between(0.1, 0.9) * stage.gate_px + paths.smooth(dice, 30) * size * 0.02
    along = along + drift * (TIME - COLUMNS / 2)
    if passes_by:
        along = along + (TIME - dice.between(0, COLUMNS)) * dice.size(0.2, 4) * dice.way()
    ahead = float(np.sign(across[-1] - across[0])) or 1.0
    walker = Walker(
        stage=stage,
        view=view,
        size=size,
        across=across,
        along=along,
        swing=np.sin(phase),
        ahead=ahead,
        feet_first=dice.way(),
    )
    walker.draw()
    wide, high = (np.full(COLUMNS, share * size) for share in BODIES[view])
    stage.count(across, along, wide, high, is_person=True)
    if dice.often(0.35):
        _load(stage, walker)


def _load(stage: Stage, walker: Walker) -> None:
    """Something carried in front, or held."""
    dice, size = stage.dice, walker.size
    high = size * dice.between(0.12, 0.35)
    load = sprites.goods(dice, high * dice.size(0.7, 1.5), high, stage.real)
    if walker.view == "upright":
        aside, along = walker.ahead * dice.between(0.05, 0.3), dice.between(-0.15, 0.35)
    else:
        aside, along = dice.between(-0.1, 0.15), dice.between(-0.15, 0.15)
    stage.put(load, walker.across + size * aside, walker.along + size * along)
