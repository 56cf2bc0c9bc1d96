"""Judging the very readings that a rule was made from: it must find in them what it was made of. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Final

from edge_agent.installing.calibrating.advice import Rule
from edge_agent.installing.calibrating.rhythm import Sample, is_calm, is_rhythmic, step_ms
from evidence.judging.judge import UNJUDGED, Change, IntervalMax, Judged, RunState, Span, expire, judge, spans_of

DWELLS_MS: Final = (10_000, 20_000, 30_000, 60_000)


def is_steady(samples: Sequence[Sample], rule: Rule) -> bool:
    """Whether the machine stays running for a while as this kind of rule sees it."""
    if isinstance(rule, IntervalMax):
        return is_rhythmic(samples, rule.running_above_mw, rule.interval_ms)
    return is_calm(samples, rule.running_above_mw)


def with_dwell(rule: Rule, samples: Sequence[Sample]) -> Rule:
    """With the shortest dwell that is hardly more restless than the longest one."""
    if isinstance(rule, IntervalMax):
        return rule
    calmest = changes_of(samples, replace(rule, dwell_ms=DWELLS_MS[-1]))
    candidates = (replace(rule, dwell_ms=dwell_ms) for dwell_ms in DWELLS_MS)
    return next(each for each in candidates if 4 * changes_of(samples, each) <= 5 * calmest + 8)


def changes_of(samples: Sequence[Sample], rule: Rule) -> int:
    """How often the state changes from one that is known to another."""
    states = [state for _, _, state in _spans(samples, rule) if state is not RunState.UNKNOWN]
    return max(0, len(list(groupby(states))) - 1)


def shares_of(samples: Sequence[Sample], rule: Rule) -> dict[RunState, int]:
    """Thousandths of the time in which a state is known, state by state; empty when none ever is."""
    known = [span for span in _spans(samples, rule) if span[2] is not RunState.UNKNOWN]
    known_ms = sum(until_ms - from_ms for from_ms, until_ms, _ in known)
    by_state = groupby(sorted(known, key=itemgetter(2)), key=itemgetter(2))
    return {state: 1000 * sum(until - start for start, until, _ in group) // known_ms for state, group in by_state}


def judging(samples: Sequence[Sample], rule: Rule) -> Iterator[tuple[int, Judged, list[Change]]]:
    """Where judging stands after each reading, and what that changed."""
    by, judged = _patient(rule, samples), UNJUDGED
    for at_ms, power_mw in samples:
        judged, changes = judge(judged, at_ms, (power_mw,), by)
        yield at_ms, judged, changes


def _spans(samples: Sequence[Sample], rule: Rule) -> list[Span]:
    changes: list[Change] = []
    judged, end_ms = UNJUDGED, samples[-1].at_ms + 1
    for _, judged, new in judging(samples, rule):  # noqa: B007  # where it stands at last is used below
        changes += new
    changes += expire(judged, end_ms, _patient(rule, samples))[1]
    return spans_of(RunState.UNKNOWN, changes, samples[0].at_ms, end_ms)


def _patient(rule: Rule, samples: Sequence[Sample]) -> Rule:
    """Nothing is unknown only because readings lie further apart here than they will."""
    return replace(rule, hold_ms=max(rule.hold_ms, 3 * step_ms(samples)))
