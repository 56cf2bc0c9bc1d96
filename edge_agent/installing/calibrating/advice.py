"""What the bench says to a person: why nothing is proposed and what to do; what to know before believing it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from edge_agent.installing.calibrating.levels import (
    FAINT_MW,
    LEAST_GAP,
    LEAST_GAP_TOLD,
    LEAST_SEPARATION,
    Level,
    Separation,
    level_of,
    nearest,
)
from edge_agent.installing.calibrating.rhythm import Sample, burst_ms
from edge_agent.installing.wording import duration, figure, name_of, percent, ratio, watts
from evidence.judging.judge import IntervalMax, RunState, Threshold

CONFIRMED: Final = 950
"""Thousandths of a walk's time in which each state must be found again."""
ALMOST_OFF: Final = 10
"""A lowest level above one part in so many of the highest makes one wonder."""
WIDE: Final = 2_000
"""Milli-octaves: a level whose edges are a ratio of 4 apart makes one wonder, too."""
WALK: Final = "walk it through off, idle and running: `edge-agent calibrate MACHINE` without --learn"

Rule = Threshold | IntervalMax
Parts = dict[RunState, list[int]]
"""The powers of each state in milliwatts, rising."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How the machine is read when it is judged."""

    point: str
    period_ms: int
    hold_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing is proposed, and what to do."""

    why: str
    next_step: str
    levels: tuple[Level, ...] = ()
    powers_mw: tuple[int, ...] = field(default=(), repr=False)


def too_few(what: str, wanted: int) -> Refusal:
    """There is hardly anything to go by."""
    next_step = "take longer; `edge-agent watch-line` shows whether the device answers"
    return Refusal(why=f"{what} are too few: at least {wanted} are wanted", next_step=next_step)


def one_level(powers_mw: Sequence[int]) -> Refusal:
    """Nothing in these readings is apart."""
    level = level_of(powers_mw)
    if level.median_mw <= 2 * FAINT_MW:
        why = f"it drew next to nothing all the time, {watts(level.median_mw)}: it was never switched on"
        next_step = f"let it work while it is learned; if it did work, {_CLAMP}"
    elif level.spread < LEAST_GAP:
        why = f"it did the same all the time, at {watts(level.median_mw)}: there is one level only"
        next_step = f"learn over hours in which it also stands still, or {WALK}"
    else:
        best = min(nearest(powers_mw).figure, LEAST_SEPARATION - 1)
        why = (
            f"its power lies anywhere between {watts(level.low_mw)} and {watts(level.high_mw)}: no two levels are apart"
            f" (separation {figure(best)} at best; {figure(LEAST_SEPARATION)} is needed)"
        )
        next_step = f"{WALK}; or judge it by a contact or a register that says whether it works"
    return Refusal(why=why, next_step=next_step, levels=(level,), powers_mw=tuple(powers_mw))


def too_many(levels: Sequence[Sequence[int]]) -> Refusal:
    """More levels than there are states."""
    medians = ", ".join(watts(level_of(level).median_mw) for level in levels)
    return Refusal(
        why=f"there are {len(levels)} levels, {medians}: nobody can know which of them are work",
        next_step=WALK,
        levels=tuple(map(level_of, levels)),
        powers_mw=tuple(power for level in levels for power in level),
    )


def too_near(parts: Parts, low: RunState, high: RunState, apart: Separation) -> Refusal:
    """Two states of a walk draw about the same."""
    below, above = level_of(parts[low]), level_of(parts[high])
    if above.median_mw <= below.median_mw:
        why = f"{name_of(high)} draws no more than {name_of(low)}: {watts(above.median_mw)}, {watts(below.median_mw)}"
    else:
        why = (
            f"{name_of(low)} and {name_of(high)} are too near each other: {watts(below.low_mw)} to"
            f" {watts(below.high_mw)}, and {watts(above.low_mw)} to {watts(above.high_mw)} (separation"
            f" {figure(apart.figure)}; {figure(LEAST_SEPARATION)} is needed, and a gap of {ratio(LEAST_GAP_TOLD)})"
        )
    if above.median_mw <= 2 * FAINT_MW and high is RunState.RUNNING:
        next_step = f"{_CLAMP}: see `edge-agent watch-line`"
    elif high is RunState.IDLE:
        next_step = "if it draws nothing of its own while it idles, walk it without idling: --idle 0"
    else:
        next_step = "walk it again, working as it does every day, and for longer: --running 300"
    return _of_parts(parts, why, next_step)


def restless(parts: Parts, rule: Rule) -> Refusal:
    """It neither stays running nor comes in bursts."""
    why = f"it goes above {watts(rule.running_above_mw)} and back again too often, and in no rhythm"
    return _of_parts(parts, why, WALK)


def unconfirmed(parts: Parts, shares: Mapping[RunState, int]) -> Refusal:
    """The rule does not find the walk again."""
    found = ", ".join(f"{name_of(state)} {percent(share)}" for state, share in shares.items())
    why = f"judged by these levels the walk is not found again: {found}; {percent(CONFIRMED)} is needed"
    return _of_parts(parts, why, "change what the machine does only when you are asked to, and walk it again")


def notes_on(parts: Parts, rule: Rule, samples: Sequence[Sample], asked: Asked) -> tuple[str, ...]:
    """What to know of a rule that was made from these readings."""
    notes = []
    idle_above, running_above = watts(rule.idle_above_mw), watts(rule.running_above_mw)
    lowest_mw = level_of(parts[min(parts)]).median_mw
    if RunState.STOPPED not in parts:
        notes.append(f"it was never off; below {idle_above}, half its least idle power, it will be called off")
    elif lowest_mw * ALMOST_OFF > level_of(parts[RunState.RUNNING]).median_mw:
        notes.append(f"off, it still draws {watts(lowest_mw)}: was it really switched off?")
    if RunState.IDLE not in parts:
        notes.append(f"it was never idle; from {idle_above} to {running_above} it will be called idle")
    for state, powers in parts.items():
        level = level_of(powers)
        if level.spread > WIDE:
            span = f"{watts(level.low_mw)} to {watts(level.high_mw)}"
            notes.append(f"{name_of(state)} draws anything from {span}: more than one level may hide in it")
    if isinstance(rule, IntervalMax):
        burst = burst_ms(samples, rule.running_above_mw)
        notes.append(f"it works in bursts; it runs while the last {duration(rule.interval_ms)} had one")
        if burst < 2 * asked.period_ms:
            often = f"it is asked every {duration(asked.period_ms)}, and a burst lasts {duration(burst)}"
            notes.append(f"{often}: give it a shorter period_s, or bursts will be missed")
    return tuple(notes)


def _of_parts(parts: Parts, why: str, next_step: str) -> Refusal:
    powers_mw = tuple(power for powers in parts.values() for power in powers)
    return Refusal(why=why, next_step=next_step, levels=tuple(map(level_of, parts.values())), powers_mw=powers_mw)


_CLAMP: Final = "the current clamp is around another cable, or the meter is another machine's"
