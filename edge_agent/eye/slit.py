"""A gate's line over time, in columns: when each was seen, which stretches are still, what moves which way.

Pure: the same samples at the same times give the same strips. The rule:

1. Time is cut into columns of equal length. Of several pictures in one column's time that one stays which differs most
   from the column before, so nothing that passed is skipped.
2. Where a picture is late, the column before is shown again, at most for HOLD_MS: after that nothing was seen, the
   strip ends, and what lies between it and the next is time without pictures.
3. A stretch is still when no sample of it differs from the stretch's first column by more than the camera's own noise.
   Only still stretches may be folded, and a fold is drawn.
4. The way strip shows where, across the gate, something is that is not always there: upwards is inwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"

HOLD_MS: Final = 1_000
STRIP_MS: Final = 30_000
"""A strip is this long at most; what a process holds in memory, and what a power cut can take."""
RATE_LIMIT: Final = 60
"""Columns a second."""

STILL_LEAST_MS: Final = 4_000
"""Shorter stretches are not folded."""
STILL_MARGIN_MS: Final = 500
"""So much of a still stretch is shown at each of its ends."""
CHANGE_LEAST: Final = 6.0
CHANGE_MOST: Final = 12.0
"""Grey, 0 to 255, of the mean of three samples: more than this is a change, however noisy the camera."""
_FAINT: Final = 24
"""Grey: what differs less from what always is there is paper in the way strip."""
PAPER: Final = (232, 212, 188)
"""Blue, green, red: a pale blue, so that white and brown goods are both seen on it."""
_BACKGROUND_COLUMNS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raw:
    """What was sampled, column by column, without a break."""

    from_ms: int
    columns_per_s: int
    gate: Pixels
    """Columns x samples along the gate x 3."""
    band: Pixels
    """Columns x lines across the gate, the innermost first x samples along it x 3."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """A stretch of time as a picture: the gate's line above, the way strip below."""

    from_ms: int
    columns_per_s: int
    pixels: Pixels
    """Rows x columns x 3."""
    along: int
    """How many of the rows are the gate's line."""
    still: tuple[tuple[int, int], ...]
    """[first, end) of the columns in which nothing changes."""

    @property
    def columns(self) -> int:
        """How many."""
        return int(self.pixels.shape[1])

    @property
    def to_ms(self) -> int:
        """Just after its last column."""
        return self.at_ms(self.columns)

    def at_ms(self, column: int) -> int:
        """When the column begins."""
        return self.from_ms + column * 1000 // self.columns_per_s

    def column(self, at_ms: int) -> int:
        """The column of a moment, kept within the strip."""
        return min(self.columns - 1, max(0, (at_ms - self.from_ms) * self.columns_per_s // 1000))


class Sweep:
    """Takes samples as they come, gives back what is complete."""

    def __init__(self, *, columns_per_s: int) -> None:
        if not 1 <= columns_per_s <= RATE_LIMIT:
            raise ValueError(f"1 to {RATE_LIMIT} columns a second")
        self._rate = columns_per_s
        self._begin()

    def _begin(self) -> None:
        self._from_ms: int | None = None
        self._last_ms = 0
        self._gate: list[Pixels] = []
        self._band: list[Pixels] = []
        self._difference = 0.0

    def add(self, gate: Pixels, band: Pixels, at_ms: int) -> Raw | None:
        """Samples x 3, and lines x samples x 3, of a picture taken at `at_ms`. Returns a strip that it completes."""
        done = None
        if self._from_ms is not None:
            late = not 0 <= at_ms - self._last_ms <= HOLD_MS
            if late or at_ms - self._from_ms >= STRIP_MS:
                done = self.end(None if late else at_ms)
        if self._from_ms is None:
            self._from_ms = at_ms
        self._last_ms = at_ms
        column = (at_ms - self._from_ms) * self._rate // 1000
        while self._gate and len(self._gate) < column:  # the column before is shown again
            self._gate.append(self._gate[-1])
            self._band.append(self._band[-1])
        if len(self._gate) == column:
            self._gate.append(gate)
            self._band.append(band)
            self._difference = self._from_before(gate)
        elif (difference := self._from_before(gate)) > self._difference:
            self._gate[-1], self._band[-1], self._difference = gate, band, difference
        return done

    def end(self, at_ms: int | None = None) -> Raw | None:
        """What there is up to now, or up to `at_ms` when pictures go on."""
        raw = None
        if self._from_ms is not None and self._gate:
            columns = len(self._gate)
            if at_ms is not None and 0 <= at_ms - self._last_ms <= HOLD_MS:
                columns = max(columns, (at_ms - self._from_ms) * self._rate // 1000)
            held = [*range(len(self._gate)), *[-1] * (columns - len(self._gate))]
            raw = Raw(
                from_ms=self._from_ms,
                columns_per_s=self._rate,
                gate=np.stack([self._gate[i] for i in held]),
                band=np.stack([self._band[i] for i in held]),
            )
        self._begin()
        return raw

    def _from_before(self, gate: Pixels) -> float:
        """How much this differs from the column before the newest."""
        at = len(self._gate) - 2
        return 0.0 if at < 0 else float(np.abs(gate.astype(np.int16) - self._gate[at]).sum())


def strip_of(raw: Raw) -> Strip:
    """Draw a stretch of columns."""
    gate = raw.gate.transpose(1, 0, 2)
    return Strip(
        from_ms=raw.from_ms,
        columns_per_s=raw.columns_per_s,
        pixels=np.ascontiguousarray(np.concatenate([gate, way(raw.band)])),
        along=gate.shape[0],
        still=tuple(still(gate, columns_per_s=raw.columns_per_s)),
    )


def way(band: Pixels) -> Pixels:
    """Lines across x columns x 3: at each place across the gate, that sample along it which is most unlike itself."""
    every = max(1, -(-len(band) // _BACKGROUND_COLUMNS))
    some = band[::every]
    usual = np.partition(some, len(some) // 2, axis=0)[len(some) // 2]
    unlike = np.maximum(band, usual)
    unlike -= np.minimum(band, usual)
    most = unlike.max(axis=-1)
    where = most.argmax(axis=-1)[:, :, None]
    found = np.take_along_axis(band, where[..., None], axis=2)[:, :, 0]
    found[np.take_along_axis(most, where, axis=2)[..., 0] < _FAINT] = PAPER
    return np.ascontiguousarray(found.transpose(1, 0, 2))


def still(gate: Pixels, *, columns_per_s: int) -> Iterator[tuple[int, int]]:
    """[first, end) of each stretch of a strip (samples x columns x 3) in which no sample changes."""
    soft = gate.astype(np.float32)
    soft[1:-1] = (soft[:-2] + soft[1:-1] + soft[2:]) / 3
    columns = np.ascontiguousarray(soft.transpose(1, 0, 2)).reshape(soft.shape[1], -1)
    steps = np.abs(np.diff(columns, axis=0)).max(axis=1) if len(columns) > 1 else np.zeros(1)
    change = min(CHANGE_MOST, max(CHANGE_LEAST, 2.5 * float(np.percentile(steps, 25))))
    least = STILL_LEAST_MS * columns_per_s // 1000
    margin = STILL_MARGIN_MS * columns_per_s // 1000
    first = 0
    for at in range(1, len(columns) + 1):
        if at == len(columns) or np.abs(columns[at] - columns[first]).max() > change:
            begin = first if first == 0 else first + margin
            end = at if at == len(columns) else at - margin
            if end - begin >= least:
                yield begin, end
            first = at
