"""Spans drawn as inline SVG: a state has a shape as well as a colour, so that a bar can be read in greyscale.

Running is full height, idle three quarters, stopped a thin base, no data an outlined hatch, contested a cross-hatch.
The server draws; colours come from the style sheet by class. Nothing here is text from outside except through `escape`.

Each machine costs at most one path a state. What is drawn may be widened to be visible; figures never come from here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup, escape

from cloud_sync.reports import HOUR_MS, Span, State
from evidence.judging.hours import Hours

HEIGHT: Final = 24
"""Units of height of a bar; its width is given, and the page stretches it."""
DAY_WIDTH: Final = 720
"""Units of a day's bar: two minutes each."""
WEEK_WIDTH: Final = 1680
"""Units of a week's bar: six minutes each."""
LEAST_WIDTH: Final = 3
"""Units a state is widened to, where its neighbours can spare them: on a phone 1.5 pixels of a day, 0.64 of a week."""
EXACT_LIMIT: Final = 120
"""Spans of one bar that are drawn one by one: a machine that cycles faster is drawn in slots, in true proportion."""
SLOTS: Final = 360
"""Slots of such a bar, a pixel each on a phone; no bar has more pieces than this."""
COLUMN_WIDTH: Final = 24
COLUMN_HEIGHT: Final = 48
"""Units of a day's column: half an hour each."""

_SHAPE: Final = {State.RUNNING: ("r", 12), State.IDLE: ("i", 15), State.STOPPED: ("s", 22)}
"""Class and centre line of the thick strokes (24, 18 and 4 units) that are the cheapest rectangles of SVG."""
_HATCHED: Final = {State.UNKNOWN: "u", State.CONTESTED: "c"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Which time a bar's width stands for."""

    from_ms: int
    to_ms: int
    width: int = DAY_WIDTH

    def x(self, at_ms: int) -> int:
        """The place of an instant, in units from the left."""
        return round((at_ms - self.from_ms) * self.width / (self.to_ms - self.from_ms))

    def percent(self, at_ms: int) -> float:
        """The place of an instant, in per cent of the width."""
        return round((at_ms - self.from_ms) * 100 / (self.to_ms - self.from_ms), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A state as drawn: units from the left, and how many."""

    x: int
    width: int
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What went through a gate in some time."""

    from_ms: int
    to_ms: int
    ins: int
    outs: int


def bar(filled: Sequence[Span], frame: Frame) -> Markup:
    """One machine's bar; `filled` is a `timeline` inside the frame, and what it leaves out stays empty."""
    paths = [_path(state, pieces_of(filled, frame)) for state in State]
    return _svg(frame.width, HEIGHT, "".join(paths) + '<use href="#grid"/>')


def bar_to_touch(filled: Sequence[Span], frame: Frame, say: Callable[[Span], str]) -> Markup:
    """The same bar where every span answers to a pointer or a screen reader with what `say` says of it."""
    touch = "".join(
        f'<path class="t" d="M{left} 0h{max(1, frame.x(span.to_ms) - left)}v{HEIGHT}H{left}z">'
        f"<title>{escape(say(span))}</title></path>"
        for span in filled[-SLOTS:]
        for left in [frame.x(span.from_ms)]
    )
    paths = [_path(state, pieces_of(filled, frame)) for state in State]
    return _svg(frame.width, HEIGHT, "".join(paths) + '<use href="#grid"/>' + touch)


def columns(days: Iterable[Hours | None]) -> Markup:
    """One column a day: running from the base, idle on it, unknown hours hatched from the top; None stays empty."""
    run = idle = base = unknown = ""
    count = 0
    for count, day in enumerate(days, start=1):
        if day is None:
            continue
        x, left = (count - 1) * COLUMN_WIDTH + COLUMN_WIDTH // 2, (count - 1) * COLUMN_WIDTH + 2
        up, pale, missing = (_half_hours(ms) for ms in (day.running_ms, day.idle_ms, day.unknown_ms))
        up = min(up, COLUMN_HEIGHT - missing)
        pale = min(pale, COLUMN_HEIGHT - missing - up)
        run += f"M{x} {COLUMN_HEIGHT}v-{up}" if up else ""
        idle += f"M{x} {COLUMN_HEIGHT - up}v-{pale}" if pale else ""
        base += f"M{left} {COLUMN_HEIGHT - 1}h20" if day.observed_ms and not up + pale else ""
        unknown += f"M{left} 0h20v{missing}h-20z" if missing else ""
    drawn = [("w", run), ("j", idle), ("b", base), ("u", unknown)]
    paths = "".join(_element(name, path) for name, path in drawn if path)
    return _svg(count * COLUMN_WIDTH, COLUMN_HEIGHT, '<use href="#grid"/>' + paths)


def gate_columns(counts: Sequence[Count], dark: Sequence[Span], frame: Frame) -> Markup:
    """A column each count, in upwards and out downwards; where the camera was blind it is hatched, at its time."""
    most = max((max(count.ins, count.outs) for count in counts), default=0) or 1
    middle = COLUMN_HEIGHT // 2
    ins = outs = ""
    for count in counts:
        left, right = frame.x(count.from_ms), frame.x(count.to_ms)
        width = max(1, min((right - left) * 2 // 3, frame.width // 20))
        left += (right - left - width) // 2
        ins += f"M{left} {middle}v-{_share(count.ins, most, middle)}h{width}V{middle}z" if count.ins else ""
        outs += f"M{left} {middle}v{_share(count.outs, most, middle)}h{width}V{middle}z" if count.outs else ""
    blind = "".join(
        f"M{left} 0h{width}v{COLUMN_HEIGHT}h-{width}z"
        for span in (coarser(dark, SLOTS) if len(dark) > EXACT_LIMIT else dark)
        if span.state is State.UNKNOWN
        for left in [frame.x(span.from_ms)]
        for width in [max(LEAST_WIDTH, frame.x(span.to_ms) - left)]
    )
    drawn = [("in", ins), ("out", outs), ("u", blind), ("mid", f"M0 {middle}h{frame.width}")]
    paths = "".join(_element(name, path) for name, path in drawn if path)
    return _svg(frame.width, COLUMN_HEIGHT, '<use href="#grid"/>' + paths)


def grid(
    frame: Frame,
    marks_ms: Iterable[int],
    *,
    midnight_ms: int | None = None,
    now_ms: int | None = None,
    half: bool = False,
) -> Markup:
    """What every bar of a page repeats: marks, midnight and now, the half of a column. To stand in `<defs>` once."""
    lines = "".join(f"M{frame.x(at_ms)} 0v{COLUMN_HEIGHT}" for at_ms in marks_ms)
    lines += f"M0 0h{frame.width}M0 {COLUMN_HEIGHT // 2}h{frame.width}" if half else ""
    strong = "".join(
        f'<path class="{name}" d="M{frame.x(at_ms)} 0v{COLUMN_HEIGHT}"/>'
        for name, at_ms in (("d", midnight_ms), ("n", now_ms))
        if at_ms is not None
    )
    return Markup(f'<g id="grid"><path class="g" d="{lines}"/>{strong}</g>')  # noqa: S704  only numbers


def pieces_of(filled: Sequence[Span], frame: Frame) -> tuple[Piece, ...]:
    """The spans in whole units, adjoining, as wide together as the spans are; short ones widened to be seen."""
    if not filled:
        return ()
    least = LEAST_WIDTH
    if len(filled) > EXACT_LIMIT:
        filled, least = coarser(filled, SLOTS), 0
    edges = [frame.x(span.from_ms) for span in filled] + [frame.x(filled[-1].to_ms)]
    widths = [after - before for before, after in pairwise(edges)]
    _widen(widths, [span.state for span in filled], least)
    pieces: list[Piece] = []
    x = edges[0]
    for span, width in zip(filled, widths, strict=True):
        if width and pieces and pieces[-1].state is span.state:
            pieces[-1] = Piece(x=pieces[-1].x, width=pieces[-1].width + width, state=span.state)
        elif width:
            pieces.append(Piece(x=x, width=width, state=span.state))
        x += width
    return tuple(pieces)


def coarser(filled: Sequence[Span], slots: int) -> tuple[Span, ...]:
    """At most `slots` spans over the same time; each slot shows a state that it held, the shares stay true.

    Error diffusion: what a state is owed from earlier slots counts in the next one that it appears in.
    """
    from_ms, to_ms = filled[0].from_ms, filled[-1].to_ms
    edges = [from_ms + (to_ms - from_ms) * slot // slots for slot in range(slots + 1)]
    owed = [0] * len(State)
    shown: list[Span] = []
    first = 0
    for start_ms, end_ms in pairwise(sorted(set(edges))):
        while filled[first].to_ms <= start_ms:
            first += 1
        held = set()
        for span in filled[first:]:
            if span.from_ms >= end_ms:
                break
            owed[span.state] += min(span.to_ms, end_ms) - max(span.from_ms, start_ms)
            held.add(span.state)
        state = max(held, key=lambda state: owed[state])
        owed[state] -= end_ms - start_ms
        if shown and shown[-1].state is state:
            start_ms = shown.pop().from_ms  # noqa: PLW2901  the slot continues the span before
        shown.append(Span(from_ms=start_ms, to_ms=end_ms, state=state))
    return tuple(shown)


def _widen(widths: list[int], states: Sequence[State], least: int) -> None:
    """Let narrow pieces grow at the cost of a wide neighbour, the ones that are not running first."""
    order = sorted(range(len(widths)), key=lambda at: states[at] is State.RUNNING)
    for at in order:
        around = [other for other in (at - 1, at + 1) if 0 <= other < len(widths)]
        for other in sorted(around, key=lambda other: -widths[other]):
            taken = min(least - widths[at], widths[other] - least)
            if taken > 0:
                widths[other] -= taken
                widths[at] += taken


def _path(state: State, pieces: Iterable[Piece]) -> str:
    """One path for all pieces of a state, in relative moves, because they are short."""
    drawn = ""
    x = 0
    for piece in pieces:
        if piece.state is not state:
            continue
        if state in _HATCHED:
            drawn += f"M{piece.x} 0h{piece.width}v{HEIGHT}h-{piece.width}z"
        elif drawn:
            drawn += f"m{piece.x - x} 0h{piece.width}"
        else:
            drawn = f"M{piece.x} {_SHAPE[state][1]}h{piece.width}"
        x = piece.x + piece.width
    if not drawn:
        return ""
    return _element(_HATCHED[state] if state in _HATCHED else _SHAPE[state][0], drawn)


def _element(name: str, path: str) -> str:
    fill = {"u": ' fill="url(#hatch)"', "c": ' fill="url(#cross)"'}.get(name, "")
    return f'<path class="{name}"{fill} d="{path}"/>'


def _svg(width: int, height: int, content: str) -> Markup:
    drawn = f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">{content}</svg>'
    return Markup(drawn)  # noqa: S704  numbers, and titles that went through escape


def _share(n: int, most: int, height: int) -> int:
    return max(1, height * n // most)


def _half_hours(ms: int) -> int:
    return round(2 * ms / HOUR_MS)
