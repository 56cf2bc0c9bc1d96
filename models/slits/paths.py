"""How things move through time, and when one has crossed the gate: pixels across it in each column."""

# ruff: noqa: PLR2004  a walk is made of numbers

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from slits.canvas import TIME

from edge_agent.eye.slit_counter import COLUMNS

if TYPE_CHECKING:
    from slits.dice import Dice
    from slits.textures import Floats

BAND = 0.25
"""Of its extent: so far beyond the gate a centre must be before it has crossed."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A centre on the line: between which columns, in which sample's pixel along the gate, which way."""

    column: float
    along: float
    inward: bool


def crossings(across: Floats, along: Floats, extent: Floats) -> list[Crossing]:
    """When the centre was last on the line before it stood `BAND` of its `extent` beyond it; jitter never counts."""
    found: list[Crossing] = []
    side = 1 if across[0] > 0 else -1
    on_line: Crossing | None = None
    for at in range(1, len(across)):
        before, now = float(across[at - 1]), float(across[at])
        if (now > 0) != (before > 0):
            share = before / (before - now)
            place = float(along[at - 1] + share * (along[at] - along[at - 1]))
            on_line = Crossing(at - 1 + share, place, now > 0)
        if now * side < -BAND * extent[at]:
            side = -side
            if on_line:
                found.append(on_line)
    return found


def smooth(dice: Dice, width: float) -> Floats:
    """Noise of mean 0 and deviation 1, slower than `width` columns."""
    taps = max(1, int(width))
    noise = np.convolve(dice.rng.normal(0, 1, COLUMNS + 4 * taps), np.ones(taps) / math.sqrt(taps), "same")
    return np.asarray(noise[2 * taps : 2 * taps + COLUMNS])


def belt(dice: Dice, speed: float) -> Floats:
    """How far a belt has come: mostly even, sometimes uneven, sometimes it halts, seldom it goes back."""
    speeds = np.full(COLUMNS, speed)
    if dice.often(0.4):
        speeds *= 1 + 0.1 * smooth(dice, 20)
    if dice.often(0.35):
        for _ in range(dice.whole(1, 3)):
            begin = dice.whole(0, COLUMNS)
            speeds[begin : begin + int(dice.size(5, 120))] *= 0 if dice.often(0.75) else -1
    return np.cumsum(speeds)


def free(dice: Dice, *, speed: float, length: float) -> Floats:
    """Through the gate at some time; or towards it and back; or with a stop near it. `length` is an item's."""
    way, speed, middle = dice.way(), speed * dice.size(0.5, 2), dice.between(-40, COLUMNS + 40)
    what = dice.rng.random()
    if what < 0.18:
        path = dice.between(-1.2, 1.2) * length * 2 - np.abs(TIME - middle) * speed
    elif what < 0.3:
        stop, pause = middle + dice.between(-20, 20), dice.size(5, 100)
        path = (TIME - np.clip(TIME - stop, 0, pause) - middle) * speed
    else:
        path = (TIME - middle) * speed
    if dice.often(0.5):
        path = path + smooth(dice, 30) * length * 0.03
    return np.asarray(path * way)
