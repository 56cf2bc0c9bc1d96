"""Counting a machine's cycles from its facts: how many, how long they took, and what was told twice. Pure.

1. A counter's rise is so many cycles; a reset adds nothing. A bit or a peak is one (strategies/pulses.py).
2. Cycles that follow faster than `shortest_cycle_ms` are one that was told twice: of a rise no more are counted than
   fit between the cycle before and its answer, and at least none.
3. The mean cycle time is over cycles of which each followed within `longest_cycle_ms` of the one before.

Where minutes are kept, a counter is counted from each minute's last value; they do not tell of a bit's cycles, nor of
peaks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from evidence.bodies import Aggregate, Keep, Readings
from evidence.judging.columns import column_of, scaled
from evidence.judging.judge import Fusion, Pulses, Rule, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycles:
    """What one point's cycles add up to."""

    point: str
    count: int
    merged: int
    """Told, and no cycles of their own."""
    resets: int
    mean_cycle_ms: int | None
    """None where no cycle followed another in time."""
    is_whole: bool
    """False where minutes were kept that do not tell of cycles: there may have been more."""


@dataclass(slots=True)
class CycleCounter:
    """One rule's cycles, window after window."""

    by: Pulses
    count: int = 0
    merged: int = 0
    resets: int = 0
    is_whole: bool = True
    _last: int | None = None
    """What is remembered of the answer before (see Pulses.cycles) …"""
    _answered_ms: int = 0
    """… and when that was."""
    _cycled_ms: int | None = None
    """The last cycle's instant."""
    _spanned_ms: int = field(default=0)
    _spans: int = 0

    def take(self, window: Readings, ends: list[int]) -> None:
        """Count the window's cycles on from where the window before it ended."""
        (read,) = self.by.reads
        aggregate = Aggregate.SAMPLE if window.keep is Keep.EVERY else Aggregate.LAST
        column = column_of(window, read.point, aggregate)
        if column is None:
            return
        if window.keep is Keep.MINUTE and self.by.signal is not Signal.COUNTER:
            self.is_whole, self._last = False, None
            return
        for at_ms, value in zip(ends, scaled(column, read), strict=True):
            if value is not None:
                self._answer(at_ms, value)

    def result(self) -> Cycles:
        """What was counted so far."""
        return Cycles(
            point=self.by.point,
            count=self.count,
            merged=self.merged,
            resets=self.resets,
            mean_cycle_ms=self._spanned_ms // self._spans if self._spans else None,
            is_whole=self.is_whole,
        )

    def _answer(self, at_ms: int, value: int) -> None:
        last, before_ms, self._answered_ms = self._last, self._answered_ms, at_ms
        if last is None or at_ms < before_ms:
            self._last = self.by.first(value)
            return
        self._last, told = self.by.cycles(last, value)
        if self.by.signal is Signal.COUNTER and value < last and not told:
            self.resets += 1
        if not told:
            return
        since_ms = before_ms if self._cycled_ms is None or self._cycled_ms > at_ms else self._cycled_ms
        fit = told if not self.by.shortest_cycle_ms else min(told, (at_ms - since_ms) // self.by.shortest_cycle_ms)
        if fit == 0 and self._cycled_ms is None:
            fit = 1  # the first of all follows no other
        self.count += fit
        self.merged += told - fit
        if not fit:
            return
        if self._cycled_ms is not None and 0 < at_ms - self._cycled_ms <= fit * self.by.longest_cycle_ms:
            self._spanned_ms += at_ms - self._cycled_ms
            self._spans += fit
        self._cycled_ms = at_ms


def pulses_of(rule: Rule | None) -> Iterable[Pulses]:
    """The rules that tell of cycles."""
    rules = (rule.first, rule.second) if isinstance(rule, Fusion) else (rule,)
    return (each for each in rules if isinstance(each, Pulses))
