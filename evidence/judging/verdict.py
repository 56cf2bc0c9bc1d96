"""What judging a window again said."""

from collections.abc import Iterable
from dataclasses import dataclass

Interval = tuple[int, int]
"""(from_ms, to_ms), the end excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What judging one window again said, in milliseconds of the window."""

    agree_ms: int = 0
    """Exact judging gives the signed state, or the minutes allow it."""
    disagree: tuple[Interval, ...] = ()
    """Where the facts rule the signed state out."""
    open_ms: int = 0
    """Not judged again: no rule known, no such point, not settled after missing statements, or not told by minutes."""

    @property
    def disagree_ms(self) -> int:
        """All of `disagree` together."""
        return length_of(self.disagree)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time in as few intervals as it fits in, rising."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return found


def length_of(intervals: Iterable[Interval]) -> int:
    """All of them together; they do not overlap."""
    return sum(end - start for start, end in intervals)
