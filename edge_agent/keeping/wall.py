"""Telling a clock that was set from one that is slewed: UTC against the steady clock."""

from dataclasses import dataclass
from typing import Final

from edge_agent.clock import Clock
from evidence.statement import ClockQuality

STEP_MS: Final = 1_000
"""A jump of UTC against the steady clock beyond this between two looks is a step, below it a slew."""
TORN_MS: Final = 100
"""Two clocks read further apart than this are read again: the process was not running in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The wall clock was set."""

    before_ms: int
    """What it would say, had it not been set."""
    after_ms: int
    offset_ms: int
    """UTC less steady time from now on."""


class Wall:
    """The wall clock as last looked at."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms: int | None = None
        self.look()

    def look(self) -> Step | None:
        """The step since the clock was last `follow`ed, if it was set. Never while time is simulated."""
        if self._clock.quality()[0] is ClockQuality.SIMULATED:
            self._offset_ms = None
            return None
        steady_ms, utc_ms = self._both()
        known_ms, offset_ms = self._offset_ms, utc_ms - steady_ms
        if known_ms is not None and abs(offset_ms - known_ms) > STEP_MS:
            return Step(before_ms=max(0, steady_ms + known_ms), after_ms=utc_ms, offset_ms=offset_ms)
        self._offset_ms = offset_ms
        return None

    def follow(self, step: Step) -> None:
        """The step is signed: from here on the new time counts."""
        self._offset_ms = step.offset_ms

    def stamp(self, at_ms: int, steady_ms: int) -> int:
        """UTC of something stamped with both clocks, as the wall clock last looked at has it.

        Usually `at_ms` itself. Where the two do not fit (they were read on both sides of a step) the steady one counts.
        """
        if self._offset_ms is None or abs(at_ms - steady_ms - self._offset_ms) <= STEP_MS:
            return at_ms
        return max(0, steady_ms + self._offset_ms)

    def _both(self) -> tuple[int, int]:
        while True:
            before_ms, utc_ms, steady_ms = self._clock.steady_ms(), self._clock.utc_ms(), self._clock.steady_ms()
            if steady_ms - before_ms <= TORN_MS:
                return steady_ms, utc_ms


def is_after(step: Step, at_ms: int, steady_ms: int) -> bool:
    """Whether something stamped with both clocks was stamped after the step."""
    return abs(at_ms - steady_ms - step.offset_ms) <= STEP_MS
