"""Judging whether a machine runs: the box judges with this, and a bank judges again with the very same code.

Pure. The rules, in order:
1. One good answer speaks for `hold_ms` from its arrival. When that is over, the state is UNKNOWN from that instant.
2. From UNKNOWN, the first good answer decides at once.
3. Otherwise a new level must be seen on every good answer for `dwell_ms` before the state changes; it changes
   at the answer that completes the dwell.
4. Going down from a state needs the power to fall below the state's threshold less `hysteresis_mw`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from evidence.errors import MalformedError


class RunState(IntEnum):
    """What a machine did. STOPPED was measured; UNKNOWN was not (ISO 22400 has no word for it, a lender needs one)."""

    UNKNOWN = 0
    STOPPED = 1
    IDLE = 2
    RUNNING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The strategy `power_threshold`: milliwatts and milliseconds, all whole numbers."""

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
                "strategy": "power_threshold",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Where judging stands after an instant; four integers, so it fits in a row and survives a power cut."""

    state: RunState = RunState.UNKNOWN
    wanted: RunState = RunState.UNKNOWN
    wanted_since_ms: int = 0
    good_until_ms: int = 0


Change = tuple[int, RunState]
"""(at_ms, the state from then on)."""

UNJUDGED: Final = Judged()


def judge(before: Judged, at_ms: int, power_mw: int | None, by: Threshold) -> tuple[Judged, list[Change]]:
    """Take in the answer that arrived `at_ms` (None: asked and failed); what changed, in time order."""
    now, changes = expire(before, at_ms)
    if power_mw is None:
        return now, changes
    level = by.level(power_mw, now.state)
    good_until_ms = at_ms + by.hold_ms
    if level is now.state:
        return Judged(state=level, wanted=level, wanted_since_ms=at_ms, good_until_ms=good_until_ms), changes
    since_ms = now.wanted_since_ms if level is now.wanted else at_ms
    if now.state is RunState.UNKNOWN or at_ms - since_ms >= by.dwell_ms:
        changes.append((at_ms, level))
        return Judged(state=level, wanted=level, wanted_since_ms=at_ms, good_until_ms=good_until_ms), changes
    return Judged(state=now.state, wanted=level, wanted_since_ms=since_ms, good_until_ms=good_until_ms), changes


def expire(before: Judged, at_ms: int) -> tuple[Judged, list[Change]]:
    """Let time pass until `at_ms`: a state that no answer speaks for any more becomes UNKNOWN when its hold ends."""
    if before.state is RunState.UNKNOWN or at_ms < before.good_until_ms:
        return before, []
    return UNJUDGED, [(before.good_until_ms, RunState.UNKNOWN)]


def milli(value: int, decimals: int) -> int:
    """A column's integer in thousandths of its unit, rounded down where it is finer than that."""
    return value * 10 ** (3 - decimals) if decimals <= 3 else value // 10 ** (decimals - 3)  # type: ignore[no-any-return]  # noqa: PLR2004 - milli


Span = tuple[int, int, RunState]
"""(from_ms, to_ms, state)."""


def spans_of(first: RunState, changes: Iterable[Change], from_ms: int, to_ms: int) -> list[Span]:
    """The changes as adjoining spans that fill from_ms to to_ms; changes before from_ms count from from_ms on."""
    marks: list[Change] = [(from_ms, first)]
    for at_ms, state in changes:
        if at_ms <= marks[-1][0]:
            marks[-1] = (marks[-1][0], state)
        elif at_ms < to_ms and state is not marks[-1][1]:
            marks.append((at_ms, state))
    ends = [*marks, (to_ms, RunState.UNKNOWN)]
    return [(start, end, state) for (start, state), (end, _) in pairwise(ends) if end > start]
