"""Goods on belts, goods on their own, and hands that bring or take them."""

# ruff: noqa: PLR2004  a scene is made of numbers

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from slits import paths, sprites
from slits.canvas import LINES, TIME
from slits.dice import Dice
from slits.textures import colour, skin, texture

from edge_agent.eye.slit_counter import COLUMNS

if TYPE_CHECKING:
    from slits.stage import Stage
    from slits.textures import Floats

MOST = 40
"""Items on one lane."""

SURFACE_PX = (160, 512)
STANDS_PX = 1e-6
"""A belt slower than this a column stands."""


def belts(stage: Stage, count: int) -> None:
    """One belt, or two side by side; rows of items on each."""
    dice = stage.dice
    cuts = [0.0, 1.0] if count == 1 else [0.0, dice.between(0.3, 0.7), 1.0]
    for first, last in pairwise(cuts):
        low, high = (
            (edge + side * dice.between(-0.1, 0.15)) * stage.gate_px for edge, side in ((first, 1), (last, -1))
        )
        way, travelled = dice.way(), paths.belt(dice, stage.speed_px)
        if dice.often(0.75):
            _surface(stage, low, high, travelled * way if dice.often(0.8) else np.zeros(COLUMNS))
        if dice.often(0.3):
            _bars(stage, low, high, travelled)
        if dice.often(0.1):
            continue  # nothing on it
        rows = int(dice.one_of({"1": 0.62, "2": 0.28, "3": 0.1}))
        packed, each = dice.often(0.3), (high - low) / rows
        if rows == 1:
            item = min(stage.item_px, each)
            middle = dice.between(low + item / 2, max(low + item / 2 + 0.01, high - item / 2))
            _lane(stage, middle - item * 0.6, middle + item * 0.6, way, travelled, packed=packed)
        else:
            for row in range(rows):
                _lane(stage, low + row * each, low + (row + 1) * each, way, travelled, packed=packed)


def loose(stage: Stage) -> None:
    """Items that go their own ways."""
    dice = stage.dice
    for _ in range(dice.whole(1, 9)):
        high = stage.item_px * dice.size(0.6, 1.6)
        wide = high * stage.aspect * dice.size(0.7, 1.4)
        angle = dice.between(-0.6, 0.6) if dice.often(0.4) else 0.0
        spin = dice.between(-0.05, 0.05) if dice.often(0.1) else 0.0
        drift = dice.between(-0.4, 0.4) * stage.speed_px if dice.often(0.6) else 0.0
        sway = paths.smooth(dice, 20) * stage.item_px * 0.05 if dice.often(0.5) else 0.0
        along = dice.between(-0.1, 1.1) * stage.gate_px + drift * (TIME - COLUMNS / 2) + sway
        item = sprites.goods(dice, wide, high, stage.real, angle=angle, spin=spin)
        stage.put(item, paths.free(dice, speed=stage.speed_px, length=stage.item_px * stage.aspect), along)


def hands(stage: Stage) -> None:
    """Arms reach in and go away; some bring something, some take it, some carry it there and back. No arm counts."""
    dice = stage.dice
    for _ in range(dice.whole(1, 4)):
        way, middle = dice.way(), dice.between(0, COLUMNS)
        speed, dwell = stage.speed_px * dice.size(0.5, 2) + 0.3, dice.size(2, 60)
        reach = dice.between(-1.5, 3) * stage.item_px
        tip = way * (reach - np.maximum(0, np.abs(TIME - middle) - dwell / 2) * speed)
        along = np.full(COLUMNS, dice.between(0, 1) * stage.gate_px)
        length = stage.diagonal_px * 1.2
        tint = skin(dice) if dice.often(0.7) else None
        wide = stage.item_px * dice.size(0.2, 0.8)
        arm = sprites.blob(dice, length, wide, stage.real, angle=dice.between(-0.25, 0.25), tint=tint)
        if (what := dice.rng.random()) < 0.6:
            high = stage.item_px * dice.size(0.6, 1.4)
            item = sprites.goods(dice, high * stage.aspect, high, stage.real)
            across = tip + way * item.width * 0.2
            rest = across[int(np.clip(middle, 0, COLUMNS - 1))]
            if what < 0.25:
                across = np.where(middle > TIME, across, rest)
            elif what < 0.45:
                across = np.where(middle < TIME, across, rest)
            stage.put(item, across, along)
        stage.carry(arm, tip - way * arm.width / 2, along)


def _surface(stage: Stage, low: float, high: float, moved: Floats) -> None:
    """The belt itself."""
    kind = stage.dice.one_of({"flat": 0.3, "stripes": 0.35, "clouds": 0.25, "rough": 0.1})
    part = stage.canvas.between(low, high)
    if part.stop > part.start:
        surface = texture(stage.dice, *SURFACE_PX, stage.real, kind=kind)
        scale = stage.dice.size(0.2, 2)
        stage.canvas.cover(surface, scale=scale, moved=moved.astype(np.float32), between=part)


def _bars(stage: Stage, low: float, high: float, travelled: Floats) -> None:
    """Rollers that flicker, cleats that pass: bars over the whole belt, and no goods. They stand where it stands."""
    dice, canvas, part = stage.dice, stage.canvas, stage.canvas.between(low, high)
    period, many = dice.size(2.2, 24), 400
    steps = period * (1 + dice.rng.normal(0, 1, many) * dice.between(0, 0.3))
    edges = np.cumsum(np.maximum(1.2, steps))
    lag = dice.between(-1, 1) * period if dice.often(0.7) else 0.0
    noise = dice.rng.normal(0, 1, LINES) * period * dice.often(0.3)
    slant = dice.between(-3, 3) * period if dice.often(0.6) else 0.0
    across = (np.arange(LINES) * lag + noise)[:, None]
    moves = np.abs(np.gradient(travelled)) > STANDS_PX
    clock = np.maximum.accumulate(np.where(moves, TIME, 0.0)) + 200
    at = clock[:, None, None] + across + np.linspace(0, slant, part.stop - part.start)
    bar = np.clip(np.searchsorted(edges, at), 1, many - 1)
    share = (at - edges[bar - 1]) / (edges[bar] - edges[bar - 1])
    lit = (share < dice.between(0.15, 0.85)).astype(np.float32)
    if dice.often(0.5):
        lit *= 0.6 + 0.4 * dice.rng.random(many, dtype=np.float32)[bar]
    paint = lit[..., None] * colour(dice) + (1 - lit[..., None]) * colour(dice)
    cover = dice.between(0.3, 1)
    canvas.pixels[:, :, part] = canvas.pixels[:, :, part] * (1 - cover) + paint * cover


def _lane(stage: Stage, low: float, high: float, way: int, travelled: Floats, *, packed: bool) -> None:
    """Items one behind another, alike on half the lanes, from beyond the gate to as far back as will ever come."""
    dice = stage.dice
    alike, seed = dice.often(0.5), dice.whole(0, 1 << 30)
    at = stage.canvas.reach + stage.item_px * 2
    last = -(float(np.max(travelled)) + at)
    for _ in range(MOST):
        if at <= last:
            return
        own = Dice(seed) if alike else dice
        tall = (high - low) * own.between(0.5, 0.95)
        wide = tall * stage.aspect * own.size(0.8, 1.25)
        angle = own.between(-0.4, 0.4) if own.often(0.3) else (own.between(0, 6.28) if own.often(0.1) else 0.0)
        item = sprites.goods(own, wide, tall, stage.real, angle=angle)
        slack = max(0.0, high - low - tall) / 2
        along = np.full(COLUMNS, (low + high) / 2 + dice.between(-slack, slack))
        room = float(item.extents(1)[0][0])
        at -= room / 2
        stage.put(item, way * (at + travelled), along)
        at -= room / 2 + room * _gap(dice, room / stage.speed_px, packed=packed)


def _gap(dice: Dice, columns: float, *, packed: bool) -> float:
    """Shares of an item; what takes few columns is far apart, or nobody could tell it from rollers."""
    if columns <= 4:
        return dice.size(1.5, 12)
    return dice.size(0.01, 0.25) if packed and columns > 5 else dice.size(0.1, 6)
