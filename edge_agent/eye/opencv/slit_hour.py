"""An hour of a gate as one picture of bounded size, from the stretches that were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_agent.eye.opencv.slit_drawing import HOW, Words, draw, opened, smaller, webp
from edge_agent.eye.slit import Strip, strip_of
from edge_agent.eye.slit_page import Counted, page_of
from edge_agent.keeping.strips import Closed, Noted, Record, Stretch
from evidence.bodies import MARKS_LIMIT, PICTURE_LIMIT, Mark
from evidence.say import clock_time, day

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_agent.eye.counting import Picture
    from edge_agent.eye.gate import GateLine
    from edge_agent.eye.slit import Raw

STRETCH_QUALITY: Final = 80
QUALITIES: Final = (70, 50, 35, 22, 12)
SHARES: Final = (1.0, 0.75, 0.55, 0.4, 0.25, 0.15)
"""Of its width and height, when no quality makes the file small enough."""
HEIGHT_LIMIT: Final = 16_000
"""WebP ends at 16,383 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """A finished slit-scan."""

    file: bytes
    from_ms: int
    to_ms: int
    width: int
    height: int
    marks: list[Mark]


def stretch_of(raw: Raw) -> Stretch:
    """A stretch of columns, ready to be kept."""
    strip = strip_of(raw)
    return Stretch(
        from_ms=strip.from_ms,
        columns_per_s=strip.columns_per_s,
        columns=strip.columns,
        along=strip.along,
        still=strip.still,
        file=webp(strip.pixels, quality=STRETCH_QUALITY),
    )


def hour_of(records: Iterable[Record], *, title: str, line: GateLine) -> Hour | None:
    """The picture of what was kept; None when no column of it can be read. The same records give the same picture.

    Raises ValueError when none can be made.
    """
    stretches: list[Stretch] = []
    noted: list[Noted] = []
    until_ms = None
    for record in records:
        if isinstance(record, Noted):
            noted.append(record)
        elif isinstance(record, Closed):
            until_ms = record.until_ms
        elif not stretches or record.from_ms >= stretches[-1].to_ms:
            stretches.append(record)
    strips = [strip for stretch in stretches if (strip := _strip(stretch)) is not None]
    if not strips:
        return None
    counted = [
        Counted(at_ms=one.at_ms, direction=one.direction, is_sure=one.is_sure)
        for one in sorted(noted, key=lambda one: one.at_ms)[:MARKS_LIMIT]
    ]
    page = page_of(strips, counted)
    drawn = draw(page, counted, _words(title, line, strips))
    file, share = _small_enough(drawn.picture)
    height, width = (max(1, round(side * share)) for side in drawn.picture.shape[:2])
    to_ms = page.to_ms if until_ms is None else max(page.from_ms + 1, min(page.to_ms, until_ms))
    marks = [
        Mark(one.at_ms, min(width - 1, int(at[0] * share)), min(height - 1, int(at[1] * share)), one.direction)
        for one, at in zip(counted, drawn.marks, strict=True)
        if at is not None and one.at_ms < to_ms
    ]
    return Hour(file=file, from_ms=page.from_ms, to_ms=to_ms, width=width, height=height, marks=marks)


def _strip(stretch: Stretch) -> Strip | None:
    picture = opened(stretch.file)
    if picture is None or stretch.along >= picture.shape[0] or stretch.columns != picture.shape[1]:
        return None
    return Strip(
        from_ms=stretch.from_ms,
        columns_per_s=stretch.columns_per_s,
        pixels=picture,
        along=stretch.along,
        still=stretch.still,
    )


def _words(title: str, line: GateLine, strips: Sequence[Strip]) -> Words:
    from_ms, to_ms = strips[0].from_ms, strips[-1].to_ms
    what = f"{title}, {day(from_ms)} {_second(from_ms)} to {_second(to_ms)} (UTC+8), "
    return Words(
        title=(f"{what}{strips[0].columns_per_s} columns a second", HOW),
        ends=(f"{line.x0:g},{line.y0:g}", f"{line.x1:g},{line.y1:g}"),
        time_of=_second,
        short_time_of=lambda ms: _second(ms)[3:],
    )


def _second(at_ms: int) -> str:
    return clock_time(at_ms // 1000 * 1000)


def _small_enough(picture: Picture) -> tuple[bytes, float]:
    """A file of at most PICTURE_LIMIT bytes, as good as can be had, and by how much it is smaller than the picture."""
    for share in SHARES:
        if picture.shape[0] * share > HEIGHT_LIMIT:
            continue
        fitting = picture if share == 1 else smaller(picture, share)
        least = len(file := webp(fitting, quality=QUALITIES[-1]))
        if least > PICTURE_LIMIT:
            continue
        for quality in QUALITIES[:-1]:
            if least * _GROWS[quality] < 2 * PICTURE_LIMIT and len(better := webp(fitting, quality=quality)) <= (
                PICTURE_LIMIT
            ):
                return better, share
        return file, share
    raise ValueError(f"a picture of {picture.shape[1]}x{picture.shape[0]} does not fit in {PICTURE_LIMIT} bytes")


_GROWS: Final = {70: 3.2, 50: 2.4, 35: 1.9, 22: 1.4}
"""About how many times larger than with the least quality; what is hopeless is not tried."""
