"""From when on it is known where a box's judging stands, whatever was carried into what can be seen. Pure.

After missing statements nobody knows what the box had seen before. Every rule forgets: when nothing was answered for as
long as an answer speaks, or when answers went on for longer than the rule looks back.
"""

from collections.abc import Sequence

from evidence.judging.judge import (
    UNJUDGED,
    Answer,
    Fusion,
    IntervalMax,
    Judged,
    PlcState,
    Pulses,
    Rule,
    RunState,
    Single,
    Threshold,
    judge,
)

Settled = tuple[int, Judged, int]
"""(UTC ms from which on it is known, where judging stands then, how many of the answers that took in)."""


def settle(by: Rule, answers: Sequence[Answer], from_ms: int, to_ms: int) -> Settled | None:
    """The first such instant between from_ms and to_ms; None when there is none."""
    if not isinstance(by, Fusion):
        return _single(by, answers, from_ms, to_ms)
    split = len(by.first.reads)
    one = _single(by.first, [(at_ms, values[:split]) for at_ms, values in answers], from_ms, to_ms)
    other = _single(by.second, [(at_ms, values[split:]) for at_ms, values in answers], from_ms, to_ms)
    if one is None or other is None:
        return None
    at_ms, taken = max(one[0], other[0]), max(one[2], other[2])
    first = _caught_up(by.first, one, [(t, values[:split]) for t, values in answers[:taken]], at_ms)
    second = _caught_up(by.second, other, [(t, values[split:]) for t, values in answers[:taken]], at_ms)
    state = by.wins.of(first.state, second.state)
    return at_ms, Judged(state, state, 0, 0, (), (first, second)), taken


def _caught_up(by: Single, settled: Settled, answers: Sequence[Answer], at_ms: int) -> Judged:
    """Judging goes on from where it was settled."""
    _, judged, taken = settled
    for answered_ms, values in answers[taken:]:
        judged, _ = judge(judged, answered_ms, values, by)
    return by.expire(judged, at_ms)[0]


def _single(by: Single, answers: Sequence[Answer], from_ms: int, to_ms: int) -> Settled | None:
    heard_ms = from_ms  # what was carried in was answered before, and speaks for hold_ms at most
    warm: _Dwelling | _Remembering = _Dwelling(by) if isinstance(by, Threshold | PlcState) else _Remembering(by)
    for taken, (at_ms, values) in enumerate(answers):
        if at_ms - heard_ms >= by.hold_ms:
            return heard_ms + by.hold_ms, UNJUDGED, taken
        value = values[0]
        if value is not None:
            heard_ms = at_ms
            if (judged := warm.settled(at_ms, value)) is not None:
                return at_ms, judged, taken + 1
    return (heard_ms + by.hold_ms, UNJUDGED, len(answers)) if to_ms - heard_ms >= by.hold_ms else None


class _Dwelling:
    """Answers that all speak for one level, from wherever it is seen, lead to it within the dwell."""

    def __init__(self, by: Threshold | PlcState) -> None:
        self._by = by
        self._level: RunState | None = None
        self._since_ms = 0

    def settled(self, at_ms: int, value: int) -> Judged | None:
        level = self._by.plain_level(value)
        if level is not self._level:
            self._level, self._since_ms = level, at_ms
        if level is None or at_ms - self._since_ms < self._by.dwell_ms:
            return None
        return UNJUDGED if level is RunState.UNKNOWN else Judged(level, level, at_ms, at_ms + self._by.hold_ms)


class _Remembering:
    """What these rules remember is no older than `memory_ms`."""

    def __init__(self, by: IntervalMax | Pulses) -> None:
        self._by = by
        self._begun_ms: int | None = None
        self._judged = UNJUDGED

    def settled(self, at_ms: int, value: int) -> Judged | None:
        if self._begun_ms is None:
            if isinstance(self._by, Pulses) and not self._by.is_fresh(value):
                return None
            self._begun_ms = at_ms
        self._judged, _ = self._by.judge(self._judged, at_ms, (value,))
        return self._judged if at_ms - self._begun_ms > self._by.memory_ms else None
