"""Judging again (重新判定): whether a machine's signed spans follow from its signed facts by its signed rule.

Pure. Where every sample is kept the answer is exact, to the millisecond. Where minutes are kept it is a bracket: what
they rule out is found (evidence/judging/minutes.py, evidence/judging/brackets.py).

Judging starts anew from UNJUDGED wherever a window does not adjoin the one before it or the configuration changes.
After statements that are missing here nobody knows where it stood; nothing is held against the box until an answer
settles it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from evidence.bodies import Keep, Readings
from evidence.judging.brackets import Brackets
from evidence.judging.columns import answers_of
from evidence.judging.judge import (
    UNJUDGED,
    Answer,
    Change,
    Judged,
    PlcState,
    Rule,
    RunState,
    Threshold,
    expire,
    judge,
    spans_of,
)
from evidence.judging.minutes import PowerMinutes
from evidence.judging.settle import Settled, settle
from evidence.judging.verdict import Interval, Verdict, length_of, merged


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
    _minutes: PowerMinutes | Brackets | None = None
    """Goes on from window to window of minutes."""

    def take(self, window: Readings, ends: list[int], by: Rule | None, *, config: bytes, follows: bool) -> Verdict:
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
        self._minutes = None

    def _by_minute(self, window: Readings, ends: list[int], spans: list[Change], by: Rule) -> Verdict:
        if self._minutes is None:
            fresh = self.settled and self.judged == UNJUDGED
            self._minutes = PowerMinutes(by) if isinstance(by, Threshold) else Brackets.of(by, window, fresh=fresh)
        self.settled = False  # minutes do not tell where exact judging stands
        verdict = self._minutes.take(window, ends, spans, self._last_state)
        if window.spans or verdict.open_ms < window.to_ms - window.from_ms:
            self._last_state = spans[-1][1]
        return verdict

    def _exactly(self, window: Readings, spans: list[Change], by: Rule) -> Verdict:
        self._minutes = None
        answers = answers_of(window, by)
        if answers is None:
            if not window.spans:
                return Verdict(open_ms=window.to_ms - window.from_ms)
            nothing = (None,) * len(by.reads)
            answers = [(at_ms, nothing) for at_ms in window.times_ms]
        self._last_state = spans[-1][1]
        from_ms, taken = window.from_ms, 0
        if not self.settled:
            found = _settle(by, answers, spans, window)
            if found is None:
                return Verdict(open_ms=window.to_ms - window.from_ms)
            (from_ms, self.judged, taken), self.settled = found, True
        first, changes = self.judged.state, []
        for at_ms, values in answers[taken:]:
            self.judged, changed = judge(self.judged, at_ms, values, by)
            changes += changed
        self.judged, gone = expire(self.judged, window.to_ms, by)
        ours = [(start, state) for start, _, state in spans_of(first, [*changes, *gone], from_ms, window.to_ms)]
        wrong = () if ours == spans else _differences(ours, spans, from_ms, window.to_ms)
        return Verdict(
            agree_ms=window.to_ms - from_ms - length_of(wrong), disagree=wrong, open_ms=from_ms - window.from_ms
        )


def _settle(by: Rule, answers: Sequence[Answer], spans: list[Change], window: Readings) -> Settled | None:
    """Where the box's judging is known again, and from when on it can be compared.

    Of a rule with a dwell it is known where the signed state is UNKNOWN (nothing is carried then), and after a good
    answer that speaks for the signed state itself (no other level is wanted then).
    """
    if not isinstance(by, Threshold | PlcState):
        return settle(by, answers, window.from_ms, window.to_ms)
    if spans[0][1] is RunState.UNKNOWN:
        return window.from_ms, UNJUDGED, 0
    starts = [start for start, _ in spans]
    unknown_ms = next((start for start, state in spans if state is RunState.UNKNOWN), window.to_ms)
    known = [answer for answer in answers if answer[0] < unknown_ms]
    for taken, (at_ms, values) in enumerate(known, 1):
        state, value = spans[bisect_right(starts, at_ms) - 1][1], values[0]
        if value is not None and by.level(value, state) is state:
            return at_ms, Judged(state, state, at_ms, at_ms + by.hold_ms), taken
    return (unknown_ms, UNJUDGED, len(known)) if unknown_ms < window.to_ms else None


def _differences(ours: Sequence[Change], theirs: Sequence[Change], from_ms: int, to_ms: int) -> tuple[Interval, ...]:
    """Where two ways to fill from_ms to to_ms say different states."""
    marks = sorted({start for start, _ in (*ours, *theirs) if from_ms < start < to_ms} | {from_ms, to_ms})
    wrong = [(start, end) for start, end in pairwise(marks) if _at(ours, start) is not _at(theirs, start)]
    return tuple(merged(wrong))


def _at(spans: Sequence[Change], at_ms: int) -> RunState:
    return spans[bisect_right(spans, at_ms, key=lambda span: span[0]) - 1][1]
