"""`pulses`: a machine runs while its cycles come. Pure.

A cycle is told by one of three signals of a point:
- `counter`: it rises (a fall from above 99 % to below 1 % of the modulus is a rollover; any other fall is a reset and
  tells nothing);
- `bit`: a bit under the mask comes on, that was off at the answer before;
- `peaks`: the value was at least `low` and has fallen below `low` less the hysteresis, and its greatest was at most
  `high`. A peak beyond that (an inrush, a jam) is no cycle.

1. RUNNING at an answer that tells of a cycle, and while the last one is at most `longest_cycle_ms` ago; then `quiet`.
2. Until a first cycle came, or so long went by without, the state is UNKNOWN.
3. One good answer speaks for `hold_ms`; when that is over, everything is forgotten: what happened in a silence is
   no cycle of the instant at which the silence ends.

How many cycles there were, and how long they took, is counted from the facts (evidence/judging/cycles.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final

from evidence.errors import MalformedError
from evidence.judging.strategies.judged import DAY_MS, Change, Judged, Read, RunState, Values, expired, turned


class Signal(Enum):
    """What tells of a cycle."""

    COUNTER = "counter"
    BIT = "bit"
    PEAKS = "peaks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulses:
    """The strategy `pulses`."""

    strategy: ClassVar = "pulses"

    point: str
    signal: Signal
    longest_cycle_ms: int
    shortest_cycle_ms: int = 0
    """Cycles that follow faster are one that was told twice."""
    quiet: RunState = RunState.STOPPED
    """What the machine does while no cycles come: STOPPED or IDLE."""
    hold_ms: int
    modulus: int = 0
    """Of a counter: where it begins anew; 0 when it never does."""
    mask: int = 1
    """Of a bit."""
    low_milli: int = 0
    high_milli: int = 0
    """Of peaks: the band, in thousandths of the point's unit."""
    hysteresis_milli: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.shortest_cycle_ms < self.longest_cycle_ms <= DAY_MS or self.hold_ms <= 0:
            raise MalformedError("cycles must be 0 <= shortest < longest <= a day, and hold above 0")
        if self.quiet not in (RunState.STOPPED, RunState.IDLE):
            raise MalformedError("without cycles a machine is STOPPED or IDLE")
        match self.signal:
            case Signal.COUNTER if self.modulus < 0:
                raise MalformedError("a modulus must be at least 0")
            case Signal.BIT if not 0 < self.mask < 1 << 64:
                raise MalformedError("a mask must have 1 to 64 bits")
            case Signal.PEAKS if not (self.low_milli <= self.high_milli and self.hysteresis_milli >= 0):
                raise MalformedError("peaks must be low <= high, and hysteresis at least 0")

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "Pulses | None":
        """The rule in a stream's signed settings; None when it is another."""
        match settings:
            case {
                "strategy": cls.strategy,
                "point": str(point),
                "signal": str(signal),
                "longest_cycle_ms": int(longest),
                "shortest_cycle_ms": int(shortest),
                "quiet": int(quiet),
                "hold_ms": int(hold),
            } if signal in _KEYS and quiet in _QUIET:
                own = {key: settings.get(key) for key in _KEYS[signal]}
                if all(isinstance(value, int) for value in own.values()):
                    return cls(
                        point=point,
                        signal=Signal(signal),
                        longest_cycle_ms=longest,
                        shortest_cycle_ms=shortest,
                        quiet=_QUIET[quiet],
                        hold_ms=hold,
                        **own,  # type: ignore[arg-type]
                    )
        return None

    def settings(self) -> dict[str, Any]:
        """The opposite of from_settings."""
        return {
            "strategy": self.strategy,
            "point": self.point,
            "signal": self.signal.value,
            "longest_cycle_ms": self.longest_cycle_ms,
            "shortest_cycle_ms": self.shortest_cycle_ms,
            "quiet": int(self.quiet),
            "hold_ms": self.hold_ms,
            **{key: getattr(self, key) for key in _KEYS[self.signal.value]},
        }

    @property
    def reads(self) -> tuple[Read, ...]:
        """The counter, the register with the bit, or the value with the peaks (in thousandths)."""
        return (Read(self.point, milli=self.signal is Signal.PEAKS),)

    @property
    def memory_ms(self) -> int:
        """No answer older than this counts, but for the one before (and a peak that goes on)."""
        return self.longest_cycle_ms

    def judge(self, before: Judged, at_ms: int, values: Values) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        now, changes = expired(before, at_ms)
        value = values[0]
        if value is None:
            return now, changes
        if now.memory:
            last, mark_ms, cycling = now.memory
            last, cycles = self.cycles(last, value)
            if cycles:
                mark_ms, cycling = at_ms, 1
        else:
            last, mark_ms, cycling = self.first(value), at_ms, 0
        level = self.quiet
        if at_ms - mark_ms <= self.longest_cycle_ms:
            level = RunState.RUNNING if cycling else RunState.UNKNOWN
        return turned(now, changes, at_ms, level, hold_ms=self.hold_ms, memory=(last, mark_ms, cycling))

    def expire(self, before: Judged, at_ms: int) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        return expired(before, at_ms)

    def first(self, value: int) -> int:
        """What is remembered of the first answer; see `cycles`."""
        match self.signal:
            case Signal.COUNTER:
                return value
            case Signal.BIT:
                return 1 if value & self.mask else 0
            case Signal.PEAKS:
                return min(value, _TOP) if value >= self.low_milli else _NO_PEAK

    def cycles(self, last: int, value: int) -> tuple[int, int]:
        """What is remembered now (counter, bit, greatest of the peak that goes on), and how many cycles this tells."""
        match self.signal:
            case Signal.COUNTER:
                return value, max(0, rise(last, value, self.modulus))
            case Signal.BIT:
                bit = 1 if value & self.mask else 0
                return bit, 1 if bit > last else 0
            case Signal.PEAKS:
                if last == _NO_PEAK:
                    return self.first(value), 0
                if value >= self.low_milli - self.hysteresis_milli:
                    return max(last, min(value, _TOP)), 0
                return _NO_PEAK, 1 if last <= self.high_milli else 0

    def is_fresh(self, value: int) -> bool:
        """Whether what came before an answer with this value has no part in what follows (no peak goes on)."""
        return self.signal is not Signal.PEAKS or value < self.low_milli - self.hysteresis_milli


def rise(last: int, value: int, modulus: int) -> int:
    """How much a counter rose, rollover made good; below 0 for a reset."""
    if value < last and modulus and last * 100 > modulus * 99 and value * 100 < modulus:
        return value - last + modulus
    return value - last


_NO_PEAK: Final = -1 << 63
_TOP: Final = 1 << 62
"""A peak is remembered up to here, so that it fits where judging is kept."""
_KEYS: Final = {
    Signal.COUNTER.value: ("modulus",),
    Signal.BIT.value: ("mask",),
    Signal.PEAKS.value: ("low_milli", "high_milli", "hysteresis_milli"),
}
_QUIET: Final = {int(state): state for state in (RunState.STOPPED, RunState.IDLE)}
