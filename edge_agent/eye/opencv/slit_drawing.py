"""A slit-scan's picture: its rows drawn, with the time, the folds and what was counted; and pictures as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from edge_agent.eye.opencv.pictures import as_bytes
from edge_agent.eye.slit_page import Page, PieceKind, Placed
from evidence.bodies import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.eye.counting import Picture
    from edge_agent.eye.slit_page import Counted

LEFT: Final = 82
RIGHT: Final = 10
MARKS_HEIGHT: Final = 46
"""Room for an arrow, and LANES numbers above it."""
LANES: Final = 3
TIMES_HEIGHT: Final = 18
BETWEEN: Final = 3
"""Between the gate's strip and the way strip."""
ROW_GAP: Final = 8
LINE_HEIGHT: Final = 17
LEAST_WIDTH: Final = 700
"""Of the rows: the heading needs it."""

HOW: Final = "upper strip: the gate's line, pixel by pixel; lower strip: across it: what rises goes in, what falls, out"
"""For a title."""

_INK: Final = (40, 40, 40)
_GREY: Final = (140, 140, 140)
_WHITE: Final = (255, 255, 255)
_COLOUR: Final = {Direction.IN: (60, 130, 20), Direction.OUT: (170, 30, 190)}
"""Blue, green, red. The arrow says the same."""
_SMALL: Final = 0.38
_TICKS_S: Final = (1, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands beside the rows."""

    title: tuple[str, ...]
    ends: tuple[str, str]
    """The gate's two ends; the first is at the top."""
    sides: tuple[str, str] = ("in", "out")
    """What is at the top of the way strip, and at its foot."""
    time_of: Callable[[int], str]
    """How a moment is written at a row's begin."""
    short_time_of: Callable[[int], str]
    """And under a tick."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """The picture, and where each crossing's arrow points, in the order they were given; None: not in it."""

    picture: Picture
    marks: tuple[tuple[int, int] | None, ...]


def draw(page: Page, counted: Sequence[Counted], words: Words, *, tall: int = 1, with_marks: bool = True) -> Drawn:
    """Draw a page. `tall`: pixels a sample; `with_marks` False: nothing that was counted is to be seen."""
    along = max(strip.along for strip in page.strips) * tall
    across = max(strip.pixels.shape[0] - strip.along for strip in page.strips) * tall
    row_height = MARKS_HEIGHT + along + BETWEEN + across + TIMES_HEIGHT + ROW_GAP
    top = LINE_HEIGHT * (len(words.title) + 1) + 8
    used = max(row[-1].x + row[-1].width for row in page.rows)
    width = LEFT + max(used, LEAST_WIDTH) + RIGHT
    canvas = np.full((top + row_height * len(page.rows), width, 3), 255, np.uint8)
    _head(canvas, words, with_marks=with_marks)
    for number, row in enumerate(page.rows):
        y = top + number * row_height + MARKS_HEIGHT
        for placed in row:
            _piece(canvas, page, placed, y=y, tall=tall, height=along + BETWEEN + across)
        _beside(canvas, words, row[0].piece.from_ms, y=y, along=along, across=across)
        _times(canvas, row, words, y=y + along + BETWEEN + across)
    places = [page.place(one.at_ms) for one in counted]
    marks = tuple(place and (LEFT + place[1], top + place[0] * row_height + MARKS_HEIGHT) for place in places)
    if with_marks:
        _arrows(canvas, counted, marks, below=along)
    return Drawn(picture=as_bytes(canvas), marks=marks)


def webp(picture: Picture, *, quality: int) -> bytes:
    """The picture's file; quality 1 to 100. Raises ValueError when it is too large for the format."""
    return _encoded(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])


def png(picture: Picture) -> bytes:
    """The picture's file, without loss."""
    return _encoded(".png", picture, [])


def opened(file: bytes) -> Picture | None:
    """The picture of a file's bytes; None when it is none."""
    found = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    return None if found is None else as_bytes(found)


def smaller(picture: Picture, share: float) -> Picture:
    """The same with so many times its width and height."""
    return as_bytes(cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA))


def _encoded(suffix: str, picture: Picture, options: list[int]) -> bytes:
    wrong = f"a picture of {picture.shape[1]}x{picture.shape[0]} does not fit in a {suffix} file"
    try:
        ok, file = cv2.imencode(suffix, picture, options)
    except cv2.error as cause:
        raise ValueError(wrong) from cause
    if not ok:
        raise ValueError(wrong)
    return file.tobytes()


def _head(canvas: Picture, words: Words, *, with_marks: bool) -> None:
    for number, line in enumerate(words.title):
        _write(canvas, line, LEFT, LINE_HEIGHT * (number + 1))
    y = LINE_HEIGHT * (len(words.title) + 1)
    x = LEFT
    if with_marks:
        for direction, is_sure, text in (
            (Direction.IN, True, "counted in"),
            (Direction.OUT, True, "counted out"),
            (Direction.IN, False, "not sure"),
        ):
            _triangle(canvas, direction, x=x + 6, y=y, is_sure=is_sure)
            x = _write(canvas, text, x + 16, y) + 18
    cv2.rectangle(canvas, (x, y - 10), (x + 16, y + 1), _GREY, 1)
    _zigzag(canvas, x + 5, y - 10, y + 1)
    _zigzag(canvas, x + 11, y - 10, y + 1)
    x = _write(canvas, "fold: nothing on the line changed for so long", x + 22, y) + 18
    _hatch(canvas, x, y - 10, 16, 11)
    _write(canvas, "gap: no pictures for so long", x + 22, y)


def _piece(canvas: Picture, page: Page, placed: Placed, *, y: int, tall: int, height: int) -> None:
    piece, x = placed.piece, LEFT + placed.x
    if piece.kind is PieceKind.MISSING:
        _hatch(canvas, x, y, placed.width, height)
        _label(canvas, _lasting(piece.to_ms - piece.from_ms), x + placed.width // 2, y + height // 2)
        return
    strip = page.strips[piece.strip]
    end = piece.end if piece.kind is PieceKind.SHOWN else piece.first + 1
    part = strip.pixels[:, piece.first : end]
    for rows, below in ((part[: strip.along], y), (part[strip.along :], y + strip.along * tall + BETWEEN)):
        size = (placed.width, rows.shape[0] * tall)
        if size[1]:
            large = cv2.resize(np.ascontiguousarray(rows), size, interpolation=cv2.INTER_LINEAR)
            canvas[below : below + size[1], x : x + size[0]] = large
    if piece.kind is PieceKind.FOLDED:
        _zigzag(canvas, x + 6, y, y + height)
        _zigzag(canvas, x + placed.width - 7, y, y + height)
        _label(canvas, _lasting(piece.to_ms - piece.from_ms), x + placed.width // 2, y + height // 2)


def _beside(canvas: Picture, words: Words, from_ms: int, *, y: int, along: int, across: int) -> None:
    _write(canvas, words.time_of(from_ms), 4, y - 8)
    _write(canvas, words.ends[0], 4, y + 10, colour=_GREY)
    _write(canvas, words.ends[1], 4, y + along - 2, colour=_GREY)
    _write(canvas, words.sides[0], LEFT - 28, y + along + BETWEEN + 9)
    _write(canvas, words.sides[1], LEFT - 28, y + along + BETWEEN + across)


def _times(canvas: Picture, row: Sequence[Placed], words: Words, *, y: int) -> None:
    """Ticks under what is shown: each second, and a time where there is room."""
    free = 0
    for placed in row:
        piece = placed.piece
        if piece.kind is not PieceKind.SHOWN:
            continue
        a_second = placed.width * 1000 / (piece.to_ms - piece.from_ms)
        every = next((s for s in _TICKS_S if s * a_second >= 50), _TICKS_S[-1])  # noqa: PLR2004 - pixels of a label
        for second in range(-(-piece.from_ms // 1000), -(-piece.to_ms // 1000)):
            x = LEFT + placed.x + int((second * 1000 - piece.from_ms) * a_second / 1000)
            is_long = second % every == 0
            cv2.line(canvas, (x, y), (x, y + (5 if is_long else 2)), _INK, 1)
            if is_long and x >= free:
                free = _write(canvas, words.short_time_of(second * 1000), x + 2, y + 14) + 8


def _arrows(
    canvas: Picture, counted: Sequence[Counted], marks: Sequence[tuple[int, int] | None], *, below: int
) -> None:
    """Each crossing's arrow and number over the gate's strip, and a dot under it; never on it."""
    free = [(-1, 0)] * LANES  # the row, and the x from which a lane is free in it
    for number, (one, mark) in enumerate(zip(counted, marks, strict=True), 1):
        if mark is None:
            continue
        (x, y), colour = mark, _COLOUR[one.direction]
        _triangle(canvas, one.direction, x=x, y=y - 2, is_sure=one.is_sure)
        cv2.line(canvas, (x, y + below), (x, y + below + BETWEEN - 1), colour, 2)
        text = f"{number}" if one.is_sure else f"{number}?"
        left = x - _width(text) // 2
        lane = next((i for i, (row, until) in enumerate(free) if row != y or until <= left), number % LANES)
        free[lane] = (y, left + _width(text) + 3)
        _write(canvas, text, left, y - 13 - 11 * lane, colour=colour)


def _triangle(canvas: Picture, direction: Direction, *, x: int, y: int, is_sure: bool) -> None:
    """9 pixels high, standing on y; upwards is in."""
    tip, base = (y - 9, y) if direction is Direction.IN else (y, y - 9)
    shape = np.array([[x, tip], [x - 5, base], [x + 5, base]], np.int32)
    if is_sure:
        cv2.fillPoly(canvas, [shape], _COLOUR[direction], cv2.LINE_AA)
    else:
        cv2.polylines(canvas, [shape], isClosed=True, color=_COLOUR[direction], thickness=1, lineType=cv2.LINE_AA)


def _zigzag(canvas: Picture, x: int, y0: int, y1: int) -> None:
    points = [[x + (3 if number % 2 else -3), y] for number, y in enumerate(range(y0, y1 + 1, 5))]
    shape = np.array(points, np.int32)
    cv2.polylines(canvas, [shape], isClosed=False, color=_WHITE, thickness=3)
    cv2.polylines(canvas, [shape], isClosed=False, color=_INK, thickness=1, lineType=cv2.LINE_AA)


def _hatch(canvas: Picture, x: int, y: int, width: int, height: int) -> None:
    part = canvas[y : y + height, x : x + width]
    down, right = np.mgrid[0 : part.shape[0], 0 : part.shape[1]]
    part[...] = np.where(((down + right) % 8 < 2)[..., None], 120, 225)  # noqa: PLR2004 - lines two wide, eight apart
    cv2.rectangle(canvas, (x, y), (x + width - 1, y + height - 1), _GREY, 1)


def _label(canvas: Picture, text: str, x: int, y: int) -> None:
    """Centred, on white."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _SMALL, 1)
    left = x - width // 2
    cv2.rectangle(canvas, (left - 3, y - height - 3), (left + width + 2, y + 4), _WHITE, -1)
    _write(canvas, text, left, y)


def _write(canvas: Picture, text: str, x: int, y: int, *, colour: tuple[int, int, int] = _INK) -> int:
    """Write with the foot of the letters at y; where the text ends."""
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, _SMALL, colour, 1, cv2.LINE_AA)
    return x + _width(text)


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _SMALL, 1)[0][0])


def _lasting(span_ms: int) -> str:
    """Short enough for a fold: 8 s, 12 min, 1.5 h."""
    if span_ms < 100_000:  # noqa: PLR2004
        return f"{max(1, round(span_ms / 1000))} s"
    return f"{round(span_ms / 60_000)} min" if span_ms < 6_000_000 else f"{span_ms / 3_600_000:.1f} h"  # noqa: PLR2004
