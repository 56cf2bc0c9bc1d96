"""`fusion`: two signals of one machine, each judged by a rule of its own, and which of them counts. Pure.

1. Where one of the two is UNKNOWN, the other counts; UNKNOWN never wins.
2. Where they differ, `wins` says which counts.
3. They are apart while both are known and exactly one says RUNNING. What lasts longer than `disagreement_ms` is told
   as an event (evidence/judging/stream_judge.py); it changes no state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, Final

from evidence.errors import MalformedError
from evidence.judging.strategies.interval_max import IntervalMax
from evidence.judging.strategies.judged import DAY_MS, UNJUDGED, Change, Judged, Read, RunState, Values
from evidence.judging.strategies.plc_state import PlcState
from evidence.judging.strategies.pulses import Pulses
from evidence.judging.strategies.threshold import Threshold

Single = Threshold | IntervalMax | PlcState | Pulses
"""A rule for one signal."""
SINGLES: Final[tuple[type[Single], ...]] = (Threshold, IntervalMax, PlcState, Pulses)


class Wins(Enum):
    """Which of two known states counts where they differ."""

    FIRST = "first"
    SECOND = "second"
    LOWER = "lower"
    """The one that is less: the cautious choice."""
    HIGHER = "higher"
    NEITHER = "neither"
    """UNKNOWN: contested time is no time that ran."""

    def of(self, first: RunState, second: RunState) -> RunState:
        """The state of the two together."""
        if RunState.UNKNOWN in (first, second):
            return max(first, second)  # the other one
        match self:
            case Wins.FIRST:
                return first
            case Wins.SECOND:
                return second
            case Wins.LOWER:
                return min(first, second)
            case Wins.HIGHER:
                return max(first, second)
            case Wins.NEITHER:
                return first if first is second else RunState.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """The strategy `fusion`."""

    strategy: ClassVar = "fusion"

    first: Single
    second: Single
    wins: Wins
    disagreement_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.disagreement_ms <= DAY_MS:
            raise MalformedError("disagreement must be 0 to a day")

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "Fusion | None":
        """The rule in a stream's signed settings; None when it is another, or one of its two is unknown here."""
        match settings:
            case {
                "strategy": cls.strategy,
                "first": {**first},
                "second": {**second},
                "wins": str(wins),
                "disagreement_ms": int(disagreement),
            } if wins in _WINS:
                one, other = single_from_settings(first), single_from_settings(second)
                if one is not None and other is not None:
                    return cls(first=one, second=other, wins=_WINS[wins], disagreement_ms=disagreement)
        return None

    def settings(self) -> dict[str, Any]:
        """The opposite of from_settings."""
        return {
            "strategy": self.strategy,
            "first": self.first.settings(),
            "second": self.second.settings(),
            "wins": self.wins.value,
            "disagreement_ms": self.disagreement_ms,
        }

    @property
    def reads(self) -> tuple[Read, ...]:
        """What the first reads, then what the second does."""
        return (*self.first.reads, *self.second.reads)

    def judge(self, before: Judged, at_ms: int, values: Values) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        one, other = before.parts or _NEW
        split = len(self.first.reads)
        one_now, one_changes = self.first.judge(one, at_ms, values[:split])
        other_now, other_changes = self.second.judge(other, at_ms, values[split:])
        if not one_changes and not other_changes:
            return Judged(before.state, before.state, 0, 0, (), (one_now, other_now)), []
        return self._together(before, (one_now, other_now), one_changes, other_changes)

    def expire(self, before: Judged, at_ms: int) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        one, other = before.parts or _NEW
        one_now, one_changes = self.first.expire(one, at_ms)
        other_now, other_changes = self.second.expire(other, at_ms)
        if one_now is one and other_now is other:
            return before, []
        return self._together(before, (one_now, other_now), one_changes, other_changes)

    def _together(
        self, before: Judged, now: tuple[Judged, Judged], ones: list[Change], others: list[Change]
    ) -> tuple[Judged, list[Change]]:
        """Both parts' changes in time order, as changes of the two together."""
        states = [part.state for part in before.parts or _NEW]
        state, changes = before.state, []
        both = [*((at_ms, 0, new) for at_ms, new in ones), *((at_ms, 1, new) for at_ms, new in others)]
        for at_ms, group in groupby(sorted(both, key=itemgetter(0)), key=itemgetter(0)):
            for _, which, new in group:
                states[which] = new
            if (fused := self.wins.of(*states)) is not state:
                state = fused
                changes.append((at_ms, state))
        return Judged(state, state, 0, 0, (), now), changes

    def apart(self, judged: Judged) -> bool | None:
        """Whether the two contradict each other: exactly one says RUNNING; None while one is UNKNOWN."""
        one, other = judged.parts or _NEW
        if RunState.UNKNOWN in (one.state, other.state):
            return None
        return (one.state is RunState.RUNNING) is not (other.state is RunState.RUNNING)


def single_from_settings(settings: Mapping[Any, object]) -> Single | None:
    """The rule for one signal in these settings; None when it is another. Raises MalformedError when it is none."""
    for kind in SINGLES:
        if kind.strategy == settings.get("strategy"):
            return kind.from_settings(settings)
    return None


_NEW: Final = (UNJUDGED, UNJUDGED)
_WINS: Final = {wins.value: wins for wins in Wins}
