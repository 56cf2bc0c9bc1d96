"""What minutes say of the state by a rule for one signal: bounds outside which no honest box ever lies. Pure.

See evidence/judging/brackets.py, which lays them beside what was signed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from evidence.bodies import Aggregate, Readings
from evidence.judging.columns import column_of, scaled
from evidence.judging.judge import IntervalMax, PlcState, Pulses, Read, RunState, Signal, Single, Threshold
from evidence.judging.verdict import Interval, merged

States = int
"""A set of states: bit 1 << state is set."""
ALL: Final[States] = 0b1111


def states(*these: RunState) -> States:
    """The set of these."""
    return sum(1 << state for state in these)


class Bound(NamedTuple):
    """Something about the states from … to."""

    from_ms: int
    to_ms: int
    states: States


class Bounds(NamedTuple):
    """What one window's minutes say of one rule's state."""

    ruled: list[Bound]
    """Impossible throughout."""
    somewhere: list[Bound]
    """One of them holds at some instant."""


class Row(NamedTuple):
    """A minute with at least one good answer."""

    from_ms: int
    to_ms: int
    is_whole: bool
    """Nothing failed in it, so its first asking was answered."""
    least: int
    most: int
    last: int


class Bracket(Protocol):
    """One single rule's bounds, window after window."""

    def take(self, rows: Sequence[Row], from_ms: int, to_ms: int) -> Bounds:
        """The next window's."""


def rows_of(window: Readings, ends: list[int], read: Read) -> list[Row] | None:
    """The window's minutes as a rule reads them; None when it has no such point."""
    last = column_of(window, read.point, Aggregate.LAST)
    if last is None:
        return None
    least, most = (column_of(window, read.point, a) or last for a in (Aggregate.MIN, Aggregate.MAX))
    failed = {row for row, _, _ in window.failures}
    values = zip(scaled(least, read), scaled(most, read), scaled(last, read), strict=True)
    return [
        Row(from_ms, to_ms, i not in failed, low, high, final)
        for i, (from_ms, to_ms, (low, high, final)) in enumerate(zip(window.times_ms, ends, values, strict=True))
        if low is not None and high is not None and final is not None
    ]


def bounds_of(by: Single, from_ms: int, *, fresh: bool) -> Bracket:
    """A rule's bounds from `from_ms` on; `fresh` says that judging begins anew there."""
    speaks_until_ms = from_ms if fresh else from_ms + by.hold_ms
    match by:
        case Threshold():
            return _OfThreshold(by, speaks_until_ms)
        case IntervalMax():
            reach_ms = from_ms if fresh else from_ms + by.interval_ms + by.hold_ms
            return _OfIntervalMax(by, speaks_until_ms, reach_ms, reach_ms)
        case PlcState():
            return _OfPlcState(by, speaks_until_ms)
        case Pulses():
            reach_ms = from_ms if fresh else from_ms + by.longest_cycle_ms + 2 * by.hold_ms
            return _OfPulses(by, speaks_until_ms, reach_ms)


_KNOWN: Final = states(RunState.STOPPED, RunState.IDLE, RunState.RUNNING)


def _silence(rows: Sequence[Row], until_ms: int, hold_ms: int, to_ms: int) -> tuple[list[Bound], int]:
    """No state is known longer than the hold after the last good answer; until when the last one speaks at most."""
    ruled = []
    for row in rows:
        if until_ms < row.from_ms:
            ruled.append(Bound(until_ms, row.from_ms, _KNOWN))
        until_ms = row.to_ms + hold_ms
    if until_ms < to_ms:
        ruled.append(Bound(until_ms, to_ms, _KNOWN))
    return ruled, until_ms


def _magnitudes(row: Row) -> Interval:
    low, high = sorted((abs(row.least), abs(row.most)))
    return (0 if row.least < 0 < row.most else low), high


@dataclass(slots=True)
class _OfThreshold:
    """Minutes that all speak for one level, from wherever it is seen, lead to it within the dwell."""

    by: Threshold
    until_ms: int
    level: RunState | None = None
    since_ms: int = 0

    def take(self, rows: Sequence[Row], from_ms: int, to_ms: int) -> Bounds:
        del from_ms
        ruled, self.until_ms = _silence(rows, self.until_ms, self.by.hold_ms, to_ms)
        for row in rows:
            low, high = (self.by.plain_level(power_mw) for power_mw in _magnitudes(row))
            level = low if low is high else None
            if level is not self.level:
                self.level, self.since_ms = level, row.from_ms if row.is_whole else row.to_ms
            begins_ms = max(row.from_ms, self.since_ms + self.by.dwell_ms + self.by.hold_ms)
            if level is not None and begins_ms < row.to_ms:
                ruled.append(Bound(begins_ms, row.to_ms, _KNOWN & ~states(level)))
        return Bounds(ruled, [])


@dataclass(slots=True)
class _OfPlcState:
    """The last register of a minute says what the state was then, where no dwell lies between."""

    by: PlcState
    until_ms: int

    def take(self, rows: Sequence[Row], from_ms: int, to_ms: int) -> Bounds:
        del from_ms
        ruled, self.until_ms = _silence(rows, self.until_ms, self.by.hold_ms, to_ms)
        if self.by.dwell_ms:
            return Bounds(ruled, [])
        levels = (self.by.level(row.last, RunState.UNKNOWN) for row in rows)
        return Bounds(
            ruled, [Bound(row.from_ms, row.to_ms, states(level)) for row, level in zip(rows, levels, strict=True)]
        )


@dataclass(slots=True)
class _OfIntervalMax:
    """A burst makes RUNNING of its instant and of an interval after; a minute of nothing but bursts is RUNNING."""

    by: IntervalMax
    until_ms: int
    running_ms: int
    idle_ms: int
    """RUNNING and IDLE are possible until then, by what came before."""

    def take(self, rows: Sequence[Row], from_ms: int, to_ms: int) -> Bounds:
        by, after_ms = self.by, self.by.interval_ms + self.by.hold_ms
        ruled, self.until_ms = _silence(rows, self.until_ms, by.hold_ms, to_ms)
        running, idle, somewhere = [], [], []
        for row in rows:
            low, high = _magnitudes(row)
            if high >= by.running_above_mw:
                running.append((row.from_ms, row.to_ms + after_ms))
                somewhere.append(Bound(row.from_ms, row.to_ms, states(RunState.RUNNING)))
            if high >= by.idle_above_mw:
                idle.append((row.from_ms, row.to_ms + after_ms))
            if row.is_whole and low >= by.idle_above_mw:
                never = (RunState.STOPPED, RunState.IDLE) if low >= by.running_above_mw else (RunState.STOPPED,)
                ruled.append(Bound(row.from_ms, row.to_ms, states(*never)))
        ruled += _outside([(from_ms, self.running_ms), *running], RunState.RUNNING, from_ms, to_ms)
        ruled += _outside([(from_ms, self.idle_ms), *idle], RunState.IDLE, from_ms, to_ms)
        self.running_ms = max([self.running_ms, *(end for _, end in running)])
        self.idle_ms = max([self.idle_ms, *(end for _, end in idle)])
        return Bounds(ruled, somewhere)


@dataclass(slots=True)
class _OfPulses:
    """A machine whose counter stands still, or whose value never rises to the band, does not run for long.

    A counter that says the same at the end of two minutes told of no cycle between. (It would have to start anew and
    come back to the very same figure.)
    """

    by: Pulses
    until_ms: int
    running_ms: int
    """RUNNING is possible until then, by what came before."""
    last: int | None = field(default=None)
    last_from_ms: int = field(default=0)

    def take(self, rows: Sequence[Row], from_ms: int, to_ms: int) -> Bounds:
        by = self.by
        ruled, self.until_ms = _silence(rows, self.until_ms, by.hold_ms, to_ms)
        running = []
        for row in rows:
            match by.signal:
                case Signal.COUNTER if self.last == row.last:
                    pass
                case Signal.COUNTER:
                    begins_ms = from_ms if self.last is None else self.last_from_ms
                    running.append((begins_ms, row.to_ms + by.longest_cycle_ms + by.hold_ms))
                case Signal.PEAKS if row.most < by.low_milli - by.hysteresis_milli:
                    pass
                case _:
                    running.append((row.from_ms, row.to_ms + by.longest_cycle_ms + 2 * by.hold_ms))
            self.last, self.last_from_ms = row.last, row.from_ms
        ruled += _outside([(from_ms, self.running_ms), *running], RunState.RUNNING, from_ms, to_ms)
        self.running_ms = max([self.running_ms, *(end for _, end in running)])
        return Bounds(ruled, [])


def _outside(possible: Iterable[Interval], state: RunState, from_ms: int, to_ms: int) -> list[Bound]:
    """The state is impossible wherever it is not possible."""
    ruled, at_ms = [], from_ms
    for start, end in merged(possible):
        if at_ms < min(start, to_ms):
            ruled.append(Bound(at_ms, min(start, to_ms), states(state)))
        at_ms = max(at_ms, end)
    if at_ms < to_ms:
        ruled.append(Bound(at_ms, to_ms, states(state)))
    return ruled
