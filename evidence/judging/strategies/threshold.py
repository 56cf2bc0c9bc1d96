"""`power_threshold`: how much power it takes, with hysteresis and dwell. Pure.

1. One good answer speaks for `hold_ms` from its arrival. When that is over, the state is UNKNOWN from that instant.
2. From UNKNOWN, the first good answer decides at once.
3. Otherwise a new level must be seen on every good answer for `dwell_ms` before the state changes; it changes
   at the answer that completes the dwell.
4. Going down from a state needs the power to fall below the state's threshold less `hysteresis_mw`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evidence.errors import MalformedError
from evidence.judging.strategies.judged import Change, Judged, Read, RunState, Values, dwelt, expired


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The strategy `power_threshold`: milliwatts and milliseconds, all whole numbers."""

    strategy: ClassVar = "power_threshold"

    running_above_mw: int
    idle_above_mw: int
    hysteresis_mw: int
    dwell_ms: int
    hold_ms: int
    point: str = "active_power"

    def __post_init__(self) -> None:
        if not 0 < self.idle_above_mw <= self.running_above_mw:
            raise MalformedError("thresholds must be 0 < idle_above <= running_above")
        if not 0 <= self.hysteresis_mw < self.idle_above_mw:
            raise MalformedError("hysteresis must be at least 0 and below idle_above")
        if self.dwell_ms < 0 or self.hold_ms <= 0:
            raise MalformedError("dwell must be at least 0 and hold above 0")

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "Threshold | None":
        """The threshold in a stream's signed settings; None when the stream is judged by nothing known here."""
        match settings:
            case {
                "strategy": cls.strategy,
                "point": str(point),
                "running_above_mw": int(running),
                "idle_above_mw": int(idle),
                "hysteresis_mw": int(hysteresis),
                "dwell_ms": int(dwell),
                "hold_ms": int(hold),
            }:
                return cls(
                    running_above_mw=running,
                    idle_above_mw=idle,
                    hysteresis_mw=hysteresis,
                    dwell_ms=dwell,
                    hold_ms=hold,
                    point=point,
                )
        return None

    def settings(self) -> dict[str, Any]:
        """The opposite of from_settings."""
        return {
            "strategy": self.strategy,
            "point": self.point,
            "running_above_mw": self.running_above_mw,
            "idle_above_mw": self.idle_above_mw,
            "hysteresis_mw": self.hysteresis_mw,
            "dwell_ms": self.dwell_ms,
            "hold_ms": self.hold_ms,
        }

    @property
    def reads(self) -> tuple[Read, ...]:
        """The power, in milliwatts."""
        return (Read(self.point, milli=True),)

    def level(self, power_mw: int, before: RunState) -> RunState:
        """The state that this power speaks for, seen from `before`."""
        power_mw = abs(power_mw)  # a current transformer mounted the wrong way round reads negative
        keep_running = self.hysteresis_mw if before is RunState.RUNNING else 0
        keep_idle = self.hysteresis_mw if before >= RunState.IDLE else 0
        if power_mw >= self.running_above_mw - keep_running:
            return RunState.RUNNING
        if power_mw >= self.idle_above_mw - keep_idle:
            return RunState.IDLE
        return RunState.STOPPED

    def plain_level(self, power_mw: int) -> RunState | None:
        """The state that this power speaks for, seen from anywhere; None when that depends on where from."""
        level = self.level(power_mw, RunState.UNKNOWN)
        return level if level is self.level(power_mw, RunState.RUNNING) else None

    def judge(self, before: Judged, at_ms: int, values: Values) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        now, changes = expired(before, at_ms)
        power_mw = values[0]
        if power_mw is None:
            return now, changes
        level = self.level(power_mw, now.state)
        return dwelt(now, changes, at_ms, level, dwell_ms=self.dwell_ms, hold_ms=self.hold_ms)

    def expire(self, before: Judged, at_ms: int) -> tuple[Judged, list[Change]]:
        """See evidence.judging.judge."""
        return expired(before, at_ms)
