"""What every way of judging shares: the states, where judging stands, how long an answer speaks, how a level dwells."""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

from evidence.errors import MalformedError

DAY_MS: Final = 86_400_000
"""No rule looks further back than a day."""


class RunState(IntEnum):
    """What a machine did. STOPPED was measured; UNKNOWN was not (ISO 22400 has no word for it, a lender needs one)."""

    UNKNOWN = 0
    STOPPED = 1
    IDLE = 2
    RUNNING = 3


class Judged(NamedTuple):
    """Where judging stands after an instant: a few integers, so it fits in a row and survives a power cut."""

    state: RunState = RunState.UNKNOWN
    wanted: RunState = RunState.UNKNOWN
    wanted_since_ms: int = 0
    good_until_ms: int = 0
    """The last answer speaks until then; 0 when none does."""
    memory: tuple[int, ...] = ()
    """What the strategy remembers besides."""
    parts: tuple["Judged", ...] = ()
    """Of a fusion: where its two stand."""

    def to_value(self) -> list[Any]:
        """Integers and lists of them."""
        short = [int(self.state), int(self.wanted), self.wanted_since_ms, self.good_until_ms]
        if not self.memory and not self.parts:
            return short
        return [*short, list(self.memory), [part.to_value() for part in self.parts]]

    @classmethod
    def from_value(cls, value: object) -> "Judged":
        """The opposite. Raises MalformedError."""
        match value:
            case [int(state), int(wanted), int(since_ms), int(until_ms)]:
                memory, parts = list[int](), list[object]()
            case [int(state), int(wanted), int(since_ms), int(until_ms), [*memory], [*parts]]:
                pass
            case _:
                raise MalformedError("where judging stood cannot be read")
        if state in _STATES and wanted in _STATES and all(type(part) is int for part in memory):
            return cls(
                state=_STATES[state],
                wanted=_STATES[wanted],
                wanted_since_ms=since_ms,
                good_until_ms=until_ms,
                memory=tuple(memory),
                parts=tuple(cls.from_value(part) for part in parts),
            )
        raise MalformedError("where judging stood cannot be read")


_STATES: Final = {int(state): state for state in RunState}

UNJUDGED: Final = Judged()

Change = tuple[int, RunState]
"""(at_ms, the state from then on)."""
Span = tuple[int, int, RunState]
"""(from_ms, to_ms, state)."""
Values = Sequence[int | None]
"""What a rule reads at one instant, in the order of its `reads`; None: asked and failed."""
Answer = tuple[int, Values]
"""(UTC ms, values)."""


class Read(NamedTuple):
    """One thing that a rule reads."""

    point: str
    milli: bool
    """Thousandths of the point's unit (of a watt for kW), rounded down; else whole units, rounded down."""

    def scaled(self, value: int, unit: str, decimals: int) -> int:
        """A column's integer as the rule reads it."""
        if not self.milli:
            return value // 10**decimals if decimals else value
        return milli(value, decimals - 3 if unit == "kW" else decimals)


def milli(value: int, decimals: int) -> int:
    """A column's integer in thousandths of its unit, rounded down where it is finer than that."""
    return value * 10 ** (3 - decimals) if decimals <= 3 else value // 10 ** (decimals - 3)  # type: ignore[no-any-return]  # noqa: PLR2004 - milli


def expired(before: Judged, at_ms: int) -> tuple[Judged, list[Change]]:
    """Let time pass: when no answer speaks any more, all is forgotten, and the state is UNKNOWN from that instant."""
    if not before.good_until_ms or at_ms < before.good_until_ms:
        return before, []
    if before.state is RunState.UNKNOWN:
        return UNJUDGED, []
    return UNJUDGED, [(before.good_until_ms, RunState.UNKNOWN)]


def dwelt(
    now: Judged, changes: list[Change], at_ms: int, level: RunState, *, dwell_ms: int, hold_ms: int
) -> tuple[Judged, list[Change]]:
    """A good answer speaks for `level`: the state follows when that was so on every good answer for `dwell_ms`."""
    if level is now.state:
        return _at_rest(level, at_ms, hold_ms), changes
    since_ms = now.wanted_since_ms if level is now.wanted else at_ms
    if now.state is RunState.UNKNOWN or at_ms - since_ms >= dwell_ms:
        changes.append((at_ms, level))
        return _at_rest(level, at_ms, hold_ms), changes
    return Judged(now.state, level, since_ms, at_ms + hold_ms), changes


def _at_rest(state: RunState, at_ms: int, hold_ms: int) -> Judged:
    return UNJUDGED if state is RunState.UNKNOWN else Judged(state, state, at_ms, at_ms + hold_ms)


def turned(
    now: Judged, changes: list[Change], at_ms: int, level: RunState, *, hold_ms: int, memory: tuple[int, ...]
) -> tuple[Judged, list[Change]]:
    """A good answer speaks for `level`, and the state follows at once."""
    if level is not now.state:
        changes.append((at_ms, level))
    return Judged(level, level, 0, at_ms + hold_ms, memory), changes


def spans_of(first: RunState, changes: Iterable[Change], from_ms: int, to_ms: int) -> list[Span]:
    """The changes as adjoining spans that fill from_ms to to_ms; changes before from_ms count from from_ms on."""
    marks: list[Change] = [(from_ms, first)]
    for at_ms, state in changes:
        if at_ms <= marks[-1][0]:
            marks[-1] = (marks[-1][0], state)
            if len(marks) > 1 and marks[-2][1] is state:
                marks.pop()  # it changed and changed back at one instant
        elif at_ms < to_ms and state is not marks[-1][1]:
            marks.append((at_ms, state))
    ends = [*marks, (to_ms, RunState.UNKNOWN)]
    return [(start, end, state) for (start, state), (end, _) in pairwise(ends) if end > start]
