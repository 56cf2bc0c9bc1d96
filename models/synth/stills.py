"""Renders random warehouse pictures with exact boxes; the same seed gives the same picture.

    python models/synth/stills.py OUT --count 100 --seed 1 [--size 416] [--json]

Writes OUT/000001.jpg … and OUT/labels.json: {"images": [{"image", "width", "height", "items": [{"class", "box",
"whole", "visible", "id"}]}]}. `box` is what is seen (x0, y0, x1, y1 pixels, from the picture of ids), `whole` the
item with its hidden parts, `visible` the seen share of its silhouette. Items of which nothing is seen are left out.
For training on the fly: `still(seed, size=416) -> Still`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import scenes
import textures
from draw import NoGraphicsError, Painter
from lens import picture

if TYPE_CHECKING:
    from draw import Drawn
    from lens import Camera
    from numpy.typing import NDArray

FINE_SHARE = 0.3
"""So many pictures have edges sampled four times; the others are drawn in half the time."""
LEAST_PX = 6
"""An item of which fewer pixels are seen is not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing in a picture."""

    kind: str
    box: tuple[int, int, int, int]
    """Of its seen pixels: x0, y0 inclusive, x1, y1 exclusive."""
    whole: tuple[float, float, float, float]
    """With what is hidden or outside of the picture."""
    visible: float
    """Seen pixels by those of its whole silhouette, 0..1."""
    pixels: int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Still:
    """A picture (blue-green-red), its items and, for each pixel, the id of what is seen there (0: nobody's)."""

    picture: NDArray[np.uint8]
    items: tuple[Item, ...]
    ids: NDArray[np.int32]
    scene: str


@cache
def painter() -> Painter:
    """The process's one painter. Raises NoGraphicsError where there is no EGL."""
    return Painter(textures.common())


def still(seed: int, *, size: int | tuple[int, int] = 416, scene: str | None = None) -> Still:
    """Picture number `seed`; `size` in pixels (square, or width and height); `scene` is one of scenes.SCENES."""
    wide, high = (size, size) if isinstance(size, int) else size
    rng = np.random.default_rng((seed, 77))
    made = scenes.build(rng, wide, high, scene)
    fine = bool(rng.random() < FINE_SHARE)
    drawn = painter().draw(made.stage.world, made.camera.view(), made.camera.projection(), (wide, high), fine=fine)
    shown, ids = picture(drawn, made.camera, made.sensor)
    return Still(picture=shown, items=items(drawn, ids, made.camera, made.stage.classes), ids=ids, scene=made.name)


def items(drawn: Drawn, ids: NDArray[np.int32], camera: Camera, classes: dict[int, str]) -> tuple[Item, ...]:
    """Everything that is seen, in the order of ids."""
    height, width = ids.shape
    flat = ids.ravel()
    counts = np.bincount(flat, minlength=1)
    where = np.flatnonzero(flat)
    names = flat[where]
    rows, columns = np.divmod(where, width)
    low = np.full((len(counts), 2), max(width, height), np.int64)
    high = np.zeros((len(counts), 2), np.int64)
    for axis, values in enumerate((columns, rows)):
        np.minimum.at(low[:, axis], names, values)
        np.maximum.at(high[:, axis], names, values + 1)
    found = []
    for name in np.flatnonzero(counts[1:] >= LEAST_PX) + 1:
        whole = camera.bent_box(drawn.boxes[int(name)])
        area = max(drawn.areas.get(int(name), 0.0) * _extent(whole) / _extent(drawn.boxes[int(name)]), 1.0)
        found.append(
            Item(
                kind=classes[int(name)],
                box=(int(low[name, 0]), int(low[name, 1]), int(high[name, 0]), int(high[name, 1])),
                whole=whole,
                visible=min(1.0, float(counts[name]) / area),
                pixels=int(counts[name]),
                id=int(name),
            )
        )
    return tuple(found)


def _extent(box: tuple[float, float, float, float]) -> float:
    return max(1e-3, (box[2] - box[0]) * (box[3] - box[1]))


def as_json(shown: Still, image: str) -> dict[str, Any]:
    """An entry of labels.json."""
    height, width = shown.ids.shape
    return {
        "image": image,
        "width": width,
        "height": height,
        "items": [
            {
                "class": i.kind,
                "box": list(i.box),
                "whole": [round(v, 1) for v in i.whole],
                "visible": round(i.visible, 3),
                "id": i.id,
            }
            for i in shown.items
        ],
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Renders warehouse pictures with exact boxes.")
    parser.add_argument("out", type=Path, help="folder for the pictures and labels.json")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--scene", choices=sorted(scenes.SCENES), help="only this kind of scene")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    images, totals = [], dict.fromkeys(scenes.CLASSES, 0)
    try:
        for number in range(args.count):
            made = still(args.seed * 1_000_003 + number, size=args.size, scene=args.scene)
            name = f"{number + 1:06d}.jpg"
            cv2.imwrite(str(args.out / name), made.picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
            images.append(as_json(made, name))
            for item in made.items:
                totals[item.kind] += 1
    except NoGraphicsError as problem:
        print(problem, file=sys.stderr)
        return 4
    (args.out / "labels.json").write_text(json.dumps({"images": images}) + "\n")
    if args.json:
        print(json.dumps({"images": len(images), "items": totals}))
    else:
        print(f"{len(images)} pictures in {args.out}: " + ", ".join(f"{n} {k}" for k, n in totals.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
