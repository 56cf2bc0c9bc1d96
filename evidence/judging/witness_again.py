"""A meter's counts and clock, for who judges again without knowing where the box stood. Pure.

After missing statements a count is known from its first answer on, the clock from the first that shows it off, or well
within. Where minutes are kept, the last value of a minute differs from the one before it only if the
box saw a change in that minute; a count that went up and came back inside it leaves nothing to see.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evidence.bodies import Aggregate, Readings
from evidence.judging.columns import column_of
from evidence.judging.witness import CLOCK, Witness, whole_s


def sure_from(by: Witness, window: Readings) -> Iterator[tuple[str, int]]:
    """(a count, or CLOCK; from when on its events can be judged again), of what this window settles."""
    for name in by.counts:
        if (first_ms := first_ms_of(window, name)) is not None:
            yield name, first_ms + 1
    columns = [column_of(window, name, Aggregate.SAMPLE) for name in by.clock]
    shown = [[whole_s(v, c.decimals) for v in c.values] for c in columns if c is not None]
    if shown and len(shown) == len(by.clock):
        for at_ms, seconds in zip(window.times_ms, zip(*shown, strict=True), strict=True):
            off_s = by.offset_s(at_ms, seconds)
            if off_s is not None and any(by.turned(is_off=is_off, off_s=off_s) for is_off in (False, True)):
                yield CLOCK, at_ms + 1
                return


def first_ms_of(window: Readings, point: str) -> int | None:
    """When the point first had a value; None when it had none."""
    column = column_of(window, point, Aggregate.SAMPLE)
    values = [] if column is None else column.values
    return next((at_ms for at_ms, value in zip(window.times_ms, values, strict=False) if value is not None), None)


class Changed(NamedTuple):
    """A minute in which a count changed."""

    point: str
    from_ms: int
    to_ms: int


@dataclass(slots=True)
class WitnessMinutes:
    """One window's minutes."""

    last: dict[str, int]
    """What each count was at the window's end."""
    untold: list[Changed] = field(default_factory=list)
    """Changes of which no event was heard yet."""

    @classmethod
    def of(
        cls, counts: Sequence[str], window: Readings, ends: Sequence[int], before: Mapping[str, int]
    ) -> "WitnessMinutes":
        """`before` is what they were before the window, as far as that is known."""
        minutes = cls({name: before[name] for name in counts if name in before})
        for name in counts:
            column = column_of(window, name, Aggregate.LAST)
            values = [] if column is None else column.values
            for from_ms, to_ms, value in zip(window.times_ms, ends, values, strict=False):
                if value is not None and minutes.last.setdefault(name, value) != value:
                    minutes.untold.append(Changed(name, from_ms, to_ms))
                    minutes.last[name] = value
        return minutes

    def take(self, point: str, at_ms: int) -> bool:
        """Hear of an event; whether the minutes show it."""
        for change in self.untold:
            if change.point == point and change.from_ms <= at_ms < change.to_ms:
                self.untold.remove(change)
                return True
        return False
