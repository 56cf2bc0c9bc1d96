"""Judging again (重新判定): whether a machine's signed spans follow from its signed facts by its signed rule.

Pure. Where every sample is kept the answer is exact, to the millisecond. Where minutes are kept it is a bracket: what
the least and the greatest power of each minute rule out is found, what they leave open is believed.

Judging starts anew from UNJUDGED wherever a window does not adjoin the one before it or the configuration changes.
After statements that are missing here nobody knows where it stood; nothing is held against the box until an answer
settles it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from evidence.bodies import Aggregate, Column, Keep, Readings
from evidence.judge import UNJUDGED, Change, Judged, RunState, Threshold, expire, judge, milli, spans_of

MINUTE_MS: Final = 60_000

Interval = tuple[int, int]
"""(from_ms, to_ms), the end excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What judging one window again said, in milliseconds of the window."""

    agree_ms: int = 0
    """Exact judging gives the signed state, or the minutes allow it."""
    disagree: tuple[Interval, ...] = ()
    """Where the facts rule the signed state out."""
    open_ms: int = 0
    """Not judged again: no rule known, no such point, or not settled after missing statements."""

    @property
    def disagree_ms(self) -> int:
        """All of `disagree` together."""
        return sum(end - start for start, end in self.disagree)


@dataclass(slots=True)
class Rejudge:
    """One stream's judging, carried from window to window."""

    judged: Judged = UNJUDGED
    settled: bool = True
    """Whether `judged` is known to be where the box's own judging stood."""
    reached_ms: int | None = None
    config: bytes = b""
    _last_state: RunState | None = None
    """The signed state at the end of the window before, when this one goes on from it."""
    _good_before_ms: int | None = None
    """Per minute: the last good answer came before this."""

    def take(self, window: Readings, ends: list[int], by: Threshold | None, *, config: bytes, follows: bool) -> Verdict:
        """Judge the next window again.

        `ends` are the window's `row_ends`; `follows` says that the statement before it in the chain is here.
        """
        adjoins = window.from_ms == self.reached_ms and config == self.config
        if not follows:
            self._forget(settled=False)
        elif not adjoins:
            self._forget(settled=True)
        self.reached_ms, self.config = window.to_ms, config
        if window.from_ms == window.to_ms:
            return Verdict()
        if by is None:
            return Verdict(open_ms=window.to_ms - window.from_ms)
        spans = window.spans or [(window.from_ms, RunState.UNKNOWN)]
        return (
            self._exactly(window, spans, by) if window.keep is Keep.EVERY else self._by_minute(window, ends, spans, by)
        )

    def _forget(self, *, settled: bool) -> None:
        self.judged, self.settled = UNJUDGED, settled
        self._last_state = RunState.UNKNOWN if settled else None
        self._good_before_ms = None

    # Every sample.

    def _exactly(self, window: Readings, spans: list[Change], by: Threshold) -> Verdict:
        column = column_of(window, by.point, Aggregate.SAMPLE)
        if column is None and not window.spans:
            return Verdict(open_ms=window.to_ms - window.from_ms)
        powers = [None] * len(window.times_ms) if column is None else milliwatts(column)
        samples = list(zip(window.times_ms, powers, strict=True))
        from_ms = window.from_ms if self.settled else self._settle(samples, spans, by, window)
        first, changes = self.judged.state, []
        for at_ms, power_mw in samples:
            if at_ms >= from_ms:
                self.judged, changed = judge(self.judged, at_ms, power_mw, by)
                changes += changed
        self.judged, expired = expire(self.judged, window.to_ms)
        ours = [(start, state) for start, _, state in spans_of(first, [*changes, *expired], from_ms, window.to_ms)]
        wrong = () if ours == spans else _differences(ours, spans, from_ms, window.to_ms)
        self._last_state, self._good_before_ms = spans[-1][1], None
        bad_ms = sum(end - start for start, end in wrong)
        return Verdict(agree_ms=window.to_ms - from_ms - bad_ms, disagree=wrong, open_ms=from_ms - window.from_ms)

    def _settle(
        self, samples: Sequence[tuple[int, int | None]], spans: list[Change], by: Threshold, window: Readings
    ) -> int:
        """Find where the box's judging is known again; the instant from which it can be compared.

        It is known where the signed state is UNKNOWN (nothing is carried then), and after a good answer that speaks for
        the signed state itself (no other level is wanted then).
        """
        if spans[0][1] is RunState.UNKNOWN:
            self.settled, self.judged = True, UNJUDGED
            return window.from_ms
        starts = [start for start, _ in spans]
        unknown_ms = next((start for start, state in spans if state is RunState.UNKNOWN), window.to_ms)
        for at_ms, power_mw in samples:
            if at_ms >= unknown_ms:
                break
            state = spans[bisect_right(starts, at_ms) - 1][1]
            if power_mw is not None and by.level(power_mw, state) is state:
                self.settled = True
                self.judged = Judged(state=state, wanted=state, wanted_since_ms=at_ms, good_until_ms=at_ms + by.hold_ms)
                return at_ms
        self.settled, self.judged = unknown_ms < window.to_ms, UNJUDGED
        return unknown_ms

    # Per minute.

    def _by_minute(self, window: Readings, ends: list[int], spans: list[Change], by: Threshold) -> Verdict:
        least, most = column_of(window, by.point, Aggregate.MIN), column_of(window, by.point, Aggregate.MAX)
        length_ms = window.to_ms - window.from_ms
        if least is None or most is None:
            if not window.spans:
                return Verdict(open_ms=length_ms)
            least = most = Column(
                point=by.point, aggregate=Aggregate.MAX, unit="W", decimals=0, values=[None] * len(ends)
            )
        before, self._last_state = self._last_state, spans[-1][1]
        self.settled = False  # minutes do not tell where exact judging stands
        good_before_ms = self._good_before_ms
        if before is spans[0][1] and _plainly(window, ends, (least, most), spans, by, good_before_ms=good_before_ms):
            self._good_before_ms = ends[-1]
            return Verdict(agree_ms=length_ms)
        rows = _rows(window, ends, least, most)
        if rows:
            self._good_before_ms = rows[-1].to_ms
        wrong = [
            *_unfounded_changes(rows, spans, by, before=before, window=window),
            *_overdue_changes(rows, spans, by, window.to_ms),
            *_outlived(rows, spans, by, window=window, good_before_ms=good_before_ms, anew=before is RunState.UNKNOWN),
            *_denied(rows, spans, window.to_ms),
        ]
        merged = tuple(_merged(wrong))
        return Verdict(agree_ms=length_ms - sum(end - start for start, end in merged), disagree=merged)


def minutes_by_mean(window: Readings, by: Threshold) -> int:
    """Running milliseconds, estimated from each minute's mean power alone: a second figure beside the signed one.

    A mean speaks for its whole minute, as far as the window reaches.
    """
    mean = column_of(window, by.point, Aggregate.MEAN)
    if mean is None:
        return 0
    least = raw(by.running_above_mw, mean)
    return sum(
        min(minute_ms + MINUTE_MS, window.to_ms) - max(minute_ms, window.from_ms)
        for minute_ms, power in zip((at_ms - at_ms % MINUTE_MS for at_ms in window.times_ms), mean.values, strict=True)
        if power is not None and (power >= least or power <= -least)
    )


def column_of(window: Readings, point: str, aggregate: Aggregate) -> Column | None:
    """The window's column of this point and aggregate."""
    return next((c for c in window.columns if c.point == point and c.aggregate is aggregate), None)


def row_ends(window: Readings) -> list[int]:
    """Where each row ends: a minute with its minute, its window, or where the next row begins; a sample at once."""
    times_ms = window.times_ms
    if window.keep is Keep.EVERY or not times_ms:
        return times_ms
    nexts = times_ms[1:]
    nexts.append(window.to_ms)
    return [min(after, at_ms - at_ms % MINUTE_MS + MINUTE_MS) for at_ms, after in zip(times_ms, nexts, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A minute with at least one good answer: its first asking, its end, and how low and high the power was."""

    from_ms: int
    to_ms: int
    least_mw: int
    most_mw: int
    whole: bool = field(default=True)
    """Nothing failed in it, so its first asking was answered."""

    def levels(self, by: Threshold, before: RunState) -> Interval:
        return by.level(self.least_mw, before), by.level(self.most_mw, before)


def milliwatts(column: Column) -> list[int | None]:
    """A power column's values in mW."""
    decimals = column.decimals - 3 if column.unit == "kW" else column.decimals
    if decimals <= 3:  # noqa: PLR2004 - milli
        factor = 10 ** (3 - decimals)
        return [None if v is None else v * factor for v in column.values]
    return [None if v is None else milli(v, decimals) for v in column.values]


def raw(power_mw: int, column: Column) -> int:
    """The least of a power column's integers that is at least so many mW."""
    decimals = column.decimals - 3 if column.unit == "kW" else column.decimals
    if decimals > 3:  # noqa: PLR2004 - milli
        return int(power_mw * 10 ** (decimals - 3))
    return -int(-power_mw // 10 ** (3 - decimals))


def _rows(window: Readings, ends: list[int], least: Column, most: Column) -> list[_Row]:
    failed = {row for row, _, _ in window.failures}
    rows = []
    for i, (from_ms, to_ms, low, high) in enumerate(
        zip(window.times_ms, ends, milliwatts(least), milliwatts(most), strict=True)
    ):
        if low is None or high is None:
            continue
        magnitudes = sorted((abs(low), abs(high)))
        rows.append(
            _Row(
                from_ms=from_ms,
                to_ms=to_ms,
                least_mw=0 if low < 0 < high else magnitudes[0],
                most_mw=magnitudes[1],
                whole=i not in failed,
            )
        )
    return rows


def _plainly(
    window: Readings,
    ends: list[int],
    least_most: tuple[Column, Column],
    spans: list[Change],
    by: Threshold,
    *,
    good_before_ms: int | None,
) -> bool:
    """The usual window, seen at a glance: one known state throughout, every minute speaks for it, no silence."""
    state = spans[0][1]
    if len(spans) > 1 or state is RunState.UNKNOWN or good_before_ms is None or not ends or window.failures:
        return False
    lows, highs = least_most[0].values, least_most[1].values
    if None in lows or None in highs:
        return False
    low, high = _extremes(lows, highs, least_most[0])
    hold_ms = by.hold_ms
    heard_ms = good_before_ms
    for from_ms, to_ms in zip(window.times_ms, ends, strict=True):
        if from_ms - heard_ms > hold_ms:
            return False
        heard_ms = to_ms
    if low < 0 or window.to_ms - heard_ms > hold_ms:
        return False
    return by.level(low, state) is state is by.level(high, state)


def _extremes(lows: list[int | None], highs: list[int | None], like: Column) -> tuple[int, int]:
    """The lowest and the highest power in mW; no value is None."""
    extremes = Column(like.point, like.aggregate, like.unit, like.decimals, [min(lows), max(highs)])  # type: ignore[type-var]
    low, high = milliwatts(extremes)
    return low or 0, high or 0


def _unfounded_changes(
    rows: list[_Row], spans: list[Change], by: Threshold, *, before: RunState | None, window: Readings
) -> Iterable[Interval]:
    """A change to a known state needs an answer, at that instant, that speaks for it.

    Seen from the state before, or from UNKNOWN: the hold may have ended at that very instant.
    """
    marks = spans if before is None or before is spans[0][1] else [(window.from_ms, before), *spans]
    ends = [start for start, _ in spans[1:]] + [window.to_ms]
    for (_, old), (at_ms, new) in pairwise(marks):
        if new is RunState.UNKNOWN:
            continue
        row = next((r for r in rows if r.from_ms <= at_ms < r.to_ms), None)
        if row is None or not by.level(row.least_mw, RunState.UNKNOWN) <= new <= by.level(row.most_mw, old):
            end_ms = next(end for end in ends if end > at_ms)
            yield at_ms, end_ms if row is None else min(end_ms, row.to_ms)


def _overdue_changes(rows: list[_Row], spans: list[Change], by: Threshold, to_ms: int) -> Iterable[Interval]:
    """Inside a known state, answers that all speak for one other level must not go on for `dwell_ms`."""
    for start_ms, end_ms, state in _with_ends(spans, to_ms):
        if state is RunState.UNKNOWN:
            continue
        wanted: RunState = state
        since_ms = 0
        for row in rows:
            if row.from_ms < start_ms or row.to_ms > end_ms:
                continue
            low, high = row.levels(by, state)
            level = RunState(low) if low == high else state
            if level is not wanted:
                wanted, since_ms = level, row.from_ms if row.whole else row.to_ms
            if wanted is not state and row.from_ms - since_ms >= by.dwell_ms:
                yield since_ms, row.to_ms


def _outlived(
    rows: list[_Row],
    spans: list[Change],
    by: Threshold,
    *,
    window: Readings,
    good_before_ms: int | None,
    anew: bool,
) -> Iterable[Interval]:
    """A known state must not outlive the last good answer by more than `hold_ms`."""
    heard = [*(row.from_ms for row in rows[1:]), window.to_ms]
    silences = [(row.to_ms + by.hold_ms, heard_ms) for row, heard_ms in zip(rows, heard, strict=False)]
    first_ms = rows[0].from_ms if rows else window.to_ms
    if good_before_ms is not None:
        silences.append((max(window.from_ms, good_before_ms + by.hold_ms), first_ms))
    elif anew:
        silences.append((window.from_ms, first_ms))
    for silent_ms, heard_ms in silences:
        for start_ms, end_ms, state in _with_ends(spans, window.to_ms):
            if state is not RunState.UNKNOWN and max(start_ms, silent_ms) < min(end_ms, heard_ms):
                yield max(start_ms, silent_ms), min(end_ms, heard_ms)


def _denied(rows: list[_Row], spans: list[Change], to_ms: int) -> Iterable[Interval]:
    """UNKNOWN ends with the first good answer, so no minute with one lies wholly in it."""
    for start_ms, end_ms, state in _with_ends(spans, to_ms):
        if state is RunState.UNKNOWN:
            for row in rows:
                if start_ms <= row.from_ms and row.to_ms <= end_ms:
                    yield row.from_ms, row.to_ms


def _with_ends(spans: Sequence[Change], to_ms: int) -> Iterable[tuple[int, int, RunState]]:
    ends = [start for start, _ in spans[1:]] + [to_ms]
    return [(start, end, state) for (start, state), end in zip(spans, ends, strict=True)]


def _differences(ours: Sequence[Change], theirs: Sequence[Change], from_ms: int, to_ms: int) -> tuple[Interval, ...]:
    """Where two ways to fill from_ms to to_ms say different states."""
    marks = sorted({start for start, _ in (*ours, *theirs) if from_ms < start < to_ms} | {from_ms, to_ms})
    wrong = [(start, end) for start, end in pairwise(marks) if _at(ours, start) is not _at(theirs, start)]
    return tuple(_merged(wrong))


def _at(spans: Sequence[Change], at_ms: int) -> RunState:
    return spans[bisect_right(spans, at_ms, key=lambda span: span[0]) - 1][1]


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged
