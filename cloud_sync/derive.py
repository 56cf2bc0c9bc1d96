"""What a statement says about time, and how that adds up: pure functions behind all derived rows.

The rules, in order:
1. Only known states are painted. Unknown is the absence of paint, so that silence can never look like a state.
2. Nothing is painted later than FUTURE_MS after the receiver got it: a machine cannot have run in the future.
3. A window longer than WINDOW_LIMIT_MS paints nothing: no box seals such a one, and one page must not fill a table.
4. Machines: where statements agree the state stays, where they differ it is CONTESTED, for good.
5. Gates: a time that two statements cover is CONTESTED even if both could see, because both counted.
6. Painting is a join of sets, so the order of arrival never matters, and a rebuild gives the same rows.
7. Days are those of Asia/Shanghai (UTC+8, no summer time), named by the UTC ms of their midnight.
8. A fire sensor or meter that is not judged is painted HEARD where it answered (levels.py).
9. No event is left out: one that a box's clock puts into the future stands at the last instant that is believed.
10. A subject is raised from the first RAISED after its last CLEARED on, in the order of the chain and not of the clock,
    which may be set back. Of two histories that differ in one place the one that raises counts.
11. Zones: what each look says stands by itself; where two statements differ is seen when it is read (stock.py). A count
    of the future is none, like a crossing. Pictures and certificates stand as they were signed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import pairwise
from typing import Final

from cloud_sync.levels import Levels, heard_of, levels_of
from cloud_sync.stock import Stand, stands_of
from evidence.bodies import (
    Acceptance,
    Body,
    Crossing,
    Crossings,
    Direction,
    Event,
    Events,
    Gap,
    Picture,
    Readings,
    Sight,
    Stock,
)
from evidence.judging.judge import RunState

FUTURE_MS: Final = 60_000
"""How far a box's clock may be ahead of the receiver's before its time is not believed."""
WINDOW_LIMIT_MS: Final = 2 * 24 * 3_600_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
SHANGHAI_MS: Final = 8 * HOUR_MS


class Paint(IntEnum):
    """What a stream was known to be; the numbers of a machine are RunState's."""

    STOPPED = 1
    IDLE = 2
    RUNNING = 3
    CONTESTED = 4
    BLIND = 5
    """A gate's camera said that it could not see."""
    CLEAR = 6
    """A gate's camera could see, so its crossings are a count."""
    HEARD = 7
    """A fire sensor or meter answered; it has no run state."""


Span = tuple[int, int, int]
"""(from_ms, to_ms, Paint); plain integers, because hundreds of thousands are made a second."""

Sums = dict[int, list[int]]
"""Start of an hour or day to what is counted in it, in the order of SUMMED."""

SUMMED: Final = (
    "running_ms",
    "idle_ms",
    "stopped_ms",
    "contested_ms",
    "clear_ms",
    "blind_ms",
    "crossed_in",
    "crossed_out",
)
_SUM_OF: Final = {
    Paint.RUNNING: 0,
    Paint.IDLE: 1,
    Paint.STOPPED: 2,
    Paint.CONTESTED: 3,
    Paint.CLEAR: 4,
    Paint.BLIND: 5,
}
_CROSSED: Final = {Direction.IN: 6, Direction.OUT: 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one statement adds to the derived rows."""

    spans: Sequence[Span] = ()
    crossings: Sequence[Crossing] = ()
    sources: Sequence[str] = ()
    """Of crossings: the names of all that looked, in the order of their bits."""
    stands: Sequence[Stand] = ()
    picture: Picture | None = None
    certificate: Acceptance | None = None
    gap: Gap | None = None
    events: Sequence[Event] = ()
    levels: Levels = field(default_factory=dict)


NOTHING: Final = Facts()


def facts_of(body: Body, *, received_ms: int, is_sensor: bool = False) -> Facts:
    """What this body adds, received then; `is_sensor` is `watches_levels` of its stream."""
    limit_ms = received_ms + FUTURE_MS
    match body:
        case Readings() if is_sensor:
            return _sensed(body, received_ms)
        case Readings():
            return Facts(spans=_clipped(body.spans, body, _PAINT_OF_STATE, received_ms))
        case Events():
            return Facts(events=[e if e.at_ms <= limit_ms else replace(e, at_ms=limit_ms) for e in body.events])
        case Gap():
            return Facts(gap=body)
    return _seen(body, received_ms)


def _seen(body: Body, received_ms: int) -> Facts:
    """What a camera told."""
    limit_ms = received_ms + FUTURE_MS
    match body:
        case Crossings():
            believed = [c for c in body.crossings if c.at_ms < limit_ms] if _believable(body) else []
            sources = [body.detector, *(name for name, _ in body.other_sources)]
            spans = _clipped(body.sight, body, _PAINT_OF_SIGHT, received_ms)
            return Facts(spans=spans, crossings=believed, sources=sources)
        case Stock():
            return Facts(stands=stands_of(body, limit_ms) if _believable(body) else [])
        case Picture():
            return Facts(picture=body)
        case Acceptance():
            return Facts(certificate=body)
    return NOTHING


def watches_levels(stream: str) -> bool:
    """Whether the stream's values are kept by the quarter of an hour: fire sensors and meters."""
    return stream.startswith(("fire/", "meter/"))


def paint(held: Sequence[Span], new: Sequence[Span], *, twice_contests: bool) -> list[Span]:
    """The spans that hold when `new` comes to `held` (sorted, apart, no equal neighbours): again such a list.

    `twice_contests` is rule 5: any time covered twice is CONTESTED.
    """
    if not new:
        return list(held)
    coming = sorted(new)
    if (not held or coming[0][0] >= held[-1][1]) and all(a[1] <= b[0] for a, b in pairwise(coming)):
        return _merged([*held, *coming])
    return _swept(held, coming, twice_contests=twice_contests)


def added_and_gone(before: Iterable[Span], after: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """(rows to write, rows to delete) that lead from one list of spans to the other."""
    old, new = set(before), set(after)
    return sorted(new - old), sorted(old - new)


def sums_of(added: Iterable[Span], gone: Iterable[Span], crossings: Iterable[Crossing]) -> Sums:
    """How the sums of each hour change when these spans and crossings come, and those spans go."""
    sums: Sums = {}
    for spans, sign in ((added, 1), (gone, -1)):
        for from_ms, to_ms, state in spans:
            if state == Paint.HEARD:
                continue
            at_ms = from_ms
            while at_ms < to_ms:
                hour_ms = at_ms - at_ms % HOUR_MS
                until_ms = min(to_ms, hour_ms + HOUR_MS)
                _row(sums, hour_ms)[_SUM_OF[state]] += sign * (until_ms - at_ms)  # type: ignore[index]
                at_ms = until_ms
    for crossing in crossings:
        _row(sums, crossing.at_ms - crossing.at_ms % HOUR_MS)[_CROSSED[crossing.direction]] += 1
    return {hour_ms: row for hour_ms, row in sums.items() if any(row)}


def days_of(hours: Sums) -> Sums:
    """The same by day."""
    days: Sums = {}
    for hour_ms, row in hours.items():
        day = _row(days, day_of(hour_ms))
        for at, value in enumerate(row):
            day[at] += value
    return days


def day_of(at_ms: int) -> int:
    """UTC ms of the midnight in Shanghai that began the day of this instant."""
    return at_ms - (at_ms + SHANGHAI_MS) % DAY_MS


def fork_begins(n: int, known: Callable[[int], int]) -> bool:
    """Whether a second history begins at n; `known(m)` is how many different statements m are held or named.

    A statement names the one before it, so a fork shows even while its other branch is withheld.
    """
    return known(n) > 1 and (n == 0 or known(n - 1) < 2)  # noqa: PLR2004 - two statements of one n are a fork


_PAINT_OF_STATE: Final = {
    RunState.STOPPED: Paint.STOPPED,
    RunState.IDLE: Paint.IDLE,
    RunState.RUNNING: Paint.RUNNING,
}
_PAINT_OF_SIGHT: Final = {Sight.BLIND: Paint.BLIND, Sight.CLEAR: Paint.CLEAR}


def _sensed(body: Readings, received_ms: int) -> Facts:
    if not _believable(body):
        return NOTHING
    limit_ms = received_ms + FUTURE_MS
    heard = [] if body.spans else [(start, end, int(Paint.HEARD)) for start, end in heard_of(body, limit_ms)]
    spans = _clipped(body.spans, body, _PAINT_OF_STATE, received_ms) or heard
    return Facts(spans=spans, levels=levels_of(body, limit_ms))


def _believable(body: Readings | Crossings | Stock) -> bool:
    return body.to_ms - body.from_ms <= WINDOW_LIMIT_MS


def _clipped(
    changes: Sequence[tuple[int, IntEnum]],
    body: Readings | Crossings,
    paint_of: dict[RunState, Paint] | dict[Sight, Paint],
    received_ms: int,
) -> list[Span]:
    if not changes or not _believable(body):
        return []
    limit_ms = min(body.to_ms, received_ms + FUTURE_MS)
    ends = [at_ms for at_ms, _ in changes[1:]] + [limit_ms]
    return _merged(
        (at_ms, min(end_ms, limit_ms), int(known))
        for (at_ms, state), end_ms in zip(changes, ends, strict=True)
        if (known := paint_of.get(state)) is not None and at_ms < min(end_ms, limit_ms)  # type: ignore[call-overload]
    )


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Sorted spans that lie apart, with equal neighbours joined."""
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1][1] == span[0] and merged[-1][2] == span[2]:
            merged[-1] = (merged[-1][0], span[1], span[2])
        else:
            merged.append(span)
    return merged


def _swept(held: Sequence[Span], coming: Sequence[Span], *, twice_contests: bool) -> list[Span]:
    """The general case: go through all edges in time and look at what covers each piece."""
    marks = sorted((edge, step, span[2]) for span in (*held, *coming) for edge, step in ((span[0], 1), (span[1], -1)))
    cover = [0] * (max(Paint) + 1)
    found: list[Span] = []
    before_ms = marks[0][0]
    for at_ms, step, state in marks:
        if at_ms > before_ms:
            covering = [state for state in Paint if cover[state]]
            if covering:
                twice = twice_contests and sum(cover) > 1
                agreed = covering[0] if len(covering) == 1 and not twice else Paint.CONTESTED
                found.append((before_ms, at_ms, int(agreed)))
            before_ms = at_ms
        cover[state] += step
    return _merged(found)


def _row(sums: Sums, start_ms: int) -> list[int]:
    return sums.setdefault(start_ms, [0] * len(SUMMED))
