"""A detector's maps become boxes. Pure, numpy alone; the same maps give the same boxes.

Eight-bit maps have plateaus: neighbours with exactly one value, each of which would be a peak. So a map is smoothed a
little and a tiny ramp laid on it before peaks are sought: of a plateau one cell is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.floating[Any]]

RAMP = 1e-3
"""Logit: how much the last cell of a map is raised above the first. Less than one step of eight bits."""

MOST = 400
"""Peaks taken from one map, the best first."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Boxes in pixels of one picture (x0, y0, x1, y1 a row), with score 0 to 1 and class number each; best first."""

    boxes: Floats
    scores: Floats
    kinds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.boxes)

    def kept(self, which: NDArray[Any]) -> Found:
        """Only these: a mask, or an order."""
        return Found(boxes=self.boxes[which], scores=self.scores[which], kinds=self.kinds[which])

    @property
    def sides(self) -> Floats:
        """Root of each area, pixels."""
        return np.sqrt((self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1]))


NOTHING = Found(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))


def peaks(logits: Floats, sizes: Floats, *, stride: int, least: float) -> Found:
    """The items that a map tells of: `logits` H x W x classes, `sizes` H x W x 2 (logarithms, cells)."""
    limit = float(np.log(least / (1 - least)))
    rows, columns, _ = logits.shape
    smooth = 0.7 * logits + 0.3 * _mean(logits)
    smooth += np.linspace(0, RAMP, rows * columns, dtype=np.float32).reshape(rows, columns, 1)
    row, column, kind = np.nonzero((logits > limit) & (smooth >= _highest(smooth)))
    score = 1 / (1 + np.exp(-logits[row, column, kind]))
    order = np.lexsort((column, row, -smooth[row, column, kind]))[:MOST]
    row, column, kind, score = row[order], column[order], kind[order], score[order]
    half = np.exp(sizes[row, column]) * stride / 2
    x, y = (column + 0.5) * stride, (row + 0.5) * stride
    boxes = np.stack([x - half[:, 0], y - half[:, 1], x + half[:, 0], y + half[:, 1]], axis=1)
    return Found(boxes=boxes, scores=score, kinds=kind)


def merged(parts: Sequence[Found], *, same: float = 0.5) -> Found:
    """All of several maps' finds of one picture, where two that share more than `same` of their union are one.

    Also where one lies almost wholly inside a better one of about its size. Classes are compared with each other: a
    thing is a carton or a drum.
    """
    boxes = np.concatenate([one.boxes for one in parts]) if parts else NOTHING.boxes
    scores = np.concatenate([one.scores for one in parts]) if parts else NOTHING.scores
    kinds = np.concatenate([one.kinds for one in parts]) if parts else NOTHING.kinds
    order = np.lexsort((boxes[:, 0], boxes[:, 1], -scores))
    everything = Found(boxes=boxes, scores=scores, kinds=kinds).kept(order)
    left = np.ones(len(everything), dtype=bool)
    kept = []
    for index in range(len(everything)):
        if left[index]:
            kept.append(index)
            left &= overlaps(everything.boxes[index], everything.boxes) <= same
    return everything.kept(np.array(kept, dtype=np.int64))


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box with each."""
    wide = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    high = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    common = wide.clip(0) * high.clip(0)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return np.asarray(common / ((box[2] - box[0]) * (box[3] - box[1]) + areas - common + 1e-9))


def _mean(values: Floats) -> Floats:
    """Of each cell and its eight neighbours."""
    wide = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    return np.asarray((across[:-2] + across[1:-1] + across[2:]) / 9)


def _highest(values: Floats) -> Floats:
    """Of each cell and its eight neighbours."""
    wide = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="constant", constant_values=-np.inf)
    across = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
    return np.asarray(np.maximum(np.maximum(across[:-2], across[1:-1]), across[2:]))
