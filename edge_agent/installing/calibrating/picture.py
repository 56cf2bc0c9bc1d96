"""The histogram as a picture: one SVG that a phone shows, in Chinese and English. Pure.

Colours and shapes are the page's: running orange and full, idle pale, off grey; each is named where it lies.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from edge_agent.installing.calibrating.advice import Refusal
from edge_agent.installing.calibrating.histogram import Histogram, histogram_of
from edge_agent.installing.calibrating.levels import LEAST_SEPARATION
from edge_agent.installing.calibrating.proposal import STATES, Proposal
from edge_agent.installing.wording import CHINESE, NAMES, duration, figure, percent, watts
from evidence.judging.judge import IntervalMax, RunState

WIDTH: Final = 390
"""Units of the drawing; a phone's own."""
SHOWN: Final = 980
"""Pixels: what a phone takes a page without a word about it to be."""
COLUMNS: Final = 104
_LEFT, _RIGHT, _TOP, _BASE = 14, 376, 118, 286
_FONT: Final = (
    "system-ui,-apple-system,'PingFang SC','Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','Segoe UI',sans-serif"
)
_FILL: Final = {
    RunState.STOPPED: "#8a939c",
    RunState.IDLE: "#ffc078",
    RunState.RUNNING: "#e8590c",
    RunState.UNKNOWN: "#8a939c",
}
_GROUND: Final = {RunState.STOPPED: "#f3f5f7", RunState.IDLE: "#fff6ea", RunState.RUNNING: "#fdeee5"}
_INK, _SOFT, _LINE, _WRONG = "#1c2126", "#5c6670", "#c9ced4", "#b3261e"
_NARROW: Final = 54
"""A band narrower than this has its name's second line only in the list below."""
_LINE_CHARS: Final = 50
"""Characters of one line of text; of smaller text four more."""


def picture(found: Proposal | Refusal, *, title: str, about: str) -> str:
    """A whole SVG file. `title` is the machine, `about` says from what it was learned."""
    parts = [*_head(title, about), *_chart(found)]
    below = _BASE + 48 if found.powers_mw else _TOP
    rows, bottom = _list(found, below) if isinstance(found, Proposal) else _refusal(found, below + 6)
    height = round(bottom + 8)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{SHOWN}"'
        f' height="{height * SHOWN // WIDTH}" style="max-width:100%;height:auto" role="img"'
        f' font-family="{_FONT}" font-size="13" fill="{_INK}"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>' + "".join([*parts, *rows]) + "</svg>\n"
    )


def _head(title: str, about: str) -> Iterator[str]:
    yield _text(_LEFT, 34, title, size=20, weight=650)
    yield _text(_LEFT, 57, "功率分布 · power and time", size=14, fill=_SOFT)
    yield _text(_LEFT, 76, about, size=12, fill=_SOFT)


def _chart(found: Proposal | Refusal) -> Iterator[str]:
    if not found.powers_mw:
        return
    histogram = histogram_of(found, columns=COLUMNS)
    if isinstance(found, Proposal):
        yield from _bands(histogram, found)
    yield from _bars(histogram)
    yield from _scale(histogram)
    if isinstance(found, Proposal):
        yield from _thresholds(histogram, found)


def _bands(histogram: Histogram, found: Proposal) -> Iterator[str]:
    """What belongs to each state, and its name."""
    edges = [_LEFT, *(_x(histogram, power) for power in _edges(found)), _RIGHT]
    for number, state in enumerate(STATES):
        start, end = edges[number], edges[number + 1]
        yield _rect(start, _TOP - 22, (end - start, _BASE - _TOP + 22), _GROUND[state])
        middle = (start + end) / 2
        yield _text(middle, _TOP - 4, CHINESE[state], size=14, weight=600, anchor="middle")
        if end - start >= _NARROW:
            yield _text(middle, _TOP + 12, NAMES[state], size=11, fill=_SOFT, anchor="middle")


def _bars(histogram: Histogram) -> Iterator[str]:
    width = (_RIGHT - _LEFT) / COLUMNS
    for at, bar in enumerate(histogram.bars):
        if bar.readings:
            tall = max(2.0, bar.height * (_BASE - _TOP - 26))
            yield _rect(_LEFT + at * width + 0.3, _BASE - tall, (width - 0.6, tall), _FILL[bar.state])


def _scale(histogram: Histogram) -> Iterator[str]:
    yield f'<path d="M{_LEFT} {_BASE}H{_RIGHT}" stroke="{_SOFT}" fill="none"/>'
    free = 0.0
    for power_mw in histogram.ticks():
        x = _x(histogram, power_mw)
        half = 3.8 * len(watts(power_mw))
        if x - half < max(free, 2) or x + half > WIDTH - 2:
            continue
        free = x + half + 8
        yield f'<path d="M{x:.1f} {_BASE}v5" stroke="{_SOFT}" fill="none"/>'
        yield _text(x, _BASE + 19, watts(power_mw), size=12, fill=_SOFT, anchor="middle")


def _thresholds(histogram: Histogram, found: Proposal) -> Iterator[str]:
    for power_mw in _edges(found):
        x = _x(histogram, power_mw)
        yield f'<path d="M{x:.1f} {_TOP - 22}V{_BASE}" stroke="{_INK}" stroke-dasharray="2 3" fill="none"/>'
        half = 3.9 * len(watts(power_mw)) + 5
        middle = min(max(x, _LEFT + half), _RIGHT - half)
        y = _TOP + 26 + (_BASE - _TOP - 26) / 2
        yield _rect(middle - half, y - 15, (2 * half, 21), "#fff", f' rx="5" stroke="{_INK}"')
        yield _text(middle, y, watts(power_mw), size=13, weight=600, anchor="middle")


def _list(found: Proposal, y: float) -> tuple[list[str], float]:
    parts = []
    for state in STATES:
        level = found.levels.get(state)
        parts.append(_rect(_LEFT, y, (14, 14), _FILL[state], ' rx="3"'))
        parts.append(_text(_LEFT + 22, y + 12, f"{CHINESE[state]} {NAMES[state]}", weight=600))
        if level is None:
            parts.append(_text(_RIGHT, y + 12, "没有见到 · not seen", fill=_SOFT, anchor="end"))
        else:
            parts.append(_text(222, y + 12, watts(level.median_mw), weight=600, anchor="end"))
            span = f"{watts(level.low_mw)} – {watts(level.high_mw)}"
            parts.append(_text(_RIGHT, y + 12, f"{span}", size=12, fill=_SOFT, anchor="end"))
        y += 24
    y += 4
    parts.append(f'<path d="M{_LEFT} {y}H{_RIGHT}" stroke="{_LINE}" fill="none"/>')
    y += 22
    for chinese, english, value in _figures(found):
        parts.append(_text(_LEFT, y, f"{chinese} {english}", fill=_SOFT))
        parts.append(_text(_RIGHT, y, value, anchor="end", weight=600))
        y += 22
    for note in found.notes:
        for line in _wrapped(note, _LINE_CHARS + 4):
            parts.append(_text(_LEFT, y, line, size=12, fill=_SOFT))
            y += 17
    return parts, y


def _figures(found: Proposal) -> Iterator[tuple[str, str, str]]:
    rule = found.rule
    yield "开工门限", "running from", watts(rule.running_above_mw)
    yield "空转门限", "idle from", watts(rule.idle_above_mw)
    if isinstance(rule, IntervalMax):
        yield "取最大值的时段", "greatest of", duration(rule.interval_ms)
    else:
        yield "回差 · 保持", "hysteresis, dwell", f"{watts(rule.hysteresis_mw)}, {duration(rule.dwell_ms)}"
    yield "分离度", "separation", f"{figure(found.figure)} (≥ {figure(LEAST_SEPARATION)})"
    if found.is_told:
        yield "复核", "found again", percent(min(found.shares.values()))
    else:
        told = (f"{CHINESE[state]} {percent(found.shares[state])}" for state in STATES if state in found.shares)
        yield "时间", "time", " · ".join(told)


def _refusal(found: Refusal, y: float) -> tuple[list[str], float]:
    parts = [_text(_LEFT, y, "分不开 · not proposed", size=15, weight=650, fill=_WRONG)]
    y += 22
    for text, ink in ((found.why, _INK), (f"→ {found.next_step}", _SOFT)):
        for line in _wrapped(text, _LINE_CHARS):
            parts.append(_text(_LEFT, y, line, fill=ink))
            y += 18
        y += 4
    return parts, y


def _edges(found: Proposal) -> tuple[int, int]:
    return found.rule.idle_above_mw, found.rule.running_above_mw


def _x(histogram: Histogram, power_mw: int) -> float:
    return _LEFT + histogram.place(power_mw) * (_RIGHT - _LEFT)


def _wrapped(text: str, chars: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= chars:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def _text(
    x: float, y: float, text: str, *, size: int = 13, weight: int = 400, fill: str = _INK, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}"'
        f' text-anchor="{anchor}">{escape(text)}</text>'
    )


def _rect(x: float, y: float, size: tuple[float, float], fill: str, more: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" fill="{fill}"{more}/>'
