"""Train a detector from scratch, or go on from a checkpoint.

    models/train.py stock --real ../shared/train --rendered FOLDER --hold-out IMG_0261 --steps 12000 --into RUN

RUN/last.pt is written every few minutes: the same command goes on from it. RUN/best.pt holds the averaged weights
alone, in half precision: what export, evaluate and finetune read.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import data
import network
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

LOG = logging.getLogger("train")
SAVE_EVERY = 250
AVERAGE = 0.998
"""Of the averaged weights, the share that stays at each step."""


class Stream(IterableDataset[list["Tensor"]]):
    """Random crops as tensors, another seed in each worker."""

    def __init__(self, crops: data.Crops, seed: int) -> None:
        self._crops, self._seed = crops, seed

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Endless."""
        worker = get_worker_info()
        for parts in self._crops.draw(self._seed * 1000 + (worker.id if worker else 0)):
            yield [torch.from_numpy(np.ascontiguousarray(one, dtype=np.float32)) for one in parts]


def train(
    model: network.Network,
    crops: data.Crops,
    into: Path,
    *,
    steps: int,
    batch: int = 16,
    rate: float = 2e-3,
    workers: int = 1,
    warm: int = 200,
    minutes: float = math.inf,
) -> network.Network:
    """Train a detector for so many steps, or minutes if they end first; return the averaged network."""

    def losses(parts: Sequence[Tensor]) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            out = model(parts[0].to(memory_format=torch.channels_last))
        about_centres, about_sizes = network.loss(out, *parts[1:])
        return {"centres": about_centres, "sizes": 0.5 * about_sizes}

    fit(
        model,
        lambda seed: Stream(crops, seed),
        losses,
        into,
        steps=steps,
        batch=batch,
        rate=rate,
        workers=workers,
        warm=warm,
        minutes=minutes,
    )
    return model


def fit(
    model: nn.Module,
    stream: Callable[[int], IterableDataset[list[Tensor]]],
    losses: Callable[[Sequence[Tensor]], dict[str, Tensor]],
    into: Path,
    *,
    steps: int,
    batch: int,
    rate: float,
    workers: int = 1,
    warm: int = 200,
    minutes: float = math.inf,
) -> None:
    """Lower the sum of the losses of batches of what `stream` gives for a seed; leave the averaged weights in `model`.

    Goes on where `into` has a checkpoint. The rate falls to nearly nothing towards the end, whichever end that is.
    """
    into.mkdir(parents=True, exist_ok=True)
    model = model.to(memory_format=torch.channels_last)
    averaged = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-3)
    done = 0
    if (into / "last.pt").exists():
        kept = torch.load(into / "last.pt", weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        averaged, done = kept["averaged"], kept["done"]
        LOG.info("going on after step %d", done)
    loader = DataLoader(stream(done + 1), batch, num_workers=workers)
    began = time.monotonic()
    mean: dict[str, float] = {}
    for step, parts in zip(range(done, steps), loader, strict=False):
        spent = (time.monotonic() - began) / 60 / minutes
        share = _share_of_rate(max(step / steps, spent)) * min(1.0, (step - done + 1) / warm)
        for one in optimizer.param_groups:
            one["lr"] = rate * share
        for name, loss in _step(model, optimizer, losses(parts)).items():
            mean[name] = mean.get(name, 0.0) + (loss - mean.get(name, 0.0)) * max(0.01, 1 / (step - done + 1))
        keep = min(AVERAGE, (step + 1) / (step + 10))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                averaged[name].lerp_(value, 1 - keep)
            else:
                averaged[name] = value.clone()
        last = step + 1 == steps or spent >= 1
        if (step + 1) % 100 == 0 or last:
            each = (time.monotonic() - began) / (step + 1 - done) / 60
            left = min(each * (steps - step - 1), minutes * (1 - spent))
            told = " ".join(f"{name} {value:.3f}" for name, value in mean.items())
            LOG.info("step %d of %d: %s, %.1f min left", step + 1, steps, told, left)
        if (step + 1) % SAVE_EVERY == 0 or last:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "averaged": averaged}
            _save({**state, "done": step + 1}, into / "last.pt")
            save_weights(averaged, into / "best.pt")
        if last:
            break
    model.load_state_dict(averaged)


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, losses: dict[str, Tensor]) -> dict[str, float]:
    optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def _share_of_rate(passed: float) -> float:
    return 0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, passed))) / 2


def save_weights(state: dict[str, Tensor], path: Path) -> None:
    """Write weights alone, in half precision."""
    _save({name: v.half() if v.is_floating_point() else v for name, v in state.items()}, path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read weights; raises OSError, and RuntimeError where they are another network's."""
    state = torch.load(path, weights_only=True)
    model.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in state.items()})


def _save(state: dict[str, Any], path: Path) -> None:
    """Whole or not at all: an interrupted training must find a checkpoint."""
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 for a mistake in the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=sorted(network.SHAPES))
    parser.add_argument("--real", type=Path, help="folder with boxes.json and its pictures")
    parser.add_argument("--rendered", type=Path, help="folder of rendered pictures (models/synth/stills.py writes one)")
    parser.add_argument("--share-rendered", type=float, default=0.2)
    parser.add_argument(
        "--hold-out", action="append", default=[], metavar="GROUP", help="walk or group not learned from"
    )
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long, if that is earlier")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, required=True)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)  # its threads would not survive the fork of a worker
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    try:
        real = [one for one in data.read_real(args.real) if one.group not in args.hold_out] if args.real else []
        rendered = data.read_rendered(args.rendered) if args.rendered else []
        crops = data.Crops(real, rendered, share_rendered=args.share_rendered)
        model = network.build(args.size)
        if args.start:
            load_weights(model, args.start)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        parser.error(f"{error}. See --help for what each folder must hold")
    LOG.info("%d real and %d rendered pictures, %d parameters", len(real), len(rendered), network.parameters(model))
    train(model, crops, args.into, steps=args.steps, batch=args.batch, rate=args.rate, minutes=args.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
