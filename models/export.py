"""Turn trained weights into the file that runs on the box: eight bits in, inside and out.

    models/export.py stock --weights models/checkpoints/stock.pt --real ../shared/train --version 1

Writes models/stock.tflite and its entry in models/manifest.json. Calibration sees crops of real and rendered pictures
in every light, a black picture and a white one: a range that it never saw would be cut off on the box.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data
import litert_torch
import network
import numpy as np
import torch
from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
from ai_edge_quantizer.utils import qsv_utils
from train import load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

LOG = logging.getLogger("export")
HERE = Path(__file__).parent
PICTURES = 96
"""Looked at for calibration."""

SCORES = {"gate": 0.4, "stock": 0.35, "tiny": 0.3}
"""Below this a find is not told: there precision and recall are about even on a walk held out, see MODEL_CARD.md."""


def calibration(crops: data.Crops, size: tuple[int, int], count: int = PICTURES) -> list[Any]:
    """So many pictures 1 x H x W x 3, 0 to 1, the first black, the second white."""
    wide, high = size
    pictures = [np.zeros((1, high, wide, 3), np.float32), np.ones((1, high, wide, 3), np.float32)]
    stream = crops.draw(7)
    while len(pictures) < count:
        across, down = -(-wide // data.CROP), -(-high // data.CROP)
        parts = [one[0].transpose(1, 2, 0) for one in islice(stream, across * down)]
        rows = [np.hstack(parts[i * across : (i + 1) * across]) for i in range(down)]
        pictures.append(np.ascontiguousarray(np.vstack(rows)[None, :high, :wide], dtype=np.float32))
    return pictures


def convert(exported: nn.Module, pictures: Sequence[Any]) -> tuple[bytes, bytes]:
    """A network of two maps as float and as eight-bit LiteRT files; `pictures` 1 x H x W x channels, 0 to 1."""
    channel_last = litert_torch.to_channel_last_io(exported.eval(), args=[0], outputs=[0, 1]).eval()
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "float.tflite", Path(folder) / "int8.tflite"
        litert_torch.convert(channel_last, (torch.zeros(pictures[0].shape),)).export(str(whole))
        name, signature = _signature(whole)
        # The widest range of all: quantize's own calibrate keeps a moving average, which forgets black and white.
        seen = calibrator.Calibrator(str(whole), num_threads=1, qsv_update_func=qsv_utils.min_max_update)
        how = recipe_manager.RecipeManager()
        how.load_quantization_recipe(recipe.static_wi8_ai8())
        seen.calibrate({name: [{signature: one} for one in pictures]}, how)
        quantize = quantizer.Quantizer(str(whole), recipe.static_wi8_ai8())
        ranges = seen.get_model_qsvs()
        quantize.quantize(ranges, enable_progress_report=False).export_model(str(small), overwrite=True)
        return whole.read_bytes(), small.read_bytes()


def write(model: network.Network, size: str, crops: data.Crops, into: Path, facts: dict[str, Any]) -> Path:
    """Write `into`/SIZE.tflite and its entry in the manifest there; `facts` says how it was trained."""
    shape = network.SHAPES[size]
    _, small = convert(network.Exported(model), calibration(crops, shape.input_size))
    entry = {
        "input_size": list(shape.input_size),
        "stride": data.STRIDE,
        "classes": list(data.CLASSES),
        "least_score": SCORES[size],
    }
    return enter(size, small, into, {**entry, **facts})


def enter(name: str, content: bytes, into: Path, entry: dict[str, Any]) -> Path:
    """Write `into`/NAME.tflite, and what it is into the manifest there."""
    into.mkdir(parents=True, exist_ok=True)
    path = into / f"{name}.tflite"
    path.write_bytes(content)
    manifest = into / "manifest.json"
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {"models": {}}
    known["models"][name] = {"file": path.name, "sha256": hashlib.sha256(content).hexdigest(), **entry}
    manifest.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    return path


def _signature(path: Path) -> tuple[str, str]:
    """The name of the model's signature and of its one input."""
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_path=str(path)).get_signature_list()
    name = next(iter(signatures))
    return name, signatures[name]["inputs"][0]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 for a mistake in the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=sorted(network.SHAPES))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--real", type=Path, help="folder with boxes.json: pictures to calibrate with")
    parser.add_argument("--rendered", type=Path, help="folder of rendered pictures to calibrate with")
    parser.add_argument("--version", required=True, help="the model's version, for the manifest")
    parser.add_argument("--trained", default="", help="how, in one sentence, for the manifest")
    parser.add_argument("--into", type=Path, default=HERE)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    try:
        real = data.read_real(args.real, most=300) if args.real else []
        rendered = data.read_rendered(args.rendered, most=300) if args.rendered else []
        crops = data.Crops(real, rendered, share_rendered=0.4)
        model = network.build(args.size)
        load_weights(model, args.weights)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        parser.error(f"{error}. See --help for what each argument must be")
    path = write(model, args.size, crops, args.into, {"version": args.version, "trained": args.trained})
    LOG.info("%s: %d bytes", path, path.stat().st_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
