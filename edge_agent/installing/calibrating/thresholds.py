"""From what a machine draws when it is off, idle and running to the rule that tells them apart. Pure.

1. Each threshold lies half way in its gap, as ratios go, rounded to two digits. Where the machine was never off, the
   idle threshold is half the least idle power.
2. Where no idle level is known the gap is parted in three, and the running threshold is at least half the least running
   power and a quarter of the typical one: an idling motor is not taken for work.
3. The hysteresis takes at most half of what lies between a threshold and the level below it, and a fifth of the
   threshold.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from edge_agent.installing.calibrating.levels import Level, between
from evidence.judging.judge import IntervalMax, RunState, Threshold

DIGITS: Final = 2
"""Of a threshold; a person can say it on the telephone."""
_THIRD: Final = Fraction(1, 3)

Levels = Mapping[RunState, Level]


class Thresholds(NamedTuple):
    """Milliwatts."""

    running_above_mw: int
    idle_above_mw: int
    hysteresis_mw: int


def thresholds_of(levels: Levels) -> Thresholds:
    """RUNNING must be among the levels, and at least one below it; they must not overlap."""
    running = levels[RunState.RUNNING]
    off, idle = levels.get(RunState.STOPPED), levels.get(RunState.IDLE)
    below = idle or off
    assert below is not None  # noqa: S101  # the caller's promise
    if idle is None:
        low_mw, high_mw = below.high_mw, running.low_mw
        idle_mw = rounded(between(low_mw, high_mw, share=_THIRD), low_mw, high_mw)
        running_mw = rounded(max(between(low_mw, high_mw, share=2 * _THIRD), high_mw // 2), idle_mw, high_mw)
        running_mw = max(running_mw, _digits(running.median_mw // 4, DIGITS))
    else:
        running_mw = rounded(between(idle.high_mw, running.low_mw), idle.high_mw, running.low_mw)
        floor_mw = off.high_mw if off else idle.low_mw // 4  # half way from there is half the least idle power
        idle_mw = rounded(between(floor_mw, idle.low_mw), floor_mw, idle.low_mw)
    running_room_mw = min((running_mw - below.high_mw) // 2, running_mw // 5)
    idle_room_mw = min((idle_mw - (off.high_mw if off else 0)) // 2, idle_mw // 5)
    return Thresholds(running_mw, idle_mw, _digits(min(running_room_mw, idle_room_mw), DIGITS))


def rounded(power_mw: int, low_mw: int, high_mw: int) -> int:
    """To as few digits, but two at least, as keep it in the middle half of its gap."""
    for digits in range(DIGITS, 12):
        found = _digits(power_mw, digits)
        if between(low_mw, high_mw, share=Fraction(1, 4)) <= found <= between(low_mw, high_mw, share=Fraction(3, 4)):
            return found
    return power_mw


def settings_in_file(rule: Threshold | IntervalMax) -> dict[str, str | int | Decimal | None]:
    """The keys of [machine.run_state] that make this rule; None takes a key away that does not belong to it."""
    same: dict[str, str | int | Decimal | None] = {
        "strategy": rule.strategy,
        "point": rule.point,
        "running_above_w": in_file(rule.running_above_mw),
        "idle_above_w": in_file(rule.idle_above_mw),
    }
    if isinstance(rule, IntervalMax):
        return same | {"interval_s": in_file(rule.interval_ms), "hysteresis_w": None, "dwell_s": None}
    return same | {
        "hysteresis_w": in_file(rule.hysteresis_mw),
        "dwell_s": in_file(rule.dwell_ms),
        "interval_s": None,
    }


def in_file(thousandths: int) -> int | Decimal:
    """As a file says it, in whole units or with a point."""
    whole, rest = divmod(thousandths, 1000)
    return Decimal(thousandths).scaleb(-3).normalize() if rest else whole


def _digits(number: int, digits: int) -> int:
    """Rounded to so many digits."""
    unit = int(10 ** max(0, len(str(number)) - digits))
    return (number + unit // 2) // unit * unit
