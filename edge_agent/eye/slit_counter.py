"""Crossings read off a slit-scan: the gate's line, and six beside it, laid side by side as time goes on.

In that picture whatever goes through the gate is one blob, be it tyre, sack or something new; which of the
lines it meets first says its direction. A small model trained on simulated slit-scans finds the blobs. It needs a
thousandth of the pixels that a detector looks at, so it can look at every frame.

Columns in which nothing moves are left out: a belt that stands with a carton on the line for an hour takes no column. A
pass is told when `LAG` columns have followed it, or `QUIET_MS` after the last movement.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from edge_agent.eye.gate import Crossing, GateLine, Items
from edge_agent.eye.opencv.slit import SlitSampler
from edge_agent.eye.slit_passes import Pass, passes
from evidence.bodies import Direction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.eye.counting import Frame, Picture

COLUMNS: Final = 256
SAMPLES: Final = 96
MARGIN: Final = 0.15
"""Shares of the gate that are looked at beyond its ends."""

OFFSETS: Final = (-0.09, -0.03, -0.01, 0.0, 0.01, 0.03, 0.09)
"""Where the lines lie, in shares of the picture's diagonal."""

CENTRE: Final = len(OFFSETS) // 2
STEP: Final = 32
"""New columns between two looks."""

LAG: Final = 64
SHIFT: Final = 6
"""Columns by which a later look may place the same pass earlier."""

QUIET_MS: Final = 1_500
COLUMN_MS: Final = 30
"""Frames that come faster are left out."""

MOVED: Final = 24
"""Grey levels by which a sample must differ from the last column kept, ..."""
MOVED_SHARE: Final = 0.004
"""... and the share of samples that must: less is noise."""

PERSON: Final = {Items.GOODS: 0.5, Items.PERSON: 0.0, Items.VEHICLE: 0.8}
"""From which chance on a thing is taken for a person, by what is mostly expected: where people are counted, always."""
OTHERWISE: Final = {Items.GOODS: "goods", Items.PERSON: "goods", Items.VEHICLE: "vehicle"}

NOISE: Final = 4.0
"""Grey levels: smaller changes say little of a direction."""

EITHER: Final = 0.5
REMEMBERED: Final = 128
"""Passes told, which are not told again."""


class SlitModel(Protocol):
    """A loaded model, as `edge_agent.eye.litert.Model` is."""

    @property
    def name(self) -> str:
        """Name and version."""

    @property
    def sha256(self) -> bytes:
        """Of its file."""

    @property
    def least_score(self) -> float:
        """Finds below this are not told."""

    def maps(self, picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits and sizes of a slit-scan of `SAMPLES` x `COLUMNS` x 13."""


class SlitCounter:
    """Counts what goes through one line of one camera that stands still: `edge_agent.eye.counting.Source`."""

    def __init__(self, line: GateLine, model: SlitModel, *, items: Items = Items.GOODS) -> None:
        """`items`: what is mostly expected; it decides what a thing of unclear kind is taken for."""
        self._line, self._model, self._items = line, model, items
        self._sampler: SlitSampler | None = None
        self._inside: NDArray[np.bool_] = np.zeros(len(OFFSETS), np.bool_)
        self._kept: deque[tuple[Picture, int]] = deque(maxlen=COLUMNS)
        self._columns = 0
        """Ever kept; the last one's number is this less 1."""
        self._looked = self._told_until = 0
        self._told: deque[Pass] = deque(maxlen=REMEMBERED)
        self._moved_ms = 0
        self._passed = 0

    @property
    def name(self) -> str:
        """Name and version of the model."""
        return self._model.name

    @property
    def sha256(self) -> bytes:
        """Hash of the model's file."""
        return self._model.sha256

    def see(self, frame: Frame) -> tuple[Crossing, ...]:
        """Take the next picture; what is now known to have crossed, in order of time. Times are by the steady clock."""
        if self._kept and frame.steady_ms - self._kept[-1][1] < COLUMN_MS:
            return ()
        lines = self._sampled(frame.picture)
        if self._kept and not _moved(lines, self._kept[-1][0]):
            is_quiet = frame.steady_ms - self._moved_ms >= QUIET_MS
            return self.finish() if is_quiet and self._told_until < self._columns else ()
        self._kept.append((lines, frame.steady_ms))
        self._columns += 1
        self._moved_ms = frame.steady_ms
        if self._columns - self._looked < STEP:
            return ()
        return self._look(until=self._columns - LAG)

    def finish(self) -> tuple[Crossing, ...]:
        """Nothing follows for now: tell what there is."""
        return self._look(until=self._columns, still=LAG) if self._kept else ()

    def forget_all(self) -> None:
        """Forget the lines: after a blind time nothing may be carried across."""
        self._kept.clear()
        self._told.clear()
        self._looked = self._told_until = self._columns

    def _sampled(self, picture: Picture) -> Picture:
        if self._sampler is None:
            height, width = picture.shape[:2]
            diagonal = math.hypot(width, height)
            offsets = [share * diagonal for share in OFFSETS]
            self._sampler = SlitSampler(_longer(self._line), length_px=SAMPLES, offsets_px=offsets)
            self._inside = _inside(self._line, (width, height), diagonal)
        return self._sampler.sample(picture)

    def _look(self, *, until: int, still: int = 0) -> tuple[Crossing, ...]:
        """Tell the passes before column `until`, as they look when `still` columns without movement follow."""
        self._looked = self._columns
        kept = list(self._kept)[still - COLUMNS :]
        first = self._columns - len(kept)
        before = COLUMNS - still - len(kept)
        stack = np.stack([lines for lines, _ in kept])
        logits, sizes = self._model.maps(slit_scan(stack, self._inside, before=before, after=still))
        found = []
        for one in passes(logits, sizes, least=self._model.least_score):
            here = _moved_to(one, first - before)
            if not self._told_until - SHIFT <= here.column < until or not first <= here.column < self._columns:
                continue
            if _on_gate(here) and not any(here.same(told) for told in self._told):
                self._told.append(here)
                found.append(self._crossing(here, kept[min(len(kept) - 1, round(here.column) - first)][1]))
        self._told_until = max(self._told_until, until)
        return tuple(found)

    def _crossing(self, one: Pass, at_ms: int) -> Crossing:
        self._passed += 1
        return Crossing(
            at_ms=at_ms,
            direction=Direction.IN if one.inward > EITHER else Direction.OUT,
            kind="person" if one.person > PERSON[self._items] else OTHERWISE[self._items],
            confidence_permille=round(1000 * one.score * max(one.inward, 1 - one.inward)),
            track=self._passed,
        )


def slit_scan(
    lines: NDArray[np.uint8], inside: NDArray[np.bool_], *, before: int = 0, after: int = 0
) -> NDArray[np.uint8]:
    """The model's view: `SAMPLES` x columns x 13, of `lines`: columns x lines x samples x 3.

    Blue, green, red of the gate's line; the greys of the six others, 0 where they lie outside the picture (`inside`);
    how far the gate's line is from its own median; which way the pattern moves, by each pair of lines from the farthest
    in, 128 where it does not. The first and last columns are repeated `before` and `after` times.
    """
    lines = np.concatenate([np.repeat(lines[:1], before, 0), lines, np.repeat(lines[-1:], after, 0)])
    centre = lines[:, CENTRE].astype(np.int16)
    greys = (lines.mean(axis=-1, dtype=np.float32).clip(1, 255) * inside[None, :, None]).astype(np.uint8)
    others = [line for line in range(len(OFFSETS)) if line != CENTRE]
    median = np.median(centre[::4], axis=0).astype(np.int16)
    change = np.abs(centre - median).max(axis=-1)
    ways = [
        _way(greys[:, CENTRE - away], centre.mean(axis=-1, dtype=np.float32), greys[:, CENTRE + away])
        for away in (1, 2, 3)
    ]
    channels = [centre.transpose(1, 0, 2), greys[:, others].transpose(2, 0, 1), change.T[..., None]]
    return np.concatenate([*channels, np.stack(ways, axis=-1).transpose(1, 0, 2)], axis=-1).astype(np.uint8)


def _way(outer: NDArray[np.uint8], centre: NDArray[np.float32], inner: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Columns x samples: above 128 where the pattern moves inward, below where outward.

    A pattern that moves keeps its grey: the change in time is the change across the gate times its speed, negated.
    """
    low, high = outer.astype(np.float32), inner.astype(np.float32)
    both = (low + centre + high) / 3
    in_time = np.zeros_like(both)
    in_time[1:-1] = (both[2:] - both[:-2]) / 2
    across = (high - low) / 2
    way = -2 * in_time * across / (in_time**2 + across**2 + NOISE**2)
    return np.asarray(np.where((outer > 0) & (inner > 0), np.round(128 + 127 * way), 128))


def _longer(line: GateLine) -> GateLine:
    dx, dy = MARGIN * (line.x1 - line.x0), MARGIN * (line.y1 - line.y0)
    return GateLine(x0=line.x0 - dx, y0=line.y0 - dy, x1=line.x1 + dx, y1=line.y1 + dy, in_x=line.in_x, in_y=line.in_y)


def _inside(line: GateLine, size: tuple[int, int], diagonal: float) -> NDArray[np.bool_]:
    """Which lines have most of their length in the picture."""
    along = np.linspace(0.08, 0.92, 58)
    normal = line.normal
    away = np.array(OFFSETS)[:, None] * diagonal
    x = line.x0 + along * (line.x1 - line.x0) + away * normal[0]
    y = line.y0 + along * (line.y1 - line.y0) + away * normal[1]
    seen = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    return np.asarray(seen.mean(axis=1) > 0.5)  # noqa: PLR2004  most


def _moved(lines: Picture, before: Picture) -> bool:
    change = np.abs(lines.astype(np.int16) - before).max(axis=-1)
    return bool(np.mean(change > MOVED) > MOVED_SHARE)


def _moved_to(one: Pass, first: int) -> Pass:
    """The same pass, its column counted from the first ever kept."""
    return replace(one, column=one.column + first)


def _on_gate(one: Pass) -> bool:
    share = one.along / SAMPLES * (1 + 2 * MARGIN) - MARGIN
    return -0.02 <= share <= 1.02  # noqa: PLR2004  its ends, and a little for the sampling
