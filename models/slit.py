"""Make, train, export and judge the model that reads slit-scans.

    models/slit.py draw OUT.png --real ../shared/train          a look at what it learns from
    models/slit.py train --real ../shared/train --steps 9000 --into RUN
    models/slit.py export --weights RUN/best.pt --real ../shared/train --version 1
    models/slit.py evaluate                                     the exported model, as the box runs it

RUN/last.pt is written every few minutes: the same command goes on from it. RUN/best.pt holds the averaged weights
alone. Without --real every surface is drawn.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from slits.simulate import simulate
from slits.textures import Textures

from edge_agent.eye.litert import Model, ModelError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slits.evaluate import SlitMaps
    from slits.simulate import SlitSample
    from slits.textures import Bytes

HERE = Path(__file__).parent
INWARD, OUTWARD = (0, 0, 255), (0, 255, 0)
EVEN = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 for a mistake in the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for add in (_add_draw, _add_train, _add_export, _add_evaluate):
        add(commands).add_argument("--real", type=Path, help="folder with boxes.json: real surfaces for the scenes")
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for ours in ("slit", "train"):
        logging.getLogger(ours).setLevel(logging.INFO)  # the exporter tells every tensor
    cv2.setNumThreads(0)  # its threads would not survive the fork of a worker
    try:
        args.run(args)
    except (OSError, KeyError, ValueError, RuntimeError, ModelError) as error:
        parser.error(f"{error}. See --help for what each argument must be")
    return 0


def _add_draw(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = commands.add_parser("draw", help="draw scans with their crossings: large dots are people, red is inward")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=_draw)
    return parser


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = commands.add_parser("train", help="train from scratch, or go on from a checkpoint")
    parser.add_argument("--size", choices=("slit", "tiny"), default="slit", help="tiny is for tests")
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--steps", type=int, default=9_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="end by then")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--into", type=Path, required=True)
    parser.set_defaults(run=_train)
    return parser


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = commands.add_parser("export", help="write slit.tflite, eight bits, and its entry in manifest.json")
    parser.add_argument("--size", choices=("slit", "tiny"), default="slit")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--version", required=True, help="the model's version, for the manifest")
    parser.add_argument("--trained", default="", help="how, in one sentence, for the manifest")
    parser.add_argument("--scans", type=int, default=96, help="looked at for calibration (default 96)")
    parser.add_argument("--into", type=Path, default=HERE)
    parser.set_defaults(run=_export)
    return parser


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = commands.add_parser("evaluate", help="precision and recall of crossings by kind of scene")
    parser.add_argument("--size", choices=("slit", "tiny"), default="slit", help="of the weights")
    parser.add_argument("--weights", type=Path, help="evaluate these weights in float, not the exported model")
    parser.add_argument("--models", type=Path, help="folder with manifest.json (default: as the box finds it)")
    parser.add_argument("--least", type=float, help="score of a pass that counts (default: the manifest's)")
    parser.add_argument("--each", type=int, default=30, help="scans of each kind of scene (default 30)")
    parser.set_defaults(run=_evaluate)
    return parser


def _draw(args: argparse.Namespace) -> None:
    real = _textures(args)
    drawn = [_drawn(simulate(args.seed + number, real)) for number in range(args.count)]
    if not cv2.imwrite(str(args.out), np.vstack(drawn)):
        raise OSError(f"{args.out} cannot be written")


def _drawn(sample: SlitSample) -> Bytes:
    picture = cv2.resize(np.ascontiguousarray(sample.scan()[..., :3]), None, fx=3, fy=1.5)
    for one in sample.passes:
        at = (round(3 * one.column + 1), round(1.5 * one.along))
        cv2.circle(picture, at, 9 if one.person > EVEN else 4, INWARD if one.inward > EVEN else OUTWARD, 2)
    cv2.putText(picture, sample.scene, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255))
    return np.asarray(picture, dtype=np.uint8)


def _train(args: argparse.Namespace) -> None:
    import torch
    from slits import network, train
    from train import load_weights

    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = network.build(args.size)
    if args.start:
        load_weights(model, args.start)
    how = {"steps": args.steps, "batch": args.batch, "rate": args.rate, "minutes": args.minutes}
    train.train(model, _textures(args), args.into, **how)


def _export(args: argparse.Namespace) -> None:
    import torch
    from slits import export, network
    from train import load_weights

    torch.set_num_threads(1)
    model = network.build(args.size)
    load_weights(model, args.weights)
    facts = {"version": args.version, "trained": args.trained}
    path = export.write(model, _textures(args), args.into, facts, scans=args.scans)
    logging.getLogger("slit").info("%s: %d bytes", path, path.stat().st_size)


def _evaluate(args: argparse.Namespace) -> None:
    from slits import evaluate

    model: SlitMaps
    if args.weights:
        from slits.floating import FloatSlits

        model, least = FloatSlits(args.size, args.weights), args.least or 0.3
    else:
        model = exported = Model(listed("slit", args.models))
        least = args.least or exported.listed.least_score
        print(f"{exported.name}, {exported.sha256.hex()[:16]}")
    found = evaluate.scores(model, evaluate.validation(_textures(args), each=args.each), least=least)
    evaluate.table(found, least=least)


def _textures(args: argparse.Namespace) -> Textures | None:
    return Textures.read(args.real) if args.real else None


if __name__ == "__main__":
    sys.exit(main())
