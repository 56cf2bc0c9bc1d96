"""When not to ask: units that have fallen silent, and lines that are down. Pure; time and chance come in by argument.

1. A unit that gave no sound answer twice on end rests: 2 s after the second failure, 2 s longer after each further
   one, at most 5 min, or 30 s when no unit of the bus is alive, for then asking in vain costs nobody anything. One lost
   answer is noise and costs no rest. An exception is an answer: the unit lives.
2. After its rest a unit is probed with a single question. On one bus there is one probe in `apart_ms`, so that many
   dead units together take no more time from the living than one. When a unit is heard again the others are probed
   too: what woke it (the morning's power, a mended cable) may have woken them.
3. A line that cannot be opened is tried again after a time that doubles up to a cap, shortened by chance by up to half,
   so that a hall of boxes does not knock at a restarted gateway all at once.
"""

from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Final

REST_STEP_MS: Final = 2_000
LONGEST_REST_MS: Final = 300_000
LONGEST_REST_ALONE_MS: Final = 30_000
"""While no unit of the bus is alive."""
NOISE_FAILURES: Final = 1
"""So many failures on end are noise."""

FIRST_BACKOFF_MS: Final = 500
LONGEST_BACKOFF_MS: Final = 30_000


class Verdict(Enum):
    """What to do with a unit whose turn it is."""

    ASK = "ask"
    PROBE = "probe"
    REST = "rest"


@dataclass(slots=True)
class _Unit:
    failures: int = 0
    rests_until_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Breaker:
    """The units of one bus. Losing it costs a few questions in vain."""

    units: int
    """How many there are."""
    apart_ms: int
    _failing: dict[int | str, _Unit] = field(default_factory=dict)
    _next_probe_ms: int = 0

    def verdict(self, unit: int | str, now_ms: int) -> Verdict:
        """Whether to ask it now."""
        state = self._failing.get(unit)
        if state is None or state.failures <= NOISE_FAILURES:
            return Verdict.ASK
        if now_ms < state.rests_until_ms or now_ms < self._next_probe_ms:
            return Verdict.REST
        return Verdict.PROBE

    def heard(self, unit: int | str) -> None:
        """It answered."""
        state = self._failing.pop(unit, None)
        if state is not None and state.failures > NOISE_FAILURES:
            for other in self._failing.values():
                other.rests_until_ms = 0

    def failed(self, unit: int | str, now_ms: int) -> None:
        """It was asked and gave no sound answer."""
        state = self._failing.setdefault(unit, _Unit())
        if state.failures > NOISE_FAILURES:  # this was a probe
            self._next_probe_ms = now_ms + self.apart_ms
        state.failures += 1
        dead = sum(other.failures > NOISE_FAILURES for other in self._failing.values())
        longest_ms = LONGEST_REST_MS if dead < self.units else LONGEST_REST_ALONE_MS
        state.rests_until_ms = now_ms + min(REST_STEP_MS * (state.failures - NOISE_FAILURES), longest_ms)


@dataclass(slots=True, kw_only=True)
class Backoff:
    """When to try a line again."""

    chance: Random
    _tries: int = 0
    _not_before_ms: int = 0

    def may_try(self, now_ms: int) -> bool:
        """Whether it is time."""
        return now_ms >= self._not_before_ms

    def heard(self) -> None:
        """Somebody answered on it; that it opens proves little, for a gateway may accept and hang up."""
        self._tries, self._not_before_ms = 0, 0

    def failed(self, now_ms: int) -> None:
        """It could not be opened, or broke."""
        longest_ms = min(FIRST_BACKOFF_MS << min(self._tries, 16), LONGEST_BACKOFF_MS)
        self._tries += 1
        self._not_before_ms = now_ms + int(longest_ms * self.chance.uniform(0.5, 1))
