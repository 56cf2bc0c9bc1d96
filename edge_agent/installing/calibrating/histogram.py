"""How often a machine drew which power: bars on a scale of ratios, as a person looks at it. Pure.

The height of a bar is the square root of its share: a level in which the machine spends one part in a hundred of its
time is still a tenth as high as the one in which it spends all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.installing.calibrating.advice import Refusal, Rule
from edge_agent.installing.calibrating.levels import octaves
from edge_agent.installing.calibrating.proposal import Proposal
from evidence.judging.judge import RunState

MARGIN: Final = 250
"""Milli-octaves left free on either side, at least."""
_STEPS: Final = (1, 2, 5)
_FEW_TICKS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The readings between two powers."""

    readings: int
    height: float
    """0 to 1."""
    state: RunState
    """What the rule calls the power in its middle; UNKNOWN without a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Bars of one width, from the left to the right."""

    bars: tuple[Bar, ...]
    low: int
    high: int
    """Milli-octaves at the ends."""

    def place(self, power_mw: int) -> float:
        """Where a power lies: 0 at the left end, 1 at the right."""
        return (octaves(power_mw) - self.low) / (self.high - self.low)

    def ticks(self) -> tuple[int, ...]:
        """Round powers in milliwatts between the ends, a handful."""
        fine = [step * 10**digits for digits in range(16) for step in _STEPS if 0 <= self.place(step * 10**digits) <= 1]
        coarse = [power_mw for power_mw in fine if str(power_mw).startswith("1")]
        return tuple(coarse if len(coarse) >= _FEW_TICKS else fine)


def histogram_of(found: Proposal | Refusal, *, columns: int) -> Histogram:
    """Of the readings that a proposal or a refusal rests on; there must be some."""
    rule = found.rule if isinstance(found, Proposal) else None
    logs = sorted(map(octaves, found.powers_mw))
    shown = [logs[0], logs[-1], *([octaves(rule.idle_above_mw), octaves(rule.running_above_mw)] if rule else [])]
    free = max(MARGIN, (max(shown) - min(shown)) // 12)
    low, high = min(shown) - free, max(shown) + free
    counts = _counted(logs, low, high, columns)
    most = max(counts)
    middles = [low + (high - low) * (2 * at + 1) // (2 * columns) for at in range(columns)]
    return Histogram(
        bars=tuple(
            Bar(readings=readings, height=(readings / most) ** 0.5, state=state_at(middle, rule))
            for readings, middle in zip(counts, middles, strict=True)
        ),
        low=low,
        high=high,
    )


def state_at(log: int, rule: Rule | None) -> RunState:
    """What a rule calls a power, given in milli-octaves."""
    if rule is None:
        return RunState.UNKNOWN
    if log >= octaves(rule.running_above_mw):
        return RunState.RUNNING
    return RunState.IDLE if log >= octaves(rule.idle_above_mw) else RunState.STOPPED


def _counted(logs: Sequence[int], low: int, high: int, columns: int) -> list[int]:
    counts = [0] * columns
    for log in logs:
        counts[min(columns - 1, (log - low) * columns // (high - low))] += 1
    return counts
