"""Adapt a detector to one site from the 10 to 30 frames whose items the installer has tapped. Runs on a laptop.

    models/finetune.py stock --site FOLDER --start models/checkpoints/stock.pt --version site-7 --into FOLDER/model

FOLDER holds the frames and taps.json: {"images": [{"image": "a.jpg", "items": [{"class": "carton", "box": [x0, y0, x1,
y1]}, …]}]}. Every item that is to be counted must have its box in every frame listed. A fifth of the frames (at least
two) is kept back to tell what it helped. With --real and --rendered the old pictures are mixed in, so that what was
known is not forgotten; without them it learns carefully and briefly.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import data
import evaluate
import export
import network
import numpy as np
import torch
from floating import FloatModel
from train import load_weights, save_weights, train

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = logging.getLogger("finetune")
LEAST_FRAMES = 5
OLD_PICTURES = 300
"""Of those known before, mixed in."""


def read_site(folder: Path) -> list[data.Example]:
    """The tapped frames; raises ValueError where taps.json is not as it must be, with the frame's name."""
    examples = []
    for entry in json.loads((folder / "taps.json").read_text(encoding="utf-8"))["images"]:
        picture = cv2.imread(str(folder / entry["image"]))
        if picture is None:
            raise ValueError(f"{folder / entry['image']} cannot be read as a picture")
        kinds = [item["class"] for item in entry["items"]]
        if unknown := set(kinds) - set(data.CLASSES):
            raise ValueError(f"{entry['image']}: no class is called {sorted(unknown)}; there are {data.CLASSES}")
        boxes = np.array([item["box"] for item in entry["items"]], dtype=np.float32).reshape(-1, 4)
        if not (boxes[:, 2:] > boxes[:, :2]).all():
            raise ValueError(f"{entry['image']}: a box must be x0, y0, x1, y1 with x0 < x1 and y0 < y1")
        examples.append(
            data.Example(
                picture=np.asarray(picture, dtype=np.uint8),
                boxes=boxes,
                kinds=np.array([data.CLASSES.index(kind) for kind in kinds], dtype=np.int64),
                unsure=np.zeros(len(boxes), dtype=bool),
                group="site",
                complete=True,
            )
        )
    if len(examples) < LEAST_FRAMES:
        raise ValueError(f"{folder / 'taps.json'} lists {len(examples)} frames; at least {LEAST_FRAMES} are needed")
    return examples


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 for a mistake in the arguments, 1 where it did not help."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=sorted(network.SHAPES))
    parser.add_argument("--site", type=Path, required=True, help="folder with taps.json and its frames")
    parser.add_argument("--start", type=Path, required=True, help="weights to start from")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--rendered", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--version", required=True, help="name of the adapted model, for its manifest")
    parser.add_argument("--into", type=Path, required=True)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)
    try:
        frames = read_site(args.site)
        old = data.read_real(args.real, most=OLD_PICTURES) if args.real else []
        old += data.read_rendered(args.rendered, most=OLD_PICTURES) if args.rendered else []
        model = network.build(args.size)
        load_weights(model, args.start)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        parser.error(f"{error}. See --help for what each argument must be")
    kept_back = frames[:: max(2, min(5, len(frames) // 2))]
    learned = [one for one in frames if not any(one is kept for kept in kept_back)]
    before = evaluate.rendered(FloatModel(args.size, model), kept_back, least=export.SCORES[args.size])
    crops = data.Crops(learned, old, share_rendered=0.5 if old else 0.0)
    model.train()
    model = train(model, crops, args.into, steps=args.steps, batch=8, rate=5e-4 if old else 2e-4)
    after = evaluate.rendered(FloatModel(args.size, model), kept_back, least=export.SCORES[args.size])
    seen = sorted({data.CLASSES[kind] for one in kept_back for kind in one.kinds})
    for kind in seen:
        LOG.info("%s on %d frames kept back: AP50 %.3f, was %.3f", kind, len(kept_back), after[kind], before[kind])
    save_weights(model.state_dict(), args.into / "best.pt")
    facts = {"version": args.version, "trained": f"{args.start.name}, then {len(learned)} frames of a site"}
    path = export.write(model, args.size, crops, args.into, facts)
    LOG.info("%s and its manifest.json are ready for the box", path)
    return 0 if sum(after[kind] for kind in seen) >= sum(before[kind] for kind in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
