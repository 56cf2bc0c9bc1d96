"""What fire sensors and meters measured, by the quarter of an hour, and when they were heard: pure functions.

1. Of each point and quarter, hour and day of Shanghai: the least, the most and the last value. Joining is a join of
   sets: the order of arrival never matters, and what is said twice counts once.
2. Minutes give their least, most and last; samples give themselves. A mean gives nothing.
3. A sample is heard for HEARD_PERIODS periods from its arrival on, a minute with an answer up to its end. What nothing
   speaks for is not painted: it is no data.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from evidence.bodies import Aggregate, Keep, Readings
from evidence.judging.columns import row_ends

SHANGHAI_MS: Final = 8 * 3_600_000
HEARD_PERIODS: Final = 2
"""As long as an answer speaks for a run state, where the box's file says nothing else."""
VALUE_LIMIT: Final = 1 << 62
"""Values beyond it, on both sides, measure nothing, and would not fit a column of a database."""


class Width(IntEnum):
    """For how long a level stands, in milliseconds: what a page draws of a day, a week and a month."""

    QUARTER = 15 * 60_000
    HOUR = 3_600_000
    DAY = 24 * 3_600_000

    def begin_ms(self, at_ms: int) -> int:
        """Where the one that an instant lies in begins: days at midnight in Shanghai."""
        return at_ms - (at_ms + SHANGHAI_MS) % self


Measure: TypeAlias = tuple[str, str, int]
"""(point, unit, decimals): what a value is of, and how it counts."""


class Level(NamedTuple):
    """One point's values in some time."""

    least: int
    most: int
    last_ms: int
    last: int

    def joined(self, other: "Level") -> "Level":
        """What both say together; of two last values of one instant the greater."""
        last_ms, last = max((self.last_ms, self.last), (other.last_ms, other.last))
        return Level(min(self.least, other.least), max(self.most, other.most), last_ms, last)


Place: TypeAlias = tuple[Measure, Width, int]
"""What is measured, for how long, from when on."""

Levels: TypeAlias = dict[Place, Level]


def levels_of(window: Readings, limit_ms: int) -> Levels:
    """What a window says of the time before `limit_ms`."""
    levels: Levels = {}
    for quarter_ms, first, end in _quarters(window.times_ms, limit_ms):
        for column in window.columns:
            if column.aggregate is Aggregate.MEAN:
                continue
            level = _level(window.times_ms[first:end], column.values[first:end])
            if level is not None:
                measure = (column.point, column.unit, column.decimals)
                for width in Width:
                    join(levels, (measure, width, width.begin_ms(quarter_ms)), level)
    return levels


def join(levels: Levels, place: Place, level: Level) -> None:
    """Put what is known of some time to the rest."""
    held = levels.get(place)
    levels[place] = level if held is None else held.joined(level)


def heard_of(window: Readings, limit_ms: int) -> list[tuple[int, int]]:
    """When the device was heard, before `limit_ms`: (from_ms, to_ms), apart and rising."""
    return list(_joined(_minutes(window) if window.keep is Keep.MINUTE else _samples(window), limit_ms))


def _quarters(times_ms: Sequence[int], limit_ms: int) -> Iterator[tuple[int, int, int]]:
    """Each quarter that has rows: its start, its first row, and the one behind its last."""
    end = bisect_left(times_ms, limit_ms)
    first = 0
    while first < end:
        quarter_ms = Width.QUARTER.begin_ms(times_ms[first])
        behind = bisect_left(times_ms, quarter_ms + Width.QUARTER, first, end)
        yield quarter_ms, first, behind
        first = behind


def _level(times_ms: Sequence[int], values: Sequence[int | None]) -> Level | None:
    known = [(at_ms, v) for at_ms, v in zip(times_ms, values, strict=True) if v is not None and abs(v) < VALUE_LIMIT]
    if not known:
        return None
    figures = [value for _, value in known]
    return Level(min(figures), max(figures), *known[-1])


def _samples(window: Readings) -> Iterator[tuple[int, int]]:
    answered = [False] * len(window.times_ms)
    for column in window.columns:
        answered = [was or value is not None for was, value in zip(answered, column.values, strict=True)]
    for at_ms, heard in zip(window.times_ms, answered, strict=True):
        if heard:
            yield at_ms, at_ms + HEARD_PERIODS * window.period_ms


def _minutes(window: Readings) -> Iterator[tuple[int, int]]:
    for at_ms, end_ms, answers in zip(window.times_ms, row_ends(window), window.answered, strict=True):
        if answers:
            yield at_ms, max(end_ms, at_ms + HEARD_PERIODS * window.period_ms)


def _joined(heard: Iterable[tuple[int, int]], limit_ms: int) -> Iterator[tuple[int, int]]:
    """`heard` begins later and later."""
    from_ms = to_ms = -1
    for begin_ms, end_ms in heard:
        if begin_ms >= limit_ms:
            break
        if begin_ms > to_ms:
            if from_ms >= 0:
                yield from_ms, to_ms
            from_ms = begin_ms
        to_ms = max(to_ms, min(end_ms, limit_ms))
    if from_ms >= 0:
        yield from_ms, to_ms
