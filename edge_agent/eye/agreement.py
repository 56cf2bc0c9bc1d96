"""Several ways of counting watch one gate; what each tells is held against the others. Pure.

The first source counts. The others are its witnesses: a crossing that a witness saw too, in the same direction at about
the same time, is surer for it; one that no witness saw is told with less confidence, and if the first source was not
`SURE` of it, or witnesses alone saw it, it is no crossing, but is said as a `Doubt`. Nothing is merged silently.
Where both saw it, its time is the witness's, who follows the thing's centre.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from edge_agent.eye.gate import Crossing

SAME_MS: Final = 600
"""Two sources place the same crossing so near in time; a quarter of it is usual."""

HOLD_MS: Final = 2_500
"""A witness may tell a crossing so long after it happened; the first source's waits for that."""

DOUBT_MS: Final = 20_000
"""What a witness alone saw is doubtful when the first source has not told it by then."""

HELD: Final = 512
"""Crossings held at once; beyond that the oldest are told as they are."""

SURE: Final = 450
"""Permille: with less confidence the first source needs a witness."""

LONELY: Final = 0.5
"""Share of the confidence that is left where there are witnesses and none saw it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Only this source saw this crossing, or several witnesses did: then the last of them. It is not counted."""

    crossing: Crossing
    source: int


@dataclass(slots=True, kw_only=True)
class _Held:
    crossing: Crossing
    seen_by: int
    centre_ms: int | None = None
    """When the first witness saw its centre on the line."""

    def witnessed(self, crossing: Crossing, bit: int) -> None:
        self.seen_by |= bit
        if self.centre_ms is None:
            self.centre_ms = crossing.at_ms


class Agreement:
    """Feed it each source's crossings as they come; it tells what stands."""

    def __init__(self, sources: int) -> None:
        if sources < 1:
            raise ValueError("a gate is counted by one source at least")
        self._witnesses = sources - 1
        self._held: list[_Held] = []
        self._alone: list[_Held] = []

    def hear(self, source: int, crossing: Crossing) -> None:
        """Take what one source tells; 0 is the one that counts."""
        bit = 1 << source
        if source == 0:
            held = _Held(crossing=crossing, seen_by=bit)
            for number in range(1, self._witnesses + 1):
                fitting = [one for one in self._alone if one.seen_by == 1 << number and _same(one.crossing, crossing)]
                if fitting:
                    nearest = min(fitting, key=lambda one: abs(one.crossing.at_ms - crossing.at_ms))
                    self._alone.remove(nearest)
                    held.witnessed(nearest.crossing, nearest.seen_by)
            self._held.append(held)
            return
        fitting = [one for one in self._held if not one.seen_by & bit and _same(one.crossing, crossing)]
        if fitting:
            min(fitting, key=lambda one: abs(one.crossing.at_ms - crossing.at_ms)).witnessed(crossing, bit)
        else:
            self._alone.append(_Held(crossing=crossing, seen_by=bit))

    def tell(self, now_ms: int, *, everything: bool = False) -> tuple[Crossing | Doubt, ...]:
        """What stands by now, in order of time; `everything`: nothing more will come."""
        hold_ms = HOLD_MS if self._witnesses else 0
        due = [one for one in self._held if everything or now_ms - one.crossing.at_ms >= hold_ms]
        due += self._held[: max(0, len(self._held) - len(due) - HELD)] if len(due) < len(self._held) else []
        self._held = [one for one in self._held if one not in due]
        late = [one for one in self._alone if everything or now_ms - one.crossing.at_ms >= DOUBT_MS]
        late += self._alone[: max(0, len(self._alone) - len(late) - HELD)] if len(late) < len(self._alone) else []
        self._alone = [one for one in self._alone if one not in late]
        told = [self._told(one) for one in due]
        told += [Doubt(crossing=one.crossing, source=one.seen_by.bit_length() - 1) for one in late]
        return tuple(sorted(told, key=_when))

    def forget_all(self) -> None:
        """After a blind time nothing is held against what was before."""
        self._alone.clear()

    def _told(self, one: _Held) -> Crossing | Doubt:
        chance = one.crossing.confidence_permille / 1000
        saw = (one.seen_by >> 1).bit_count()
        if self._witnesses and not saw and one.crossing.confidence_permille < SURE:
            return Doubt(crossing=one.crossing, source=0)
        if self._witnesses:
            chance = 1 - (1 - chance) * 0.4**saw if saw else chance * LONELY
        at_ms = one.crossing.at_ms if one.centre_ms is None else one.centre_ms
        return replace(one.crossing, at_ms=at_ms, confidence_permille=round(1000 * chance), sources=one.seen_by)


def _same(one: Crossing, other: Crossing) -> bool:
    return one.direction is other.direction and abs(one.at_ms - other.at_ms) <= SAME_MS


def _when(told: Crossing | Doubt) -> int:
    return told.at_ms if isinstance(told, Crossing) else told.crossing.at_ms
