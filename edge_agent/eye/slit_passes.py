"""What a model read in a slit-scan becomes passes: where on the gate, in which column, which way. Pure, numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.floating[Any]]

STRIDE: Final = 2
"""Samples and columns a cell of the model's maps."""

MOST: Final = 64
"""Passes taken from one look, the best first."""

RAMP: Final = 1e-3
"""Logit: eight-bit maps have plateaus; this leaves one cell of each. Less than one step of eight bits."""

NEAR_T, NEAR_V = 0.3, 0.4
"""Shares of the larger extent: two peaks nearer than both are one pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One thing through the line: the column of its centre, its sample along the line, extents in the same units."""

    column: float
    along: float
    inward: float
    """0 to 1: how sure it is that it went in, not out."""
    score: float
    columns: float
    samples: float
    person: float
    """0 to 1: how much it looks like a person who walks."""

    def same(self, other: Pass) -> bool:
        """Whether these are too near each other to be two."""
        return abs(self.column - other.column) <= NEAR_T * max(self.columns, other.columns) + STRIDE and abs(
            self.along - other.along
        ) <= NEAR_V * max(self.samples, other.samples)


def passes(logits: Floats, sizes: Floats, *, least: float) -> list[Pass]:
    """What the maps tell of, in order of time.

    `logits`: rows (along) x columns (time) x (crossing, inward, person); `sizes`: likewise x (logarithms of extents in
    columns, in samples). `least` score.
    """
    here = logits[..., 0]
    smooth = 0.8 * here + 0.2 * _mean(here)
    smooth = smooth + np.linspace(0, RAMP, here.size, dtype=np.float32).reshape(here.shape)
    limit = float(np.log(least / (1 - least)))
    row, column = np.nonzero((here > limit) & (smooth >= _highest(smooth)))
    found: list[Pass] = []
    for i in np.argsort(-smooth[row, column], kind="stable")[:MOST].tolist():
        r, c = row[i], column[i]
        one = Pass(
            column=(c + 0.5) * STRIDE - 0.5,
            along=(r + 0.5) * STRIDE,
            inward=_chance(logits[r, c, 1]),
            score=_chance(here[r, c]),
            columns=float(np.exp(sizes[r, c, 0])),
            samples=float(np.exp(sizes[r, c, 1])),
            person=_chance(logits[r, c, 2]),
        )
        if not any(one.same(other) for other in found):
            found.append(one)
    return sorted(found, key=lambda one: (one.column, one.along))


def _chance(logit: np.floating[Any]) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _mean(values: Floats) -> Floats:
    """Of each cell and its eight neighbours."""
    wide = np.pad(values, 1, mode="edge")
    across = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    return np.asarray((across[:-2] + across[1:-1] + across[2:]) / 9)


def _highest(values: Floats) -> Floats:
    """Of each cell's neighbourhood: three rows and two columns to each side."""
    wide = np.pad(values, ((3, 3), (2, 2)), mode="constant", constant_values=-np.inf)
    rows, columns = values.shape
    across = np.max([wide[:, i : i + columns] for i in range(5)], axis=0)
    return np.asarray(np.max([across[i : i + rows] for i in range(7)], axis=0))
