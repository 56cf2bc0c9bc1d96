"""From readings to a rule that judges the machine, or to a refusal that says what to do. Pure.

1. Where levels of power are apart (levels.py) and the machine stays on them, a threshold tells them apart.
2. Where visits to the running level are short, or levels are only apart that way, the greatest power of an interval
   does: the shortest interval that holds two bursts, nearly always (rhythm.py).
3. Of readings without anybody's word: two levels are off and running, or idle and running; three are off, idle and
   running; all levels below a fiftieth of the highest are off. One level, or more of them, is refused: nobody can know
   what is work.
4. A proposal has judged its own readings before it is made (judged_again.py). On a walk each state must be found again
   in CONFIRMED of its time, or the walk is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from edge_agent.installing.calibrating.advice import (
    CONFIRMED,
    Asked,
    Parts,
    Refusal,
    Rule,
    notes_on,
    one_level,
    restless,
    too_few,
    too_many,
    too_near,
    unconfirmed,
)
from edge_agent.installing.calibrating.judged_again import DWELLS_MS, changes_of, is_steady, shares_of, with_dwell
from edge_agent.installing.calibrating.levels import (
    FAINT_MW,
    LEAST_GAP_TOLD,
    Level,
    Separation,
    divide,
    level_of,
    separation,
)
from edge_agent.installing.calibrating.rhythm import Sample, greatest, intervals_ms, longest_pause_ms
from edge_agent.installing.calibrating.thresholds import thresholds_of
from edge_agent.installing.wording import name_of
from evidence.judging.judge import IntervalMax, RunState, Threshold

OFF_SHARE: Final = 50
"""A level of at most one part in so many of the highest is a machine that is off."""
MINIMUM_WALK: Final = 5
"""Readings of each state of a walk."""
MINIMUM_LEARNED: Final = 40
"""Readings of which nobody said what the machine did."""
STATES: Final = (RunState.STOPPED, RunState.IDLE, RunState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A rule, and what it rests on."""

    rule: Rule
    levels: Mapping[RunState, Level]
    """What was found of each state; of bursts the greatest of each interval."""
    separations: Mapping[RunState, Separation]
    """How far each level is from the one below it."""
    shares: Mapping[RunState, int]
    """Thousandths: of the time that was judged; on a walk of that state's own time, in which it was found again."""
    changes: int
    """How often the state changed; of a walk 0."""
    powers_mw: tuple[int, ...]
    """What the levels were found in."""
    is_told: bool
    """Whether a person said what the machine did."""
    notes: tuple[str, ...]
    """What a person should know before he believes it."""

    @property
    def figure(self) -> int:
        """The least separation, in thousandths."""
        return min(each.figure for each in self.separations.values())


def learn(samples: Sequence[Sample], asked: Asked) -> Proposal | Refusal:
    """A rule from readings of hours in which nobody said what the machine did."""
    if len(samples) < MINIMUM_LEARNED:
        return too_few(f"{len(samples)} readings", MINIMUM_LEARNED)
    refused: Refusal | None = None
    for interval_ms in intervals_ms(samples, asked.period_ms):
        parts = _named(greatest(samples, interval_ms) if interval_ms else samples)
        if isinstance(parts, Refusal):
            refused = refused or parts
            continue
        rule = _rule(parts, interval_ms, asked)
        if not is_steady(samples, rule):
            refused = refused or restless(parts, rule)
            continue
        rule = with_dwell(rule, samples)
        return _proposal(rule, parts, shares_of(samples, rule), notes_on(parts, rule, samples, asked), samples)
    assert refused is not None  # noqa: S101  # the first of the intervals is 0
    return refused


def from_walk(walk: Mapping[RunState, Sequence[Sample]], asked: Asked) -> Proposal | Refusal:
    """A rule from readings of which somebody said what the machine did: RUNNING, and at least one other state."""
    for state, samples in walk.items():
        if len(samples) < MINIMUM_WALK:
            return too_few(f"{len(samples)} good readings of {name_of(state)}", MINIMUM_WALK)
    refused: Refusal | None = None
    working = walk[RunState.RUNNING]
    for interval_ms in intervals_ms(working, asked.period_ms):
        parts = _told(walk, interval_ms)
        if isinstance(parts, Refusal):
            refused = refused or parts
            continue
        rule = _rule(parts, interval_ms, asked)
        if interval_ms and longest_pause_ms(working, rule.running_above_mw) * 2 > interval_ms:
            continue
        shares = {state: shares_of(walk[state], rule).get(state, 0) for state in STATES if state in walk}
        if min(shares.values()) >= CONFIRMED:
            return _proposal(rule, parts, shares, notes_on(parts, rule, working, asked))
        refused = refused or unconfirmed(parts, shares)
    assert refused is not None  # noqa: S101  # the first of the intervals is 0
    return refused


def _proposal(
    rule: Rule,
    parts: Parts,
    shares: Mapping[RunState, int],
    notes: tuple[str, ...],
    learned: Sequence[Sample] = (),
) -> Proposal:
    return Proposal(
        rule=rule,
        levels={state: level_of(powers) for state, powers in parts.items()},
        separations={high: separation(parts[low], parts[high]) for low, high in pairwise(parts)},
        shares=shares,
        changes=changes_of(learned, rule) if learned else 0,
        powers_mw=tuple(power for powers in parts.values() for power in powers),
        is_told=not learned,
        notes=notes,
    )


def _named(series: Sequence[Sample]) -> Parts | Refusal:
    """Rule 3; the states rise."""
    if len(series) < MINIMUM_LEARNED:
        return too_few(f"{len(series)} readings without a pause", MINIMUM_LEARNED)
    found = divide([sample.power_mw for sample in series])
    highest_mw = level_of(found[-1]).median_mw
    off = sum(level_of(powers).median_mw * OFF_SHARE <= highest_mw for powers in found)
    levels = [[power for powers in found[:off] for power in powers], *found[off:]] if off else found
    match len(levels):
        case 1:
            return one_level(levels[0])
        case 2:
            return {RunState.STOPPED if off else RunState.IDLE: levels[0], RunState.RUNNING: levels[1]}
        case 3:
            return dict(zip(STATES, levels, strict=True))
    return too_many(levels)


def _told(walk: Mapping[RunState, Sequence[Sample]], interval_ms: int) -> Parts | Refusal:
    """What was drawn in each state of a walk, or why that is not enough to tell them apart; the states rise."""
    parts: Parts = {}
    for state in STATES:
        if state in walk:
            samples = walk[state]
            own_ms = min(interval_ms, (samples[-1].at_ms - samples[0].at_ms) // 2)
            series = greatest(samples, own_ms) if own_ms else samples
            if len(series) < MINIMUM_WALK:
                return too_few(f"{len(series)} readings of {name_of(state)} without a pause", MINIMUM_WALK)
            parts[state] = sorted(max(abs(sample.power_mw), FAINT_MW) for sample in series)
    for low, high in pairwise(parts):
        apart = separation(parts[low], parts[high])
        if not apart.is_apart(least_gap=LEAST_GAP_TOLD):
            return too_near(parts, low, high, apart)
    return parts


def _rule(parts: Parts, interval_ms: int, asked: Asked) -> Rule:
    running_mw, idle_mw, hysteresis_mw = thresholds_of({state: level_of(powers) for state, powers in parts.items()})
    if interval_ms:
        return IntervalMax(
            running_above_mw=running_mw,
            idle_above_mw=idle_mw,
            interval_ms=interval_ms,
            hold_ms=asked.hold_ms,
            point=asked.point,
        )
    return Threshold(
        running_above_mw=running_mw,
        idle_above_mw=idle_mw,
        hysteresis_mw=hysteresis_mw,
        dwell_ms=DWELLS_MS[0],
        hold_ms=asked.hold_ms,
        point=asked.point,
    )
