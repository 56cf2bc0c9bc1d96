"""What a sensor measured drawn as inline SVG: a band from the least to the most of each slot, and its limits dashed.

No data is an outlined hatch, as in bars.py; beyond a limit the band is drawn once more, in the colour of what is wrong,
where it lies on the far side of the dashed line: so it can be read in greyscale. Figures never come from here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cloud_sync.bars import EXACT_LIMIT, SLOTS, Frame, coarser
from cloud_sync.reports import Span, State
from cloud_sync.store import Slot
from evidence.judging.limits import Limit, Side

HEIGHT: Final = 48
"""Units of height; the page stretches the width."""
MARGIN: Final = 5
"""Units above the highest and below the lowest."""
LEAST_HEIGHT: Final = 3
"""Units of a band that does not move."""

_Box = tuple[int, int, int, int]
"""left, right, top, bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Which values the height stands for."""

    low: int
    high: int

    def y(self, value: int) -> int:
        """Units from the top."""
        if self.high == self.low:
            return HEIGHT // 2
        span = HEIGHT - 2 * MARGIN
        return HEIGHT - MARGIN - min(span, max(0, round((value - self.low) * span / (self.high - self.low))))


def curve(
    slots: Sequence[Slot], slot_ms: int, sight: Sequence[Span], limits: Iterable[tuple[Side, int]], frame: Frame
) -> Markup:
    """One point; `sight` is a `timeline` inside the frame, UNKNOWN where nothing was heard.

    Limits are (side, value), as the slots count.
    """
    limits = tuple(limits)
    sight = coarser(sight, SLOTS) if len(sight) > EXACT_LIMIT else sight
    every = [value for slot in slots for value in (slot.least, slot.most)] + [value for _, value in limits]
    scale = Scale(low=min(every), high=max(every)) if every else Scale(low=0, high=0)
    boxes = list(_boxes(slots, slot_ms, sight, scale, frame))
    wrong = [beyond for side, value in limits for box in boxes for beyond in _beyond(box, side, scale.y(value))]
    dashes = "".join(f"M0 {y}h{frame.width}" for y in sorted({scale.y(value) for _, value in limits}))
    drawn = [("u", _dark(sight, frame)), ("l", _band(boxes)), ("x", _band(wrong)), ("lim", dashes)]
    return _svg(drawn, frame)


def heard(sight: Sequence[Span], frame: Frame) -> Markup:
    """Of a sensor without values: a thin line where it answered."""
    sight = coarser(sight, SLOTS) if len(sight) > EXACT_LIMIT else sight
    line = "".join(
        f"M{frame.x(span.from_ms)} {HEIGHT // 2}H{frame.x(span.to_ms)}" for span in sight if span.state is State.RUNNING
    )
    return _svg([("u", _dark(sight, frame)), ("o", line)], frame)


def _boxes(slots: Sequence[Slot], slot_ms: int, sight: Sequence[Span], scale: Scale, frame: Frame) -> Iterator[_Box]:
    """Each slot up to the next one, as far as something was heard; not narrower than a unit."""
    known = [span for span in sight if span.state is State.RUNNING]
    nexts = [slot.from_ms for slot in slots[1:]] + [frame.to_ms]
    first = 0
    for slot, next_ms in zip(slots, nexts, strict=True):
        while first < len(known) and known[first].to_ms <= slot.from_ms:
            first += 1
        top, bottom = _thick(scale.y(slot.most), scale.y(slot.least))
        for span in known[first:]:
            if span.from_ms >= min(slot.from_ms + slot_ms, next_ms):
                break
            left = frame.x(max(span.from_ms, slot.from_ms, frame.from_ms))
            right = frame.x(min(span.to_ms, next_ms))
            yield left, max(right, left + 1), top, bottom


def _thick(top: int, bottom: int) -> tuple[int, int]:
    """A band of at least LEAST_HEIGHT."""
    lacking = max(0, LEAST_HEIGHT - (bottom - top))
    top = max(0, top - (lacking + 1) // 2)
    return top, max(bottom, top + LEAST_HEIGHT)


def _beyond(box: _Box, side: Side, y: int) -> Iterator[_Box]:
    """The part of a band on the far side of a limit."""
    left, right, top, bottom = box
    if side is Side.BELOW and bottom > y:
        yield left, right, max(top, y), bottom
    elif side is Side.ABOVE and top < y:
        yield left, right, top, min(bottom, y)


def _band(boxes: Sequence[_Box]) -> str:
    """One outline for boxes that touch, along their tops and back along their bottoms."""
    path = ""
    run: list[_Box] = []
    for box in boxes:
        if run and not (run[-1][1] == box[0] and run[-1][2] <= box[3] and box[2] <= run[-1][3]):
            path += _outline(run)
            run = []
        if run and run[-1][2:] == box[2:]:
            run[-1] = (run[-1][0], box[1], *box[2:])
        else:
            run.append(box)
    return path + _outline(run) if run else path


def _outline(run: Sequence[_Box]) -> str:
    there = "".join(f"V{top}H{right}" for _, right, top, _ in run)[len(f"V{run[0][2]}") :]
    back = "".join(f"V{bottom}H{left}" for left, _, _, bottom in reversed(run))
    return f"M{run[0][0]} {run[0][2]}{there}{back}z"


def _dark(sight: Sequence[Span], frame: Frame) -> str:
    return "".join(
        f"M{left} 0h{max(1, frame.x(span.to_ms) - left)}v{HEIGHT}H{left}z"
        for span in sight
        if span.state is State.UNKNOWN
        for left in [frame.x(span.from_ms)]
    )


def _svg(drawn: Iterable[tuple[str, str]], frame: Frame) -> Markup:
    fill = {"u": ' fill="url(#hatch)"'}
    paths = "".join(f'<path class="{name}"{fill.get(name, "")} d="{path}"/>' for name, path in drawn if path)
    box = f'viewBox="0 0 {frame.width} {HEIGHT}" preserveAspectRatio="none"'
    return Markup(f'<svg {box}>{paths}<use href="#grid"/></svg>')  # noqa: S704  only numbers


def limits_in(limits: Iterable[Limit], unit: str, decimals: int) -> tuple[tuple[Side, int], ...]:
    """Limits as their point counts: (side, value)."""
    return tuple((limit.side, counts_of(limit.raise_milli, unit, decimals)) for limit in limits)


def counts_of(milli: int, unit: str, decimals: int) -> int:
    """Thousandths of the unit (of a power: of a watt) as the point's integers."""
    factor: int = 10**decimals
    return milli * factor // (1_000_000 if unit == "kW" else 1000)
