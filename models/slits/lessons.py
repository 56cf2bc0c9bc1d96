"""What a simulated sample teaches: itself as other cameras see it, and the maps that are asked for."""

# ruff: noqa: PLR2004  augmentation is made of numbers

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.eye.slit_counter import COLUMNS, SAMPLES
from edge_agent.eye.slit_passes import STRIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slits.dice import Dice
    from slits.simulate import SlitSample
    from slits.textures import Bytes, Floats

    from edge_agent.eye.slit_passes import Pass

CROWD, CROWD_COLUMNS = 12, 4.0


def is_crowd(passes: Sequence[Pass]) -> bool:
    """Whether there are many, most of them too short to be told from rollers: nothing to learn from."""
    return len(passes) > CROWD and float(np.median([one.columns for one in passes])) < CROWD_COLUMNS


def changed(dice: Dice, sample: SlitSample) -> SlitSample:
    """The same scene by another camera: mirrored, run backwards, faster or slower, in another light."""
    lines, inside, passes = sample.lines, sample.inside, list(sample.passes)
    if dice.often(0.5):
        lines, passes = lines[:, :, ::-1], [replace(one, along=SAMPLES - one.along) for one in passes]
    if dice.often(0.5):
        lines, inside, passes = lines[:, ::-1], inside[::-1], [replace(one, inward=1 - one.inward) for one in passes]
    if dice.often(0.5):
        last = COLUMNS - 1
        lines = lines[::-1]
        passes = [replace(one, column=last - one.column, inward=1 - one.inward) for one in passes]
    if dice.often(0.3):
        lines, passes = _stretched(dice, lines, passes)
    if dice.often(0.4):
        levels = np.arange(256) * dice.between(0.6, 1.4) + dice.between(-25, 25)
        lines = levels.clip(0, 255).astype(np.uint8)[lines]
    if dice.often(0.3):
        lines = lines[..., dice.rng.permutation(3)]
    if dice.often(0.15):
        lines, passes = _stands(dice, lines, passes)
    return replace(sample, lines=np.ascontiguousarray(lines), inside=inside, passes=tuple(passes))


def _stretched(dice: Dice, lines: Bytes, passes: list[Pass]) -> tuple[Bytes, list[Pass]]:
    """A part of the time, slower; or all of it, faster, with its last column repeated."""
    share = dice.size(0.5, 2)
    begin = dice.between(0, max(0.0, COLUMNS * (1 - share)))
    moments = np.clip(np.round(begin + np.arange(COLUMNS) * share), 0, COLUMNS - 1).astype(np.int64)
    end = min(COLUMNS, (COLUMNS - 1 - begin) / share + 0.5)
    moved = [replace(one, column=(one.column - begin) / share, columns=one.columns / share) for one in passes]
    return lines[moments], [one for one in moved if 0 <= one.column < end]


def _stands(dice: Dice, lines: Bytes, passes: list[Pass]) -> tuple[Bytes, list[Pass]]:
    """The first or the last columns stand still, as where a clip begins or nothing follows."""
    many, moments = dice.whole(8, 101), np.arange(COLUMNS)
    if dice.often(0.5):
        return lines[np.maximum(moments, many)], [one for one in passes if one.column >= many + 0.5]
    last = COLUMNS - 1 - many
    return lines[np.minimum(moments, last)], [one for one in passes if one.column < last - 0.5]


def targets(passes: Sequence[Pass]) -> tuple[Floats, Floats, Floats]:
    """Crossings 1 x rows x columns, truth 4 x rows x columns, near 1 x rows x columns, in cells."""
    rows, columns = SAMPLES // STRIDE, COLUMNS // STRIDE
    down, right = np.arange(rows, dtype=np.float32)[:, None], np.arange(columns, dtype=np.float32)
    crossings = np.zeros((1, rows, columns), np.float32)
    truth = np.zeros((4, rows, columns), np.float32)
    near = np.zeros((1, rows, columns), np.float32)
    for one in passes:
        row, column = round(one.along / STRIDE - 0.5), round((one.column + 0.5) / STRIDE - 0.5)
        if not (0 <= row < rows and 0 <= column < columns):
            continue
        wide, high = min(8.0, max(0.7, 0.05 * one.columns)), max(0.7, 0.06 * one.samples)
        hill = np.exp(-(((right - column) / wide) ** 2) / 2 - ((down - row) / high) ** 2 / 2)
        crossings[0] = np.maximum(crossings[0], hill)
        logarithms = (math.log(max(1.0, min(one.columns, 300.0))), math.log(max(1.0, one.samples)))
        close = hill > 0.5
        truth[:, close] = np.array([one.inward, *logarithms, one.person])[:, None]
        near[0][close] = 1
    return crossings, truth, near
