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
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from edge_agent.eye.gate import Crossing, GateLine
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
        """Logits and sizes of a slit-scan of `SAMPLES` x `COLUMNS` x 10."""


class SlitCounter:
    """Counts what goes through one line of one camera that stands still."""

    def __init__(self, line: GateLine, *, size: tuple[int, int], model: SlitModel) -> None:
        """`size`: width and height of the pictures that will come."""
        diagonal = math.hypot(*size)
        dx, dy = MARGIN * (line.x1 - line.x0), MARGIN * (line.y1 - line.y0)
        longer = GateLine(
            x0=line.x0 - dx, y0=line.y0 - dy, x1=line.x1 + dx, y1=line.y1 + dy, in_x=line.in_x, in_y=line.in_y
        )
        self._sampler = SlitSampler(longer, length_px=SAMPLES, offsets_px=[share * diagonal for share in OFFSETS])
        self._inside = _inside(line, size, diagonal)
        self._model = model
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
        """Take the next picture; what is now known to have crossed, in order of time. Times are the frames' `at_ms`."""
        if self._kept and frame.at_ms - self._kept[-1][1] < COLUMN_MS:
            return ()
        lines = self._sampler.sample(frame.picture)
        if self._kept and not _moved(lines, self._kept[-1][0]):
            is_quiet = frame.at_ms - self._moved_ms >= QUIET_MS
            return self.finish() if is_quiet and self._told_until < self._columns else ()
        self._kept.append((lines, frame.at_ms))
        self._columns += 1
        self._moved_ms = frame.at_ms
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
            direction=Direction.IN if one.inward else Direction.OUT,
            kind="person" if one.person > 0.5 else "goods",  # noqa: PLR2004  likelier than not
            confidence_permille=round(1000 * one.score),
            track=self._passed,
        )


def slit_scan(
    lines: NDArray[np.uint8], inside: NDArray[np.bool_], *, before: int = 0, after: int = 0
) -> NDArray[np.uint8]:
    """The model's view: `SAMPLES` x columns x 10, of `lines`: columns x lines x samples x 3.

    Blue, green, red of the gate's line; the greys of the six others, 0 where they lie outside the picture (`inside`);
    how far the gate's line is from its own median. The first and last columns are repeated `before` and `after` times.
    """
    lines = np.concatenate([np.repeat(lines[:1], before, 0), lines, np.repeat(lines[-1:], after, 0)])
    centre = lines[:, CENTRE].astype(np.int16)
    greys = lines.mean(axis=-1).clip(1, 255) * inside[None, :, None]
    others = [line for line in range(len(OFFSETS)) if line != CENTRE]
    median = np.median(centre[::4], axis=0).astype(np.int16)
    change = np.abs(centre - median).max(axis=-1)
    channels = [centre.transpose(1, 0, 2), greys[:, others].transpose(2, 0, 1), change.T[..., None]]
    return np.concatenate(channels, axis=-1).astype(np.uint8)


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
    return Pass(
        column=one.column + first,
        along=one.along,
        inward=one.inward,
        score=one.score,
        columns=one.columns,
        samples=one.samples,
        person=one.person,
    )


def _on_gate(one: Pass) -> bool:
    share = one.along / SAMPLES * (1 + 2 * MARGIN) - MARGIN
    return -0.02 <= share <= 1.02  # noqa: PLR2004  its ends, and a little for the sampling
