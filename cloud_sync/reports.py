"""What spans of run states add up to: pure functions from signed spans to the figures a lender reads.

The rules (DESIGN.md, section 5), in order:
1. A window is filled completely: what no span speaks for is UNKNOWN, and so is what two statements disagree about.
2. Running hours lie between low = running and up = running + unknown.
3. Normalised = running / observed x window, and only where coverage = observed / window is at least 0.9
   (evidence.judging.hours, as the bank has it).
4. A mean over machine-days uses only days with that coverage, and always says how many of how many.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from evidence.judging.hours import Hours

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
AWAITED_MS: Final = 10 * 60_000
"""Two sealing intervals: what is younger than this is still on its way, and not yet missing."""


class State(IntEnum):
    """A run state as the receiver derived it: the box's four (evidence.judging.judge.RunState) and CONTESTED."""

    UNKNOWN = 0
    STOPPED = 1
    IDLE = 2
    RUNNING = 3
    CONTESTED = 4
    """Two signed statements disagree about this time; it counts as unknown."""

    @property
    def observed(self) -> bool:
        """Whether the state was measured, by one undisputed statement."""
        return self in _OBSERVED


_OBSERVED: Final = (State.STOPPED, State.IDLE, State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One state from `from_ms` up to, not including, `to_ms` (UTC)."""

    from_ms: int
    to_ms: int
    state: State

    def __post_init__(self) -> None:
        if self.to_ms <= self.from_ms:
            raise ValueError(f"a span must end after it begins, not {self.from_ms} to {self.to_ms}")

    @property
    def length_ms(self) -> int:
        """How long it lasted."""
        return self.to_ms - self.from_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanHours:
    """Mean daily running hours: `mean_ms` over the `used` of `total` machine-days with enough coverage."""

    mean_ms: int | None
    used: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """What a machine does now, as far as is known."""

    state: State
    since_ms: int
    since_is_earlier: bool
    """The state already held where the spans begin, so it began then or before."""
    reading_ms: int | None
    """Until when anything was observed at all."""


def timeline(spans: Iterable[Span], from_ms: int, to_ms: int) -> tuple[Span, ...]:
    """The window from_ms to to_ms filled completely: adjoining spans, no two neighbours alike.

    What nobody speaks for is UNKNOWN; where two observed states overlap and differ it is CONTESTED.
    """
    if to_ms <= from_ms:
        return ()
    inside = [span for span in spans if span.to_ms > from_ms and span.from_ms < to_ms]
    marks = [(max(span.from_ms, from_ms), 1, span.state) for span in inside]
    marks += [(min(span.to_ms, to_ms), -1, span.state) for span in inside]
    marks.sort()
    open_spans = [0] * len(State)
    found: list[Span] = []
    at_ms = from_ms
    for next_ms, step, state in [*marks, (to_ms, 0, State.UNKNOWN)]:
        if next_ms > at_ms:
            _append(found, at_ms, next_ms, _agreed(open_spans))
            at_ms = next_ms
        open_spans[state] += step
    return tuple(found)


def hours_over(spans: Iterable[Span], from_ms: int, to_ms: int) -> Hours:
    """Running hours and their bounds over the window from_ms to to_ms."""
    return hours_between(spans, (from_ms, max(from_ms, to_ms)))[0]


def hours_between(spans: Iterable[Span], edges_ms: Sequence[int]) -> tuple[Hours, ...]:
    """Running hours of each window between two neighbouring edges (in time order), in one pass."""
    sums = [[0] * len(State) for _ in edges_ms[1:]]
    window = 0
    for span in timeline(spans, edges_ms[0], edges_ms[-1]):
        at_ms = span.from_ms
        while at_ms < span.to_ms:
            while edges_ms[window + 1] <= at_ms:
                window += 1
            until_ms = min(span.to_ms, edges_ms[window + 1])
            sums[window][span.state] += until_ms - at_ms
            at_ms = until_ms
    return tuple(
        Hours(
            running_ms=of[State.RUNNING],
            idle_ms=of[State.IDLE],
            stopped_ms=of[State.STOPPED],
            unknown_ms=of[State.UNKNOWN] + of[State.CONTESTED],
        )
        for of in sums
    )


def mean_daily(days: Iterable[Hours]) -> MeanHours:
    """Mean of the normalised hours of those machine-days that have any."""
    every = [day.norm_ms for day in days]
    used = [ms for ms in every if ms is not None]
    return MeanHours(mean_ms=sum(used) // len(used) if used else None, used=len(used), total=len(every))


def due_until(spans: Sequence[Span], now_ms: int) -> int:
    """Up to when spans can be expected at `now_ms`: what is merely on its way is not yet missing."""
    last_ms = min(now_ms, max((span.to_ms for span in spans), default=0))
    return last_ms if now_ms - last_ms <= AWAITED_MS else now_ms


def latest(spans: Sequence[Span], from_ms: int, now_ms: int) -> Latest:
    """The state that holds at `now_ms`, and since when; `spans` were asked for from `from_ms` on."""
    filled = timeline(spans, from_ms, due_until(spans, now_ms))
    observed = [span.to_ms for span in filled if span.state.observed]
    if not filled:
        return Latest(state=State.UNKNOWN, since_ms=now_ms, since_is_earlier=True, reading_ms=None)
    return Latest(
        state=filled[-1].state,
        since_ms=filled[-1].from_ms,
        since_is_earlier=filled[-1].from_ms == from_ms,
        reading_ms=observed[-1] if observed else None,
    )


def _agreed(open_spans: Sequence[int]) -> State:
    agreed = State.UNKNOWN
    for state in _OBSERVED:
        if open_spans[state]:
            if agreed is not State.UNKNOWN:
                return State.CONTESTED
            agreed = state
    return State.CONTESTED if open_spans[State.CONTESTED] else agreed


def _append(found: list[Span], from_ms: int, to_ms: int, state: State) -> None:
    if found and found[-1].state is state:
        from_ms = found.pop().from_ms
    found.append(Span(from_ms=from_ms, to_ms=to_ms, state=state))
