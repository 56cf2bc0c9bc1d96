"""What a stream's facts say by any rule: judged anew, added up, and laid beside what was signed. Pure.

Where every sample was kept the answer is exact. Where minutes were, it is an estimate: each minute's mean (of a counter
or a state its last value) stands for the minute, and the running time lies between what the least and what the greatest
value of each minute give.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

from evidence.bodies import Aggregate, Column, Configuration, Event, Keep, Readings
from evidence.judging.columns import MINUTE_MS, column_of, row_ends, scaled
from evidence.judging.judge import (
    UNJUDGED,
    Change,
    Fusion,
    IntervalMax,
    Judged,
    PlcState,
    Pulses,
    Read,
    Rule,
    RunState,
    Span,
    Threshold,
    spans_of,
)
from evidence.judging.recompute import Recomputed, Recount
from evidence.judging.standing import BEGINNING, Standing
from evidence.judging.stream_judge import Measure, Rules, StreamJudge

SPANS_LIMIT: Final = 20_000
"""Spans and events that are told one by one, at most …"""
DIFFERENCES_LIMIT: Final = 1_000
"""… and stretches of time in which another state was signed."""

Pair = tuple[RunState, RunState]
"""(what was signed, what this rule says)."""


class Difference(NamedTuple):
    """A stretch of time of which the two say different states."""

    from_ms: int
    to_ms: int
    signed: RunState
    now: RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedBy:
    """What the facts say by a rule."""

    recomputed: Recomputed
    """Hours by this rule's spans; energy and cycles."""
    spans: tuple[Span, ...]
    left_out: int
    """Spans beyond SPANS_LIMIT."""
    running_low_ms: int
    running_up_ms: int
    """Between these lies the running time; where samples were kept the two are one."""
    events: tuple[Event, ...]
    """What is judged beside the run state; nothing of it where minutes were kept."""
    minutes_ms: int
    """Time of which minutes were kept."""
    differs_ms: dict[Pair, int]
    """Time of which another state was signed, by what was signed and what this rule says …"""
    exactly_ms: int
    """… and how much of it where every sample was kept."""
    differences: tuple[Difference, ...]
    """The first of them."""


@dataclass(slots=True)
class ByRule:
    """One stream, judged window by window, in the order of its chain."""

    rules: Rules
    compares: bool = True
    """Whether the windows have signed spans to be laid beside."""
    _recount: Recount = field(default_factory=Recount)
    _standing: Standing = BEGINNING
    _estimates: dict[Aggregate, Judged] = field(default_factory=dict)
    _reached_ms: int | None = None
    _config: bytes = b""
    _windows: int = 0
    _spans: list[Span] = field(default_factory=list)
    _left_out: int = 0
    _low_ms: int = 0
    _up_ms: int = 0
    _minutes_ms: int = 0
    _events: list[Event] = field(default_factory=list)
    _differs: Counter[Pair] = field(default_factory=Counter)
    _differences: list[Difference] = field(default_factory=list)
    _exactly_ms: int = 0

    def configure(self, settings: dict[str, Any]) -> None:
        """How the stream was measured from here on; judged it is by `rules` all the same."""
        rule = self.rules.run_state
        judged_by = {} if rule is None else rule.settings()
        other = {key: value for key, value in settings.items() if key not in _OF_RULES}
        self._recount.configure(Configuration(settings=other | judged_by), b"")
        self._reached_ms = None

    def readings(self, window: Readings) -> None:
        """The next window."""
        adjoins = window.from_ms == self._reached_ms
        self._reached_ms = window.to_ms
        if not adjoins:
            self._standing, self._estimates = self._standing.anew(same=True), {}
        ends = row_ends(window)
        spans = self._exactly(window) if window.keep is Keep.EVERY else self._by_minute(window, ends)
        if self.compares and self.rules.run_state is not None and window.to_ms > window.from_ms:
            self._compare(window, spans)
        if self.rules.run_state is None:
            spans = []
        body = replace(window, spans=[(start, state) for start, _, state in spans])
        self._recount.readings(self._windows, body, config=b"", follows=True)
        self._windows += 1
        self._keep(spans)

    def result(self) -> JudgedBy:
        """What was judged so far."""
        return JudgedBy(
            recomputed=self._recount.result(),
            spans=tuple(self._spans),
            left_out=self._left_out,
            running_low_ms=min(self._low_ms, self._up_ms),
            running_up_ms=max(self._low_ms, self._up_ms),
            events=tuple(self._events),
            minutes_ms=self._minutes_ms,
            differs_ms=dict(self._differs),
            exactly_ms=self._exactly_ms,
            differences=tuple(self._differences),
        )

    def _exactly(self, window: Readings) -> list[Span]:
        columns = [c for c in window.columns if c.aggregate is Aggregate.SAMPLE and c.point in self.rules.points]
        points = [Measure(column.point, column.unit, column.decimals) for column in columns]
        judge = StreamJudge(rules=self.rules, points=points, carried=self._standing)
        first, changes = judge.judged.state, list[Change]()
        rows = zip(*(column.values for column in columns), strict=True)
        for at_ms, values in zip(window.times_ms, rows, strict=False):
            changed, events = judge.take(at_ms, values)
            changes += changed
            self._events += events[: SPANS_LIMIT - len(self._events)]
        changes += judge.expire(window.to_ms)
        self._standing = judge.standing
        spans = spans_of(first, changes, window.from_ms, window.to_ms)
        running_ms = _running(spans)
        self._low_ms, self._up_ms = self._low_ms + running_ms, self._up_ms + running_ms
        return spans

    def _by_minute(self, window: Readings, ends: list[int]) -> list[Span]:
        rule = self.rules.run_state
        self._standing = BEGINNING
        self._minutes_ms += window.to_ms - window.from_ms
        if rule is None:
            return []
        by = patient(rule)
        low, up, spans = (
            self._estimate(window, ends, by, aggregate) for aggregate in (Aggregate.MIN, Aggregate.MAX, Aggregate.MEAN)
        )
        self._low_ms += _running(low)
        self._up_ms += _running(up)
        return spans

    def _estimate(self, window: Readings, ends: list[int], by: Rule, aggregate: Aggregate) -> list[Span]:
        """As if each minute had one answer, and that one spoke until the next minute."""
        judged = self._estimates.get(aggregate, UNJUDGED)
        first, changes = judged.state, list[Change]()
        columns = [_values(window, read, aggregate) for read in by.reads]
        nothing: list[int | None] = [None] * len(ends)
        rows = zip(*(nothing if column is None else column for column in columns), strict=True)
        for at_ms, values in zip(window.times_ms, rows, strict=True):
            judged, changed = by.judge(judged, at_ms, values)
            changes += changed
        judged, gone = by.expire(judged, window.to_ms)
        self._estimates[aggregate] = judged
        return spans_of(first, [*changes, *gone], window.from_ms, window.to_ms)

    def _compare(self, window: Readings, spans: list[Span]) -> None:
        signed = window.spans or [(window.from_ms, RunState.UNKNOWN)]
        theirs = spans_of(signed[0][1], signed, window.from_ms, window.to_ms)
        for found in _differences(theirs, spans):
            length_ms = found.to_ms - found.from_ms
            self._differs[found.signed, found.now] += length_ms
            self._exactly_ms += length_ms if window.keep is Keep.EVERY else 0
            if self._differences and self._differences[-1][1:] == (found.from_ms, found.signed, found.now):
                self._differences[-1] = self._differences[-1]._replace(to_ms=found.to_ms)
            elif len(self._differences) < DIFFERENCES_LIMIT:
                self._differences.append(found)

    def _keep(self, spans: list[Span]) -> None:
        for start, end, state in spans:
            if self._spans and self._spans[-1][1:] == (start, state) and not self._left_out:
                self._spans[-1] = (self._spans[-1][0], end, state)
            elif len(self._spans) < SPANS_LIMIT:
                self._spans.append((start, end, state))
            else:
                self._left_out += 1


def patient(rule: Rule) -> Rule:
    """The rule for answers that come once a minute."""
    if isinstance(rule, Fusion):
        first, second = patient(rule.first), patient(rule.second)
        return replace(rule, first=first, second=second)  # type: ignore[arg-type] # a part is no fusion
    hold_ms = max(rule.hold_ms, 2 * MINUTE_MS)
    match rule:
        case Threshold() | PlcState():  # the minute has dwelt already
            return replace(rule, hold_ms=hold_ms, dwell_ms=max(0, rule.dwell_ms - MINUTE_MS))
        case Pulses():
            return replace(rule, hold_ms=hold_ms, longest_cycle_ms=min(rule.longest_cycle_ms + MINUTE_MS, _DAY_MS))
        case IntervalMax():
            return replace(rule, hold_ms=hold_ms)


_DAY_MS: Final = 86_400_000
_OF_RULES: Final = frozenset(("strategy", "limits", "signature", "counter_events"))


def _values(window: Readings, read: Read, aggregate: Aggregate) -> list[int | None] | None:
    column: Column | None = column_of(window, read.point, aggregate) or column_of(window, read.point, Aggregate.LAST)
    return None if column is None else scaled(column, read)


def _running(spans: list[Span]) -> int:
    return sum(end - start for start, end, state in spans if state is RunState.RUNNING)


def _differences(theirs: list[Span], ours: list[Span]) -> Iterator[Difference]:
    """Where two ways to fill the same time say different states."""
    ours = ours or [(theirs[0][0], theirs[-1][1], RunState.UNKNOWN)]
    marks = sorted({at for span in (*theirs, *ours) for at in span[:2]})
    i = j = 0
    for start, end in pairwise(marks):
        while theirs[i][1] <= start:
            i += 1
        while ours[j][1] <= start:
            j += 1
        if theirs[i][2] is not ours[j][2]:
            yield Difference(start, end, theirs[i][2], ours[j][2])
