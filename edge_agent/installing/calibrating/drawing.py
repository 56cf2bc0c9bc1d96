"""The histogram in a terminal: bars of block characters, thresholds as broken lines, a scale of ratios. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from edge_agent.installing.calibrating.advice import Refusal
from edge_agent.installing.calibrating.histogram import Histogram, histogram_of
from edge_agent.installing.calibrating.proposal import Proposal
from edge_agent.installing.wording import CHINESE, NAMES, watts
from evidence.judging.judge import RunState

WIDTH: Final = 72
HEIGHT: Final = 7
"""Characters."""
BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_COLOURS: Final = {
    RunState.STOPPED: "\x1b[38;5;246m",
    RunState.IDLE: "\x1b[38;5;215m",
    RunState.RUNNING: "\x1b[38;5;166m",
    RunState.UNKNOWN: "\x1b[38;5;246m",
}
_PLAIN: Final = "\x1b[0m"


def draw(found: Proposal | Refusal, *, colours: bool) -> str:
    """Some lines; empty when there is nothing to draw."""
    if not found.powers_mw:
        return ""
    histogram = histogram_of(found, columns=WIDTH)
    thresholds: dict[int, tuple[RunState, int]] = {}
    if isinstance(found, Proposal):
        for state, power_mw in (
            (RunState.IDLE, found.rule.idle_above_mw),
            (RunState.RUNNING, found.rule.running_above_mw),
        ):
            thresholds[round(histogram.place(power_mw) * WIDTH)] = (state, power_mw)
    rows = [*_bars(histogram, thresholds, colours=colours), *_scale(histogram, thresholds)]
    if thresholds:
        rows = [_names(thresholds), *rows]
    return "\n".join(f"  {row}".rstrip() for row in rows) + "\n"


def sparkline(values: Iterable[int], *, width: int = 24) -> str:
    """The last values as a row of blocks, the greatest of them a full one."""
    last = list(values)[-width:]
    most = max((abs(value) for value in last), default=0) or 1
    return "".join(BLOCKS[1 + abs(value) * 7 // most] for value in last)


def _bars(histogram: Histogram, thresholds: Mapping[int, object], *, colours: bool) -> Iterable[str]:
    for row in range(HEIGHT, 0, -1):
        cells = []
        for at, bar in enumerate(histogram.bars):
            eighths = max(1, round(bar.height * HEIGHT * 8)) if bar.readings else 0
            block = BLOCKS[max(0, min(8, eighths - 8 * (row - 1)))]
            if block == " ":
                cells.append("┊" if at in thresholds else " ")
            else:
                cells.append(f"{_COLOURS[bar.state]}{block}{_PLAIN}" if colours else block)
        yield "".join(cells)


def _scale(histogram: Histogram, thresholds: Mapping[int, tuple[RunState, int]]) -> Iterable[str]:
    line, below = ["─"] * WIDTH, [" "] * (WIDTH + 8)
    free = 0
    for power_mw in histogram.ticks():
        at = min(WIDTH - 1, round(histogram.place(power_mw) * WIDTH))
        label = watts(power_mw)
        start = max(0, at - len(label) // 2)
        if start < free:
            continue
        line[at] = "┬"
        below[start : start + len(label)] = label
        free = start + len(label) + 2
    for at in thresholds:
        line[min(WIDTH - 1, at)] = "┴"
    yield "".join(line)
    yield "".join(below)
    if thresholds:
        told = "   ".join(
            f"{NAMES[state]} from {watts(power_mw)}" for _, (state, power_mw) in sorted(thresholds.items())
        )
        yield ""
        yield told


def _names(thresholds: Mapping[int, tuple[RunState, int]]) -> str:
    """Each state's name in the middle of what belongs to it."""
    places = sorted((at, state) for at, (state, _) in thresholds.items())
    bounds = [0, *(at for at, _ in places), WIDTH]
    row, taken = "", 0
    for number, state in enumerate([RunState.STOPPED, *(state for _, state in places)]):
        name = f"{NAMES[state]} {CHINESE[state]}"
        wide = len(name) + len(CHINESE[state])  # Chinese characters take two places
        start = max(taken, (bounds[number] + bounds[number + 1] - wide) // 2)
        row += " " * (start - taken) + name
        taken = start + wide
    return row
