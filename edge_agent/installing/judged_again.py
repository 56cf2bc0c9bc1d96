"""Judging the very readings that a rule was made from: it must find in them what it was made of. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Final

from edge_agent.installing.advice import Rule
from edge_agent.installing.rhythm import Sample, is_calm, is_rhythmic, step_ms
from evidence.judge import UNJUDGED, Change, IntervalMax, RunState, Span, expire, judge, spans_of

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
    spans = [span for span in _spans(samples, rule) if span[2] is not RunState.UNKNOWN]
    known_ms = sum(until_ms - from_ms for from_ms, until_ms, _ in spans)
    by_state = groupby(sorted(spans, key=itemgetter(2)), key=itemgetter(2))
    return {state: 1000 * sum(until - start for start, until, _ in group) // known_ms for state, group in by_state}


def _spans(samples: Sequence[Sample], rule: Rule) -> list[Span]:
    """As the rule judges these readings; nothing is unknown only because they lie further apart than usual."""
    by = replace(rule, hold_ms=max(rule.hold_ms, 3 * step_ms(samples)))
    judged, changes = UNJUDGED, list[Change]()
    for at_ms, power_mw in samples:
        judged, new = judge(judged, at_ms, (power_mw,), by)
        changes += new
    end_ms = samples[-1].at_ms + 1
    changes += expire(judged, end_ms, by)[1]
    return spans_of(RunState.UNKNOWN, changes, samples[0].at_ms, end_ms)
