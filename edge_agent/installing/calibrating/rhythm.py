"""Power in time: the greatest of an interval, visits to a level, and whether a load comes in bursts. Pure.

A press draws its power for a second in ten. Told reading by reading it would start and stop all day long; told by the
greatest power of an interval that holds two bursts, it runs.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median_low
from typing import Final, NamedTuple

INTERVALS_S: Final = (10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
SHORTEST_VISIT_MS: Final = 60_000
"""A machine whose typical run is shorter does not run and stop: it works in bursts."""
SHORTEST_VISIT_STEPS: Final = 4
"""Likewise, in readings."""
VISITS_IN_INTERVALS: Final = 3
"""A typical run of bursts lasts so many intervals: fewer are single bursts."""
FEW_VISITS: Final = 3
"""Fewer runs tell nothing of a typical one."""
NEARLY_ALWAYS: Final = 950
"""Thousandths."""


class Sample(NamedTuple):
    """One good reading."""

    at_ms: int
    power_mw: int


def of_minutes(rows: Iterable[tuple[int, int, int]]) -> list[Sample]:
    """What the box keeps of minutes, (at_ms, least, greatest), as two readings each.

    The one nearer to what was before comes first: a minute in which a machine stopped began running.
    """
    found: list[Sample] = []
    for at_ms, least, most in rows:
        before = found[-1].power_mw if found else least
        first, second = (least, most) if abs(before - least) <= abs(before - most) else (most, least)
        minute_ms = at_ms - at_ms % _MINUTE_MS
        found += (Sample(minute_ms + _MINUTE_MS // 4, first), Sample(minute_ms + 3 * _MINUTE_MS // 4, second))
    return found


def step_ms(samples: Sequence[Sample]) -> int:
    """How far apart readings typically are; 0 for fewer than two."""
    return median_low([after.at_ms - before.at_ms for before, after in pairwise(samples)] or [0])


def intervals_ms(samples: Sequence[Sample], period_ms: int) -> tuple[int, ...]:
    """The intervals that make sense for these readings and this period of asking, rising; at first 0, for none."""
    step, length = max(period_ms, step_ms(samples)), samples[-1].at_ms - samples[0].at_ms if samples else 0
    return 0, *(1000 * s for s in INTERVALS_S if 2 * step <= 1000 * s <= length // 2)


def greatest(samples: Sequence[Sample], interval_ms: int) -> list[Sample]:
    """Of each reading the greatest power, without its sign, within the interval that ends with it.

    Only where the readings before it fill the interval: a pause of more than the interval begins it anew.
    """
    found: list[Sample] = []
    falling: deque[Sample] = deque()
    began_ms = last_ms = samples[0].at_ms if samples else 0
    for at_ms, signed_mw in samples:
        power_mw = abs(signed_mw)
        if at_ms - last_ms > interval_ms:
            falling.clear()
            began_ms = at_ms
        last_ms = at_ms
        while falling and falling[-1].power_mw <= power_mw:
            falling.pop()
        falling.append(Sample(at_ms, power_mw))
        while falling[0].at_ms <= at_ms - interval_ms:
            falling.popleft()
        if at_ms - began_ms >= interval_ms:
            found.append(Sample(at_ms, falling[0].power_mw))
    return found


def visits_ms(samples: Sequence[Sample], above_mw: int) -> list[int]:
    """How long each stay at or above this power lasted, from its first reading to the first one that is not above."""
    return [end - start for start, end in _visits(samples, above_mw)]


def pauses_ms(samples: Sequence[Sample], above_mw: int) -> list[int]:
    """How long each stay below this power lasted, between two above it."""
    return [after - before for (_, before), (after, _) in pairwise(_visits(samples, above_mw))]


def longest_pause_ms(samples: Sequence[Sample], above_mw: int) -> int:
    """The longest stay below this power from the first reading to the last, whichever side those are on."""
    edges = [samples[0].at_ms, *(at_ms for visit in _visits(samples, above_mw) for at_ms in visit), samples[-1].at_ms]
    return max(after - before for before, after in zip(edges[::2], edges[1::2], strict=True))


def is_calm(samples: Sequence[Sample], above_mw: int) -> bool:
    """Whether the machine, read one by one, runs and stops rather than works in bursts."""
    visits = visits_ms(samples, above_mw)
    shortest_ms = max(SHORTEST_VISIT_MS, SHORTEST_VISIT_STEPS * step_ms(samples))
    return len(visits) < FEW_VISITS or median_low(visits) >= shortest_ms


def is_rhythmic(samples: Sequence[Sample], above_mw: int, interval_ms: int) -> bool:
    """Whether bursts above this power come at least twice an interval, nearly always, while the machine works."""
    pauses = sorted(pause for pause in pauses_ms(samples, above_mw) if pause < interval_ms)
    if not pauses or 2 * pauses[(len(pauses) - 1) * NEARLY_ALWAYS // 1000] > interval_ms:
        return False
    return median_low(visits_ms(greatest(samples, interval_ms), above_mw) or [0]) >= VISITS_IN_INTERVALS * interval_ms


def burst_ms(samples: Sequence[Sample], above_mw: int) -> int:
    """How long a burst above this power typically lasts; 0 when there is none."""
    return median_low(visits_ms(samples, above_mw) or [0])


def _visits(samples: Sequence[Sample], above_mw: int) -> list[tuple[int, int]]:
    return list(_each_visit(samples, above_mw))


def _each_visit(samples: Sequence[Sample], above_mw: int) -> Iterator[tuple[int, int]]:
    began_ms: int | None = None
    for at_ms, power_mw in samples:
        if abs(power_mw) >= above_mw:
            began_ms = at_ms if began_ms is None else began_ms
        elif began_ms is not None:
            yield began_ms, at_ms
            began_ms = None
    if began_ms is not None:
        yield began_ms, samples[-1].at_ms


_MINUTE_MS: Final = 60_000
