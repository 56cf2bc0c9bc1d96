"""Where each moment stands in a slit-scan's picture: stretches of time in rows, from left to right.

Pure. What is not shown column by column is a fold or a gap, drawn as one, with how long it is. A fold never holds a
crossing: around each so much is shown that it can be recounted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from edge_agent.eye.slit import CHANGE_MOST, Strip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from evidence.bodies import Direction

AROUND_MS: Final = 2_000
"""So much is shown before and after each counted crossing."""
FOLD_WIDTH: Final = 56
"""Pixels of a fold, or of a gap."""
_BREAK_WITHIN: Final = 0.12
"""A row may end this share of its width early, where nothing stands on the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A crossing that was counted."""

    at_ms: int
    direction: Direction
    is_sure: bool = True


class PieceKind(Enum):
    """What a stretch of the picture is."""

    SHOWN = "shown"
    FOLDED = "folded"
    """Nothing changed on the line; its first column stands for all."""
    MISSING = "missing"
    """There were no pictures, or they were lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of time. `strip`, `first` and `end`: the columns of it, where there are any."""

    kind: PieceKind
    from_ms: int
    to_ms: int
    strip: int = -1
    first: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A piece, and the pixels that it takes in its row."""

    piece: Piece
    x: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Page:
    """A slit-scan laid out. Pixels are counted from the row's own left edge."""

    from_ms: int
    to_ms: int
    strips: tuple[Strip, ...]
    rows: tuple[tuple[Placed, ...], ...]
    row_width: int
    zoom: int
    """Pixels a column."""

    def place(self, at_ms: int) -> tuple[int, int] | None:
        """Row and x of a moment; None where it is not in the picture."""
        for number, row in enumerate(self.rows):
            for placed in row:
                piece = placed.piece
                if piece.from_ms <= at_ms < piece.to_ms:
                    share = (at_ms - piece.from_ms) / (piece.to_ms - piece.from_ms)
                    return number, placed.x + int(share * placed.width)
        return None

    @property
    def folded_ms(self) -> int:
        """How much of the time is folded."""
        return self._lasting(PieceKind.FOLDED)

    @property
    def missing_ms(self) -> int:
        """How much of the time has no pictures."""
        return self._lasting(PieceKind.MISSING)

    def _lasting(self, kind: PieceKind) -> int:
        pieces = (placed.piece for row in self.rows for placed in row)
        return sum(piece.to_ms - piece.from_ms for piece in pieces if piece.kind is kind)


def page_of(
    strips: Sequence[Strip], counted: Sequence[Counted] = (), *, row_width: int = 1440, zoom: int = 2, fold: bool = True
) -> Page:
    """Lay strips out, which are in order of time; a strip that begins before the one before it ended is a mistake."""
    if not strips:
        raise ValueError("a picture of nothing")
    pieces: list[Piece] = []
    for number, strip in enumerate(strips):
        if pieces and strip.from_ms < pieces[-1].to_ms - 1000 // strip.columns_per_s - 1:
            raise ValueError("strips overlap in time")
        for piece in _pieces(number, strip, counted, fold=fold):
            _join(pieces, piece, strips)
    return Page(
        from_ms=pieces[0].from_ms,
        to_ms=pieces[-1].to_ms,
        strips=tuple(strips),
        rows=tuple(_rows(pieces, strips, row_width=row_width, zoom=zoom)),
        row_width=row_width,
        zoom=zoom,
    )


def _pieces(number: int, strip: Strip, counted: Sequence[Counted], *, fold: bool) -> Iterator[Piece]:
    folded = np.zeros(strip.columns, np.bool_)
    for first, end in strip.still if fold else ():
        folded[first:end] = True
    for one in counted:
        if strip.from_ms - AROUND_MS <= one.at_ms < strip.to_ms + AROUND_MS:
            near = [(one.at_ms + by - strip.from_ms) * strip.columns_per_s // 1000 for by in (-AROUND_MS, AROUND_MS)]
            folded[max(0, near[0]) : max(0, near[1])] = False
    edges = [0, *(np.flatnonzero(np.diff(folded)) + 1).tolist(), strip.columns]
    for first, end in pairwise(edges):
        yield Piece(
            kind=PieceKind.FOLDED if folded[first] else PieceKind.SHOWN,
            from_ms=strip.at_ms(first),
            to_ms=strip.at_ms(end),
            strip=number,
            first=first,
            end=end,
        )


def _join(pieces: list[Piece], piece: Piece, strips: Sequence[Strip]) -> None:
    """Append; two folds that adjoin and look alike are one, and a gap is a piece of its own."""
    if not pieces:
        pieces.append(piece)
        return
    last = pieces[-1]
    begin_ms = max(last.to_ms, piece.from_ms)
    if begin_ms - last.to_ms > 150:  # noqa: PLR2004 - ms: less is the camera's own unevenness
        pieces.append(Piece(kind=PieceKind.MISSING, from_ms=last.to_ms, to_ms=begin_ms))
    else:
        begin_ms = last.to_ms
    follows = last.to_ms == begin_ms and pieces[-1] is last
    if follows and last.kind is piece.kind is PieceKind.FOLDED and _alike(last, piece, strips):
        pieces[-1] = replace(last, to_ms=piece.to_ms)
    else:
        pieces.append(replace(piece, from_ms=begin_ms, to_ms=max(piece.to_ms, begin_ms + 1)))


def _alike(one: Piece, other: Piece, strips: Sequence[Strip]) -> bool:
    """Whether two folds show the same: what came to stand there between them must stay to be seen."""
    first, second = (
        strips[each.strip].pixels[: strips[each.strip].along, each.first].astype(np.float32) for each in (one, other)
    )
    return first.shape == second.shape and float(np.abs(_soft(first) - _soft(second)).max()) <= CHANGE_MOST


def _soft(column: NDArray[np.float32]) -> NDArray[np.float32]:
    return (column[:-2] + column[1:-1] + column[2:]) / np.float32(3)


def _rows(
    pieces: Sequence[Piece], strips: Sequence[Strip], *, row_width: int, zoom: int
) -> Iterator[tuple[Placed, ...]]:
    row: list[Placed] = []
    x = 0
    waiting = list(reversed(pieces))
    while waiting:
        piece = waiting.pop()
        left = row_width - x
        width = (piece.end - piece.first) * zoom if piece.kind is PieceKind.SHOWN else FOLD_WIDTH
        if width <= left:
            row.append(Placed(piece=piece, x=x, width=width))
            x += width
            continue
        calm = round(row_width * _BREAK_WITHIN) // zoom
        if piece.kind is PieceKind.SHOWN and left >= 2 * FOLD_WIDTH:
            begin, rest = _cut(piece, strips, piece.first + left // zoom, calm)
            row.append(Placed(piece=begin, x=x, width=(begin.end - begin.first) * zoom))
            waiting.append(rest)
        else:
            waiting.append(piece)
            last = row[-1].piece
            if piece.kind is last.kind is PieceKind.SHOWN and last.end - last.first > calm:
                begin, rest = _cut(last, strips, last.end, calm)
                row[-1] = Placed(piece=begin, x=row[-1].x, width=(begin.end - begin.first) * zoom)
                waiting.append(rest)
        yield tuple(row)
        row, x = [], 0
    if row:
        yield tuple(row)


def _cut(piece: Piece, strips: Sequence[Strip], end: int, within: int) -> tuple[Piece, Piece]:
    """The piece in two, not after column `end`, where the line is as it is as a rule."""
    strip = strips[piece.strip]
    at = min(piece.end - 1, _calm(strip, piece.first, end, within))
    cut_ms = min(piece.to_ms - 1, max(piece.from_ms + 1, strip.at_ms(at)))
    return replace(piece, to_ms=cut_ms, end=at), replace(piece, from_ms=cut_ms, first=at)


def _calm(strip: Strip, first: int, end: int, within: int) -> int:
    """The column, of the last ones before `end`, that looks most like the line does as a rule."""
    begin = max(first + 1, end - within)
    gate = strip.pixels[: strip.along].astype(np.int16)
    usual = np.median(gate, axis=1, keepdims=True)
    unlike = np.abs(gate[:, begin:end] - usual).mean(axis=(0, 2))
    calm = unlike <= unlike.min() + 1
    return begin + int(np.flatnonzero(calm)[-1])
