"""Seeded chance, in the words that the simulator thinks in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


class Dice:
    """The same seed falls the same way."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def between(self, low: float, high: float) -> float:
        """Anywhere between."""
        return low + (high - low) * self.rng.random()

    def size(self, low: float, high: float) -> float:
        """Between these, as sizes and speeds are: twice as large is as likely as half as large."""
        return math.exp(self.between(math.log(low), math.log(high)))

    def often(self, share: float) -> bool:
        """True in this share of the throws."""
        return bool(self.rng.random() < share)

    def way(self) -> int:
        """1 or -1."""
        return 1 if self.often(0.5) else -1

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to below `high`."""
        return int(self.rng.integers(low, high))

    def one_of(self, weights: Mapping[str, float]) -> str:
        """One of the names, each as often as its weight says; the weights' sum is 1."""
        left = self.rng.random()
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return next(iter(weights))
