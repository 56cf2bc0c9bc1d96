"""Which levels of power a machine has: found in its readings, or told by a walk (off, idle, running). Pure.

Powers are compared by their ratio, in thousandths of an octave (1000 is twice as much): from 15 W to 380 W is as far as
from 380 W to 9.6 kW. Whole numbers only.

1. A level is a range of powers in which the machine spends time: at least LEAST_SHARE of it, and LEAST_READINGS.
2. Two levels are apart when all of this holds; the edges of a level are its 5 % and 95 % quantiles:
   - the gap between their edges is at least LEAST_GAP wide;
   - the separation is at least LEAST_SEPARATION: the distance of the two medians, divided by what lies between
     each median and its level's edge at the gap. 1 is levels that touch;
   - the middle half of the gap is THIN times as thinly visited as the thinner of the two levels.
3. Of all divisions into levels that are apart, the finest is taken; among these the one whose cuts lie in the widest
   gaps between two readings. One level is always a division.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from math import exp, log, log2
from typing import Final

LEAST_GAP: Final = 500
"""Milli-octaves: a ratio of 1.41. Narrower, and a warmer day or another product moves one level into the other."""
LEAST_GAP_TOLD: Final = 200
"""Likewise where a person said which level is which: a ratio of 1.15."""
LEAST_SEPARATION: Final = 2_000
"""Thousandths."""
THIN: Final = 4
LEAST_SHARE: Final = 5
"""Thousandths of the readings."""
LEAST_READINGS: Final = 10
LEVELS_LIMIT: Final = 5

FAINT_MW: Final = 5_000
"""Below 5 W, or a thousandth of the greatest power, all is alike: what a meter reads of a machine that is off."""
FAINT_SHARE: Final = 1_000

_CANDIDATES: Final = 16
"""Gaps that are looked at, the widest ones."""
_STEPS: Final = 1_000
"""In quantiles of so many steps."""
_LEAST_FLANK: Final = 60
"""Milli-octaves between a median and its edge, at least: nearer is a meter's own resolution."""
LOW_EDGE: Final = 50
HIGH_EDGE: Final = 950
"""Thousandths of a level's readings below its edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A range of powers; milliwatts."""

    least_mw: int
    low_mw: int
    """The 5 % quantile: its lower edge."""
    median_mw: int
    high_mw: int
    """The 95 % quantile: its upper edge."""
    greatest_mw: int
    readings: int

    @property
    def spread(self) -> int:
        """Milli-octaves between its edges."""
        return octaves(self.high_mw) - octaves(self.low_mw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How far two neighbouring levels are apart."""

    figure: int
    """Thousandths; see the rules."""
    gap: int
    """Milli-octaves between the edges; 0 or less when they overlap."""
    is_thin: bool
    """Whether next to no time was spent in the middle of the gap."""

    def is_apart(self, *, least_gap: int = LEAST_GAP) -> bool:
        """Rule 2."""
        return self.gap >= least_gap and self.figure >= LEAST_SEPARATION and self.is_thin


def octaves(power_mw: int) -> int:
    """The power's logarithm in milli-octaves."""
    return round(1000 * log2(max(1, power_mw)))


def between(low_mw: int, high_mw: int, *, share: Fraction = Fraction(1, 2)) -> int:
    """The power so far on the way from low to high as ratios go; by default half way."""
    return round(low_mw * exp(log(high_mw / low_mw) * share))


def faint_mw(powers_mw: Iterable[int]) -> int:
    """At and below this a machine is off, whatever the meter says."""
    return max(FAINT_MW, max(map(abs, powers_mw), default=0) // FAINT_SHARE)


def level_of(powers_mw: Iterable[int], *, faint: int = FAINT_MW) -> Level:
    """All of these as one level; there must be at least one."""
    return _level(_rising(powers_mw, faint))


def divide(powers_mw: Sequence[int]) -> list[list[int]]:
    """The powers of each level in these readings, rising, without their sign; one level where none are apart."""
    if not powers_mw:
        return []
    rising = _rising(powers_mw, faint_mw(powers_mw))
    bounds = _finest(list(map(octaves, rising)))
    return [rising[start:end] for start, end in pairwise(bounds)]


def separation(low_mw: Iterable[int], high_mw: Iterable[int]) -> Separation:
    """How far the powers of one level and of a higher one are apart; there must be some of each."""
    low, high = _rising(low_mw, FAINT_MW), _rising(high_mw, FAINT_MW)
    return _separation([*map(octaves, low), *map(octaves, high)], 0, len(low), len(low) + len(high))


def nearest(powers_mw: Sequence[int]) -> Separation:
    """Of the two levels that come nearest to being apart in these readings; each has a tenth of them at least."""
    logs = list(map(octaves, _rising(powers_mw, faint_mw(powers_mw))))
    cuts = {len(logs) * twentieth // 20 for twentieth in range(2, 19)} - {0} or {len(logs) // 2}
    return max((_separation(logs, 0, cut, len(logs)) for cut in cuts), key=lambda each: each.figure)


def _rising(powers_mw: Iterable[int], faint: int) -> list[int]:
    return sorted(max(abs(power), faint) for power in powers_mw)


def _level(rising: Sequence[int]) -> Level:
    return Level(
        least_mw=rising[0],
        low_mw=rising[_quantile(0, len(rising), LOW_EDGE)],
        median_mw=rising[len(rising) // 2],
        high_mw=rising[_quantile(0, len(rising), HIGH_EDGE)],
        greatest_mw=rising[-1],
        readings=len(rising),
    )


def _finest(logs: Sequence[int]) -> list[int]:
    """Where the levels of rule 3 begin, and where the last one ends."""
    fewest = max(LEAST_READINGS, len(logs) * LEAST_SHARE // 1000)

    @cache
    def are_apart(start: int, cut: int, end: int) -> bool:
        return min(cut - start, end - cut) >= fewest and _separation(logs, start, cut, end).is_apart()

    finest = [0, len(logs)]
    cuts = _gaps(logs)
    for parts in range(2, LEVELS_LIMIT + 1):
        divisions = ([0, *chosen, len(logs)] for chosen in combinations(cuts, parts - 1))
        apart = (bounds for bounds in divisions if all(are_apart(*bounds[at : at + 3]) for at in range(parts - 1)))
        finest = max(apart, key=lambda bounds: min(logs[cut] - logs[cut - 1] for cut in bounds[1:-1]), default=finest)
    return finest


def _gaps(logs: Sequence[int]) -> list[int]:
    """Where the widest gaps between quantiles are, rising."""
    steps = min(_STEPS, len(logs) - 1)
    places = [step * (len(logs) - 1) // steps for step in range(steps + 1)] if steps else []
    wide = sorted(pairwise(places), key=lambda gap: logs[gap[0]] - logs[gap[1]])[:_CANDIDATES]
    cuts = (bisect_left(logs, (logs[low] + logs[high] + 1) // 2, low, high) for low, high in wide)
    return sorted({cut for cut in cuts if 0 < cut < len(logs)})


def _separation(logs: Sequence[int], start: int, cut: int, end: int) -> Separation:
    """Of logs[start:cut] and logs[cut:end], each rising."""
    edge_low, edge_high = logs[_quantile(start, cut, HIGH_EDGE)], logs[_quantile(cut, end, LOW_EDGE)]
    median_low, median_high = logs[(start + cut) // 2], logs[(cut + end) // 2]
    flanks = max(_LEAST_FLANK, edge_low - median_low) + max(_LEAST_FLANK, median_high - edge_high)
    gap = edge_high - edge_low
    inner = edge_low + gap // 4, edge_high - gap // 4
    inside = sum(
        bisect_left(logs, inner[1], *part) - bisect_right(logs, inner[0], *part) for part in ((start, cut), (cut, end))
    )
    thinnest = min(_density(logs, start, cut), _density(logs, cut, end))
    return Separation(
        figure=1000 * (median_high - median_low) // flanks,
        gap=gap,
        is_thin=gap > 0 and THIN * Fraction(2 * inside, gap) <= thinnest,
    )


def _density(logs: Sequence[int], start: int, end: int) -> Fraction:
    """Readings a milli-octave between a level's edges."""
    low, high = _quantile(start, end, LOW_EDGE), _quantile(start, end, HIGH_EDGE)
    return Fraction(max(1, high - low), max(2 * _LEAST_FLANK, logs[high] - logs[low]))


def _quantile(start: int, end: int, permille: int) -> int:
    return start + (end - start - 1) * permille // 1000
