"""Trains the slit model: simulated scans, each seen again in several lights, ways and speeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from slits import network
from slits.dice import Dice
from slits.lessons import changed, is_crowd, targets
from slits.simulate import SlitSample, simulate
from torch.utils.data import IterableDataset, get_worker_info
from train import fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from slits.textures import Textures
    from torch import Tensor


KEPT = 1_500
"""Samples in memory: half a megabyte each."""

AGAIN = 6
"""Draws for each new sample; the oldest one makes room for it."""

SEEDS = 1_000_000
"""So many for each worker before the next one's begin."""


class Pool(IterableDataset[list["Tensor"]]):
    """Endless: a growing pool of samples, of which one is drawn and changed again and again."""

    def __init__(self, real: Textures | None, seed: int) -> None:
        self._real, self._seed = real, seed

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Scan 13 x samples x columns as levels, crossings, truth, near: what `network.loss` takes."""
        worker = get_worker_info()
        first = self._seed * AGAIN + (worker.id if worker else 0) * SEEDS
        dice, kept = Dice(first), list[SlitSample]()
        for number in range(SEEDS):
            sample = simulate(first + number, self._real)
            if not is_crowd(sample.passes):
                at = number % KEPT
                kept[at : at + 1] = [sample]
            if not kept:
                continue
            for _ in range(AGAIN):
                sample = changed(dice, kept[dice.whole(0, len(kept))])
                scan = np.ascontiguousarray(sample.scan().transpose(2, 0, 1))
                yield [torch.from_numpy(one) for one in (scan, *targets(sample.passes))]


def train(
    model: network.SlitNetwork,
    real: Textures | None,
    into: Path,
    *,
    steps: int,
    batch: int = 16,
    rate: float = 2e-3,
    workers: int = 1,
    warm: int = 200,
    minutes: float = math.inf,
) -> network.SlitNetwork:
    """Train for so many steps, or minutes if they end first; return the averaged network."""

    def losses(parts: Sequence[Tensor]) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            found = model((parts[0].float() / 255).to(memory_format=torch.channels_last))
        return network.loss(found, *parts[1:])

    fit(
        model,
        lambda seed: Pool(real, seed),
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
