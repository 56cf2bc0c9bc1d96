"""What minutes rule out of a `power_threshold`: the least and the greatest power of each, and when nothing came. Pure.

The other rules' minutes are in brackets.py. This one is by itself because its dwell makes more of minutes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from evidence.bodies import Aggregate, Column, Readings
from evidence.judging.columns import MINUTE_MS, column_of, milliwatts, raw
from evidence.judging.judge import Change, RunState, Threshold
from evidence.judging.verdict import Interval, Verdict, length_of, merged


@dataclass(slots=True)
class PowerMinutes:
    """One stream's minutes, window after window."""

    by: Threshold
    _good_before_ms: int | None = None
    """The last good answer came before this."""

    def take(self, window: Readings, ends: list[int], spans: list[Change], before: RunState | None) -> Verdict:
        """What the next window's minutes say of its spans.

        `before` is the signed state at the end of the window that it goes on from; None when nobody knows.
        """
        by = self.by
        least, most = column_of(window, by.point, Aggregate.MIN), column_of(window, by.point, Aggregate.MAX)
        length_ms = window.to_ms - window.from_ms
        if least is None or most is None:
            if not window.spans:
                return Verdict(open_ms=length_ms)
            least = most = Column(
                point=by.point, aggregate=Aggregate.MAX, unit="W", decimals=0, values=[None] * len(ends)
            )
        good_before_ms = self._good_before_ms
        if before is spans[0][1] and _plainly(window, ends, (least, most), spans, by, good_before_ms=good_before_ms):
            self._good_before_ms = ends[-1]
            return Verdict(agree_ms=length_ms)
        rows = _rows(window, ends, least, most)
        if rows:
            self._good_before_ms = rows[-1].to_ms
        wrong = merged(
            [
                *_unfounded_changes(rows, spans, by, before=before, window=window),
                *_overdue_changes(rows, spans, by, window.to_ms),
                *_outlived(
                    rows, spans, by, window=window, good_before_ms=good_before_ms, anew=before is RunState.UNKNOWN
                ),
                *_denied(rows, spans, window.to_ms),
            ]
        )
        return Verdict(agree_ms=length_ms - length_of(wrong), disagree=tuple(wrong))


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
