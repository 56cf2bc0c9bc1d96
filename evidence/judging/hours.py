"""A machine's time in its four states, and what a lender reads from it (DESIGN.md section 5). Pure, whole milliseconds.

Bank and receiver work with these very figures.
"""

from dataclasses import dataclass
from typing import Final

NORM_COVERAGE_PERMILLE: Final = 900
"""RH_norm is shown from this coverage on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """What is known about some time; the four states add up to it."""

    running_ms: int
    idle_ms: int
    stopped_ms: int
    unknown_ms: int
    """Time that was not observed; never taken for stopped."""

    @property
    def window_ms(self) -> int:
        """W: all of it."""
        return self.observed_ms + self.unknown_ms

    @property
    def observed_ms(self) -> int:
        """Time of a known state."""
        return self.running_ms + self.idle_ms + self.stopped_ms

    @property
    def coverage_permille(self) -> int:
        """Observed / W, rounded down; of no time none."""
        return self.observed_ms * 1000 // self.window_ms if self.window_ms else 0

    @property
    def low_ms(self) -> int:
        """RH_low: what ran for certain."""
        return self.running_ms

    @property
    def up_ms(self) -> int:
        """RH_up: as if everything unknown had run."""
        return self.running_ms + self.unknown_ms

    @property
    def norm_ms(self) -> int | None:
        """RH_norm: running / observed x W; None where coverage is below 90 %."""
        if not self.observed_ms or self.coverage_permille < NORM_COVERAGE_PERMILLE:
            return None
        return self.running_ms * self.window_ms // self.observed_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursBetween(Hours):
    """The hours from one instant to another."""

    from_ms: int
    to_ms: int
