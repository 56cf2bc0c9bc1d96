"""Colours and surfaces: flat, clouded, striped, and pieces of real pictures where there are any."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from slits.dice import Dice

    Bytes: TypeAlias = NDArray[np.uint8]
    Floats: TypeAlias = NDArray[np.floating[Any]]

PICTURES = 350
"""Real pictures kept in memory, at half their size."""

LEAST_ITEM_PX = 12
KINDS = {"flat": 0.3, "clouds": 0.3, "stripes": 0.15, "real": 0.2, "rough": 0.05}


@dataclass(frozen=True, slots=True)
class Textures:
    """Real pictures, and in each the boxes of its items (x0, y0, x1, y1)."""

    pictures: tuple[tuple[Bytes, tuple[tuple[int, int, int, int], ...]], ...]

    @classmethod
    def read(cls, folder: Path) -> Textures:
        """Of a folder with boxes.json; raises OSError, KeyError or ValueError where it is another."""
        images = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))["images"]
        found = []
        for index in np.random.default_rng(0).permutation(len(images))[:PICTURES]:
            picture = cv2.imread(str(folder / images[index]["image"]), cv2.IMREAD_REDUCED_COLOR_2)
            if picture is None:
                raise OSError(f"{folder / images[index]['image']} cannot be read as a picture")
            boxes = [[max(0, int(v / 2)) for v in box] for box in images[index]["boxes"]]
            large = [(a, b, c, d) for a, b, c, d in boxes if min(c - a, d - b) > LEAST_ITEM_PX]
            found.append((np.asarray(picture, dtype=np.uint8), tuple(large)))
        if not found:
            raise ValueError(f"{folder / 'boxes.json'} lists no pictures")
        return cls(tuple(found))

    def piece(self, dice: Dice, rows: int, columns: int) -> Floats:
        """A random part of a random picture."""
        picture = self.pictures[dice.whole(0, len(self.pictures))][0]
        share = dice.size(0.15, 1)
        high = min(picture.shape[0], max(8, int(rows * share)))
        wide = min(picture.shape[1], max(8, int(columns * share)))
        y, x = dice.whole(0, picture.shape[0] - high + 1), dice.whole(0, picture.shape[1] - wide + 1)
        return _floats(cv2.resize(picture[y : y + high, x : x + wide], (columns, rows)))

    def item(self, dice: Dice, rows: int, columns: int) -> Floats | None:
        """A random item's face; None when only pictures without items came up."""
        for _ in range(10):
            picture, boxes = self.pictures[dice.whole(0, len(self.pictures))]
            if boxes:
                x0, y0, x1, y1 = boxes[dice.whole(0, len(boxes))]
                return _floats(cv2.resize(picture[y0:y1, x0:x1], (columns, rows), interpolation=cv2.INTER_AREA))
        return None


def colour(dice: Dice) -> Floats:
    """Blue, green, red, 0 to 255: a grey as often as a colour."""
    if dice.often(0.5):
        return np.clip(dice.between(10, 245) + dice.rng.normal(0, 6, 3), 0, 255)
    hue = [[[dice.whole(0, 180), dice.whole(40, 256), dice.whole(30, 256)]]]
    return _floats(cv2.cvtColor(np.array(hue, np.uint8), cv2.COLOR_HSV2BGR)[0, 0])


def skin(dice: Dice) -> Floats:
    """A colour that hands and faces have, in some light."""
    return np.array([dice.between(60, 160), dice.between(90, 190), dice.between(120, 230)]) * dice.between(0.5, 1.1)


def clouds(dice: Dice, rows: int, columns: int, *, grain: float | None = None) -> Floats:
    """Noise of three finenesses, about -1 to 1; the coarsest has grains of `grain` pixels."""
    total = np.zeros((rows, columns, 3), np.float32)
    grain, weight = grain or dice.size(4, 64), 1.0
    for _ in range(3):
        cells = (max(2, int(rows / grain) + 1), max(2, int(columns / grain) + 1), 1 if dice.often(0.5) else 3)
        noise = np.broadcast_to(dice.rng.random(cells, dtype=np.float32) - 0.5, (*cells[:2], 3))
        how = cv2.INTER_LINEAR if dice.often(0.7) else cv2.INTER_NEAREST
        total += weight * cv2.resize(np.ascontiguousarray(noise), (columns, rows), interpolation=how)
        weight, grain = weight * 0.6, max(1.5, grain / 3)
    return total


def texture(dice: Dice, rows: int, columns: int, real: Textures | None, *, kind: str | None = None) -> Floats:
    """A surface, blue, green, red, about 0 to 255; of `KINDS` a random one if not named."""
    kind = kind or dice.one_of(KINDS)
    if kind == "real" and real:
        return real.piece(dice, rows, columns)
    surface = np.tile(colour(dice).astype(np.float32), (rows, columns, 1))
    match kind:
        case "flat":
            surface += clouds(dice, rows, columns) * dice.between(0, 8)
        case "stripes":
            surface += _stripes(dice, rows, columns)[..., None] * dice.size(4, 90)
            surface += clouds(dice, rows, columns) * dice.between(0, 20)
        case "rough":
            surface += clouds(dice, rows, columns, grain=dice.size(4, 30)) * dice.size(20, 150)
        case _:
            surface += clouds(dice, rows, columns) * dice.size(8, 120)
    return surface


def _stripes(dice: Dice, rows: int, columns: int) -> Floats:
    """-1 to 1, soft or sharp, mostly along or across."""
    angle = dice.between(0, math.pi) if dice.often(0.4) else (0.0 if dice.often(0.7) else math.pi / 2)
    down, across = np.mgrid[:rows, :columns]
    wave = np.sin((across * math.cos(angle) + down * math.sin(angle)) / dice.size(3, 40) * 2 * math.pi)
    return _floats(np.sign(wave) if dice.often(0.5) else wave)


def _floats(values: object) -> Floats:
    """The same, typed: OpenCV promises less than it gives."""
    return np.asarray(values, dtype=np.float32)
