"""What the detector learns from: real rack pictures and rendered ones, each item with its box; random crops of both.

The real pictures come in versions that their exporter had turned, darkened and covered with spots. A turned picture's
boxes are loose, since they are upright boxes around turned cartons: here such a picture is turned back, and takes the
boxes of its source's unturned version where there is one. Everything held out is held out by whole walk or group.
"""

# ruff: noqa: PLR2004  augmentation is made of numbers

from __future__ import annotations

import functools
import json
import math
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Bytes = NDArray[np.uint8]

CLASSES = ("carton", "tyre", "sack", "drum", "roll", "person", "forklift")
STRIDE = 4
"""Pixels a cell of the network's maps."""

OFTEN = {"carton": 2.0, "tyre": 1.0, "sack": 1.0, "drum": 1.0, "roll": 1.0, "person": 2.0, "forklift": 1.5}
"""How often a class is looked for in rendered pictures."""

CROP = 256
SIDE = (13.0, 100.0)
"""Pixels: an item's side in a training crop is anywhere between."""
MOSAICS = 0.5
"""Share of crops that are made of four."""

VISIBLE = 0.35
"""A rendered item of which a smaller share is seen is neither asked for nor punished."""

SEEN = 0.5
"""An item of which a smaller share is in the picture is neither asked for nor punished."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """A picture and its items: corner pixels, class by number; a box that is unsure is neither right nor wrong."""

    picture: Bytes
    boxes: Floats
    kinds: NDArray[np.int64]
    unsure: NDArray[np.bool_]
    group: str
    complete: bool
    """Whether every item has a box; where not, a find outside all boxes is punished less."""

    def half(self) -> Example:
        """The same at half the size."""
        return Example(
            picture=_bytes(cv2.resize(self.picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
            boxes=self.boxes / 2,
            kinds=self.kinds,
            unsure=self.unsure,
            group=self.group,
            complete=self.complete,
        )


def group_of(source: str) -> str:
    """The walk, or the set-up, that a picture was taken in: the unit in which data is held out."""
    walk = re.match(r"IMG_\d+", source)
    return walk.group() if walk else re.split(r"[-_\d]", source)[0] or "other"


def read_real(folder: Path, *, most: int | None = None) -> list[Example]:
    """The pictures of `boxes.json`, straightened; raises OSError and KeyError where the folder is another.

    `most` takes so many of them, spread evenly.
    """
    listed = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))["images"]
    listed = listed[:: max(1, len(listed) // most)] if most else listed
    sources: dict[str, list[tuple[Bytes, float, Floats]]] = defaultdict(list)
    for one in listed:
        picture = cv2.imread(str(folder / one["image"]))
        if picture is None:
            raise OSError(f"{folder / one['image']} cannot be read as a picture")
        boxes = np.asarray(one["boxes"], dtype=np.float32).reshape(-1, 4)
        sources[one["source"]].append((_bytes(picture), turned_by(_bytes(picture)), boxes))
    examples = []
    for source, versions in sources.items():
        straight = next((boxes for _, angle, boxes in versions if angle == 0), None)
        for picture, angle, boxes in versions:
            examples.append(_straightened(picture, angle, boxes, straight, group_of(source)))
    return examples


def read_rendered(folder: Path, *, most: int | None = None) -> list[Example]:
    """What models/synth/stills.py wrote: a folder with labels.json, or a folder of such folders."""
    examples: list[Example] = []
    lists = sorted(folder.rglob("labels.json"))
    if not lists:
        raise OSError(f"{folder} has no labels.json: render pictures with models/synth/stills.py {folder}")
    for one in lists:
        for entry in json.loads(one.read_text(encoding="utf-8"))["images"]:
            items = [item for item in entry["items"] if item["class"] in CLASSES]
            picture = cv2.imread(str(one.parent / entry["image"]))
            if picture is None:
                raise OSError(f"{one.parent / entry['image']} cannot be read as a picture")
            boxes = np.array([item["box"] for item in items], dtype=np.float32).reshape(-1, 4)
            examples.append(
                Example(
                    picture=_bytes(picture),
                    boxes=boxes,
                    kinds=np.array([CLASSES.index(item["class"]) for item in items], dtype=np.int64),
                    unsure=np.array([item["visible"] < VISIBLE for item in items], dtype=bool),
                    group="rendered",
                    complete=True,
                )
            )
            if most and len(examples) >= most:
                return examples
    return examples


def turned_by(picture: Bytes) -> float:
    """Degrees by which the exporter turned this square picture: outside it all is one colour. 0 where it is not."""
    small = cv2.medianBlur(picture, 5)[2::4, 2::4].astype(np.float32).max(axis=2)
    colour = float(np.median([small[0, 0], small[0, -1], small[-1, 0], small[-1, -1]]))
    differs = np.abs(small - colour) > 8
    best, most = 0.0, 0.0
    for angle, outside, count in _corners(small.shape[0]):
        if count > most and (wrong := float(differs[outside].mean())) < 0.06:
            score = count * (1 - 8 * wrong)
            if score > most:
                best, most = angle, score
    return math.copysign(abs(best) - OVERSWING, best) if abs(best) >= OVERSWING + 1 else 0.0


OVERSWING = 2.0
"""Degrees by which the best angle is too large: the margin at the edges lets it swing so far."""


@functools.cache
def _corners(size: int) -> tuple[tuple[float, NDArray[np.bool_], int], ...]:
    """For each angle: what of a square of this size lies outside the turned square, and how much that is."""
    down, across = np.mgrid[:size, :size] + 0.5 - size / 2
    found = []
    for angle in np.arange(-46.0, 46.5, 0.5):
        turn = math.radians(angle)
        along = np.abs(across * math.cos(turn) + down * math.sin(turn))
        outside = np.maximum(along, np.abs(down * math.cos(turn) - across * math.sin(turn))) > size / 2 + 1.5
        if (count := int(outside.sum())) >= 8:
            found.append((float(angle), outside, count))
    return tuple(found)


def _straightened(picture: Bytes, angle: float, boxes: Floats, straight: Floats | None, group: str) -> Example:
    """Turn the picture back; its boxes are the unturned version's, or shrunk to what was turned."""
    size = picture.shape[0]
    unsure = np.zeros(len(boxes), dtype=bool)
    if angle:
        matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, 1)
        picture = _bytes(cv2.warpAffine(picture, matrix, (size, size)))
        if straight is None:
            at_edge = (boxes[:, :2].min(axis=1) < 1.5) | (boxes[:, 2:].max(axis=1) > size - 1.5)
            boxes = _unturned(boxes, matrix, angle)
            unsure = at_edge | ((boxes[:, 2:] - boxes[:, :2]).min(axis=1) < 4)
        else:
            boxes = straight
            known = cv2.warpAffine(np.full((size, size), 255, np.uint8), matrix, (size, size))
            unsure = np.array([_share(known, box) < 0.6 for box in boxes], dtype=bool)
    return Example(
        picture=picture,
        boxes=boxes.astype(np.float32),
        kinds=np.zeros(len(boxes), dtype=np.int64),
        unsure=unsure,
        group=group,
        complete=False,
    )


def _unturned(boxes: Floats, matrix: Any, angle: float) -> Floats:  # noqa: ANN401 OpenCV's own
    """The upright boxes whose turned corners have these boxes around them."""
    turn = math.radians(angle)
    c, s = math.cos(turn), abs(math.sin(turn))
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    half_width = (wide * c - high * s) / (c * c - s * s) / 2
    half_height = (high * c - wide * s) / (c * c - s * s) / 2
    middle = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2, np.ones(len(boxes))], axis=1)
    x, y = (middle @ np.asarray(matrix).T).T
    return np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=1)


def _share(known: Any, box: Floats) -> float:  # noqa: ANN401 OpenCV's own
    x0, y0, x1, y1 = (round(max(0.0, float(v))) for v in box)
    part = known[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    return float((part > 0).mean()) if part.size else 0.0


class Crops:
    """Endless random crops of examples, in which items have all sizes; the same seed gives the same."""

    def __init__(self, real: Sequence[Example], rendered: Sequence[Example], *, share_rendered: float) -> None:
        self._rendered: dict[int, list[tuple[Example, Example]]] = defaultdict(list)
        for one in rendered:
            pair = (one, one.half())
            for kind in sorted({int(kind) for kind in one.kinds[~one.unsure]}):
                self._rendered[kind].append(pair)
        self._groups: dict[str, list[tuple[Example, Example]]] = defaultdict(list)
        for one in real:
            self._groups[one.group].append((one, one.half()))
        self._weights = [math.sqrt(len(group)) for group in self._groups.values()]
        self._share = share_rendered if real else 1.0
        if not real and not rendered:
            raise ValueError("no pictures to learn from")

    def draw(self, seed: int) -> Iterator[tuple[Floats, ...]]:
        """Picture 3 x H x W, centres, sizes, near, weight: what `network.loss` takes."""
        chosen = random.Random(seed)
        noise = np.random.default_rng(seed)
        while True:
            picture, maps = self._mosaic(chosen) if chosen.random() < MOSAICS else self._single(chosen)
            yield (_coloured(picture, chosen, noise).transpose(2, 0, 1), *maps)

    def _pair(self, chosen: random.Random) -> tuple[tuple[Example, Example], int]:
        """A picture, and the class that is looked at in it: of rendered ones each class as often as it matters."""
        if self._rendered and chosen.random() < self._share:
            kinds = list(self._rendered)
            kind = chosen.choices(kinds, [OFTEN[CLASSES[one]] for one in kinds])[0]
            return chosen.choice(self._rendered[kind]), kind
        return chosen.choice(chosen.choices(list(self._groups.values()), self._weights)[0]), 0

    def _single(self, chosen: random.Random) -> tuple[Bytes, tuple[Floats, ...]]:
        picture, example = _crop(*self._pair(chosen), chosen, CROP, CROP, (24.0, SIDE[1]))
        return picture, targets(example, CROP, CROP)

    def _mosaic(self, chosen: random.Random) -> tuple[Bytes, tuple[Floats, ...]]:
        """Four pictures around a point: small items would else leave most of a crop empty."""
        x, y = (4 * chosen.randint(20, CROP // 4 - 20) for _ in range(2))
        picture = np.zeros((CROP, CROP, 3), dtype=np.uint8)
        maps = tuple(np.zeros((depth, CROP // 4, CROP // 4), dtype=np.float32) for depth in (7, 2, 1, 1))
        for left, right in ((0, x), (x, CROP)):
            for top, bottom in ((0, y), (y, CROP)):
                wide, high = right - left, bottom - top
                part, example = _crop(*self._pair(chosen), chosen, wide, high, (SIDE[0], 48.0))
                picture[top:bottom, left:right] = part
                for whole, piece in zip(maps, targets(example, wide, high), strict=True):
                    whole[:, top // 4 : bottom // 4, left // 4 : right // 4] = piece
        return picture, maps


def _crop(  # noqa: PLR0917
    pair: tuple[Example, Example],
    kind: int,
    chosen: random.Random,
    width: int,
    height: int,
    sides: tuple[float, float],
) -> tuple[Bytes, Example]:
    """A part of the picture, where one of its items of this class has a random side; turned, skewed and mirrored."""
    example = pair[0]
    rows, columns = example.picture.shape[:2]
    liked = np.flatnonzero(example.kinds == kind)
    if len(liked):
        box = example.boxes[chosen.choice(liked.tolist())]
    else:
        x, y = chosen.uniform(0, columns), chosen.uniform(0, rows)
        box = np.array([x - 30, y - 30, x + 30, y + 30])
    side = math.sqrt(max(16.0, float((box[2] - box[0]) * (box[3] - box[1]))))
    scale = min(2.5, max(0.2, math.exp(chosen.uniform(*map(math.log, sides))) / side))
    if scale < 0.6:
        example, scale, box = pair[1], scale * 2, box / 2
        rows, columns = example.picture.shape[:2]
    aspect, turn = math.exp(chosen.gauss(0, 0.12)), math.radians(chosen.gauss(0, 2.5))
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = linear @ np.array([[aspect, chosen.gauss(0, 0.03)], [chosen.gauss(0, 0.03), 1 / aspect]])
    if chosen.random() < 0.5:
        linear[:, 0] *= -1
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ linear.T
    middle = linear @ np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    shift = []
    for axis, size in enumerate((width, height)):
        bounds = sorted((-float(corners[:, axis].min()), size - float(corners[:, axis].max())))
        shift.append(min(bounds[1], max(bounds[0], chosen.uniform(0, size) - middle[axis])))
    matrix = np.hstack([linear, np.array(shift)[:, None]])
    colour = [chosen.choice((0.0, 114.0, 114.0, chosen.uniform(0, 255)))] * 3
    picture = cv2.warpAffine(example.picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=colour)
    return _bytes(picture), _moved(example, matrix, width, height)


def _moved(example: Example, matrix: Floats, width: int, height: int) -> Example:
    """The boxes in the crop: cut to it; those that are mostly outside are unsure."""
    corners = example.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    whole = np.maximum(1e-6, (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    boxes = boxes.clip(0, [width, height, width, height])
    seen = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / whole
    kept = seen > 0.02
    return Example(
        picture=example.picture,
        boxes=boxes[kept],
        kinds=example.kinds[kept],
        unsure=example.unsure[kept] | (seen[kept] < SEEN),
        group=example.group,
        complete=example.complete,
    )


def _coloured(picture: Bytes, chosen: random.Random, noise: np.random.Generator) -> Floats:
    """Another light, lens and camera; 0 to 1."""
    for _ in range(chosen.randint(1, 4) if chosen.random() < 0.2 else 0):  # something stands before it
        x, y = chosen.randrange(CROP), chosen.randrange(CROP)
        wide, high = sorted((chosen.randint(3, 12), chosen.randint(8, 70)), reverse=chosen.random() < 0.5)
        picture[y : y + high, x : x + wide] = [chosen.randrange(256)] * 3
    if chosen.random() < 0.25:
        picture = _bytes(cv2.GaussianBlur(picture, (0, 0), chosen.uniform(0.4, 1.8)))
    if chosen.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, chosen.randint(20, 80)]
        picture = _bytes(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR))
    if chosen.random() < 0.25:
        picture = _bytes(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    levels = np.arange(256, dtype=np.float32) / 255
    curve = levels ** math.exp(chosen.gauss(0, 0.3)) * chosen.uniform(0.65, 1.25) + chosen.uniform(-0.12, 0.1)
    tint = [chosen.uniform(0.85, 1.15) for _ in range(3)] if chosen.random() < 0.7 else [1.0] * 3
    table = np.stack([curve * one for one in tint], axis=1)[:, None, :] * 255
    out = cv2.LUT(picture, table.clip(0, 255).astype(np.uint8)).astype(np.float32) / 255
    if chosen.random() < 0.3:
        grain = noise.standard_normal((CROP, CROP, 1), dtype=np.float32) * chosen.uniform(0.005, 0.06)
        out = (out + grain).clip(0, 1)
    return np.asarray(out, dtype=np.float32)


def targets(
    example: Example, width: int, height: int, *, stride: int = STRIDE, classes: int = len(CLASSES)
) -> tuple[Floats, ...]:
    """Centres, sizes, near, weight for one picture."""
    rows, columns = height // stride, width // stride
    centres = np.zeros((classes, rows, columns), dtype=np.float32)
    sizes = np.zeros((2, rows, columns), dtype=np.float32)
    near = np.zeros((1, rows, columns), dtype=np.float32)
    weight = np.ones((1, rows, columns), dtype=np.float32)
    if not example.complete:
        weight[:] = 0.5
        for box in example.boxes / stride:
            left, top, right, bottom = (round(float(v)) for v in box)
            weight[0, top:bottom, left:right] = 1
    order = np.argsort(-(example.boxes[:, 2:] - example.boxes[:, :2]).prod(axis=1))
    for index in order:
        x0, y0, x1, y1 = (float(v) / stride for v in example.boxes[index])
        wide, high, x, y = x1 - x0, y1 - y0, (x0 + x1) / 2, (y0 + y1) / 2
        if example.unsure[index] or min(wide, high) < 1.25:
            weight[0, int(y0) : int(y1) + 1, int(x0) : int(x1) + 1] = 0
            continue
        column, row = min(columns - 1, int(x)), min(rows - 1, int(y))
        spread_x, spread_y = max(0.6, wide * 0.12), max(0.6, high * 0.12)
        left, right = max(0, column - int(3 * spread_x) - 1), min(columns, column + int(3 * spread_x) + 2)
        top, bottom = max(0, row - int(3 * spread_y) - 1), min(rows, row + int(3 * spread_y) + 2)
        across = (np.arange(left, right) - column) ** 2 / (2 * spread_x**2)
        down = (np.arange(top, bottom) - row) ** 2 / (2 * spread_y**2)
        hill = np.exp(-(down[:, None] + across[None, :])).astype(np.float32)
        part = (slice(top, bottom), slice(left, right))
        centres[example.kinds[index]][part] = np.maximum(centres[example.kinds[index]][part], hill)
        close = hill > 0.5
        sizes[0][part][close] = math.log(wide)
        sizes[1][part][close] = math.log(high)
        near[0][part][close] = 1
    return centres, sizes, near, weight


def _bytes(picture: object) -> Bytes:
    """The same picture, typed: OpenCV promises less than it gives."""
    return np.asarray(picture, dtype=np.uint8)
