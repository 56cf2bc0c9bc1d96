"""`interval_max`: the greatest power of the last interval, for loads that come in bursts. Pure.

A press or an injection moulding machine draws power for a second in ten; between the bursts it works as well.

1. RUNNING while an answer of the last `interval_ms` had at least `running_above_mw`; IDLE while none had and one had
   at least `idle_above_mw`; else STOPPED. So a run is seen to end an interval after its last burst.
2. Until a whole interval was observed, only RUNNING can be said; the state is UNKNOWN.
3. One good answer speaks for `hold_ms`; when that is over, everything is forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from evidence.errors import MalformedError
from evidence.judging.strategies.judged import DAY_MS, Change, Judged, Read, RunState, Values, expired, turned


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMax:
    """The strategy `interval_max`: milliwatts and milliseconds."""

    strategy: ClassVar = "interval_max"

    running_above_mw: int
    idle_above_mw: int
    interval_ms: int
    hold_ms: int
    point: str = "active_power"

    def __post_init__(self) -> None:
        if not 0 < self.idle_above_mw <= self.running_above_mw:
            raise MalformedError("thresholds must be 0 < idle_above <= running_above")
        if not 0 < self.interval_ms <= DAY_MS or self.hold_ms <= 0:
            raise MalformedError("interval and hold must be above 0, and the interval at most a day")

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "IntervalMax | None":
        """The rule in a stream's signed settings; None when it is another."""
        match settings:
            case {
                "strategy": cls.strategy,
                "point": str(point),
                "running_above_mw": int(running),
                "idle_above_mw": int(idle),
                "interval_ms": int(interval),
                "hold_ms": int(hold),
            }:
                return cls(
                    running_above_mw=running, idle_above_mw=idle, interval_ms=interval, hold_ms=hold, point=point
                )
        return None

    def settings(self) -> dict[str, Any]:
        """The opposite of from_settings."""
        return {
            "strategy": self.strategy,
            "point": self.point,
            "running_above_mw": self.running_above_mw,
            "idle_above_mw": self.idle_above_mw,
            "interval_ms": self.interval_ms,
            "hold_ms": self.hold_ms,
        }

    @property
    def reads(self) -> tuple[Read, ...]:
        """The power, in milliwatts."""
        return (Read(self.point, milli=True),)

    @property
    def memory_ms(self) -> int:
        """No answer older than this counts."""
        return self.interval_ms

    def judge(self, before: Judged, at_ms: int, values: Values) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        now, changes = expired(before, at_ms)
        power_mw = values[0]
        if power_mw is None:
            return now, changes
        power_mw = abs(power_mw)  # a current transformer mounted the wrong way round reads negative
        began_ms, running_ms, idle_ms = now.memory or (at_ms, _NEVER, _NEVER)
        if power_mw >= self.running_above_mw:
            running_ms = at_ms
        if power_mw >= self.idle_above_mw:
            idle_ms = at_ms
        level = self._level(at_ms, began_ms, running_ms, idle_ms)
        return turned(now, changes, at_ms, level, hold_ms=self.hold_ms, memory=(began_ms, running_ms, idle_ms))

    def _level(self, at_ms: int, began_ms: int, running_ms: int, idle_ms: int) -> RunState:
        after_ms = at_ms - self.interval_ms
        if running_ms > after_ms:
            return RunState.RUNNING
        if began_ms > after_ms:
            return RunState.UNKNOWN
        return RunState.IDLE if idle_ms > after_ms else RunState.STOPPED

    def expire(self, before: Judged, at_ms: int) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        return expired(before, at_ms)


_NEVER: Final = -1 << 62
"""Longer ago than any interval."""
