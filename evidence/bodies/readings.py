"""What a machine, meter or fire sensor was asked, what it answered, and what the box judged from it."""

from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, ClassVar, Final, NamedTuple

from evidence.bodies.checks import (
    COLUMNS_LIMIT,
    FRAME_LIMIT,
    FRAMES_LIMIT,
    MS_LIMIT,
    ROWS_LIMIT,
    array,
    between,
    keys,
    member,
    octets,
    parts,
    spans,
    steps,
    sums,
    text,
    unsigneds,
    window,
)
from evidence.bodies.kinds import Kind
from evidence.errors import MalformedError
from evidence.judging.judge import RunState


class Keep(IntEnum):
    """What of a point is kept."""

    EVERY = 0
    MINUTE = 1


class Aggregate(IntEnum):
    """What one value of a column stands for: a sample, or the samples of its minute."""

    SAMPLE = 0
    MEAN = 1
    MIN = 2
    MAX = 3
    LAST = 4


class Failure(IntEnum):
    """Why asking a device gave no value."""

    SILENT = 1
    LINE_DOWN = 2
    GARBLED = 3
    REFUSED = 4
    BUSY = 5
    NO_VALUE = 6
    RESTED = 7
    MISSED = 8
    STRANGER = 9
    """Another device than the one that was commissioned answers there."""


class Column(NamedTuple):
    """One point's values, one a row; None where asking failed or the row has none.

    A named tuple, because a bank's laptop builds 150,000 of them for a machine's month.
    """

    point: str
    aggregate: Aggregate
    unit: str
    decimals: int
    values: list[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """A window of one machine, meter or fire sensor.

    `times_ms` are UTC, one a row, rising, inside the window: of the answer's arrival (every sample) or of the
    minute's first asking (per minute). `asked` and `answered` count per row when kept per minute, else they are empty.
    """

    kind: ClassVar = Kind.READINGS
    from_ms: int
    to_ms: int
    period_ms: int
    keep: Keep
    times_ms: list[int]
    columns: list[Column]
    asked: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    failures: list[tuple[int, Failure, int]] = field(default_factory=list)
    """(row, why, how often)."""
    spans: list[tuple[int, RunState]] = field(default_factory=list)
    """(from this UTC ms on, state); the first begins at from_ms; empty when nothing is judged."""
    frames: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    """(UTC ms, request, answer) of the last exchange of each block."""
    missed: int = 0
    """Cycles of the grid in which nothing was asked."""

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {
            0: self.from_ms,
            1: self.to_ms,
            2: self.period_ms,
            3: int(self.keep),
            4: steps(self.times_ms, self.from_ms),
            5: [[c.point, int(c.aggregate), c.unit, c.decimals, c.values] for c in self.columns],
            6: self.asked,
            7: self.answered,
            8: [[row, int(why), times] for row, why, times in self.failures],
            9: [[at_ms - self.from_ms, int(state)] for at_ms, state in self.spans],
            10: [[at_ms - self.from_ms, request, answer] for at_ms, request, answer in self.frames],
            11: self.missed,
        }

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Readings":
        """Checks everything; raises MalformedError."""
        keys(value, 12)
        from_ms, to_ms = window(value[0], value[1])
        steps = unsigneds(value[4], ROWS_LIMIT, "times")
        times_ms = sums(steps, from_ms)
        if times_ms and times_ms[-1] >= to_ms:
            raise MalformedError("a row lies outside its window")
        rows = len(times_ms)
        keep = member(Keep, value[3])
        counted = rows if keep is Keep.MINUTE else 0
        asked = unsigneds(value[6], counted, "asked", exactly=counted)
        answered = unsigneds(value[7], counted, "answered", exactly=counted)
        if any(map(int.__gt__, answered, asked)):
            raise MalformedError("more answers than askings")
        return cls(
            from_ms=from_ms,
            to_ms=to_ms,
            period_ms=between(value[2], 1, MS_LIMIT, "period_ms"),
            keep=keep,
            times_ms=times_ms,
            columns=_columns(value[5], rows, keep),
            asked=asked,
            answered=answered,
            failures=_failures(value[8], rows),
            spans=spans(value[9], from_ms, to_ms, RunState),
            frames=_frames(value[10], from_ms, to_ms),
            missed=between(value[11], 0, MS_LIMIT, "missed"),
        )


_VALUE_TYPES: Final = frozenset((int, type(None)))


def _columns(value: object, rows: int, keep: Keep) -> list[Column]:
    """All columns at once: a month of a machine has 150,000 of them, and each look at one costs."""
    columns = array(value, COLUMNS_LIMIT, "columns")
    if not columns:
        return []
    if set(map(type, columns)) != {list} or set(map(len, columns)) != {5}:
        raise MalformedError("a column is no array of 5")
    points, aggregates, units, decimals, values = zip(*columns, strict=True)
    if (
        set(map(type, values)) != {list}
        or set(map(len, values)) != {rows}
        or not _VALUE_TYPES.issuperset(map(type, chain.from_iterable(values)))
    ):
        raise MalformedError("a column does not hold one integer or null a row")
    try:
        heads = list(map(_column_head, points, aggregates, units, decimals, repeat(keep)))
    except TypeError as cause:  # an array or a map cannot be looked up
        raise MalformedError("a column's point, aggregate, unit or decimals are none") from cause
    return [tuple.__new__(Column, (*head, values)) for head, values in zip(heads, values, strict=True)]


@lru_cache(maxsize=4096, typed=True)
def _column_head(
    point: object, aggregate: object, unit: object, decimals: object, keep: Keep
) -> tuple[str, Aggregate, str, int]:
    """A column without its values; the same few come in every statement of a stream."""
    what = member(Aggregate, aggregate)
    if (what is Aggregate.SAMPLE) is not (keep is Keep.EVERY):
        raise MalformedError(f"a column of {what.name} where {keep.name} is kept")
    return text(point, "point"), what, text(unit, "unit"), between(decimals, 0, 10, "decimals")


def _failures(value: object, rows: int) -> list[tuple[int, Failure, int]]:
    failures = []
    for failure in array(value, ROWS_LIMIT * len(Failure), "failures"):
        row, why, times = parts(failure, 3, "failure")
        failures.append((between(row, 0, rows, "row"), member(Failure, why), between(times, 1, MS_LIMIT, "times")))
    return failures


def _frames(value: object, from_ms: int, to_ms: int) -> list[tuple[int, bytes, bytes]]:
    frames = []
    for frame in array(value, FRAMES_LIMIT, "frames"):
        offset_ms, request, answer = parts(frame, 3, "frame")
        at_ms = from_ms + between(offset_ms, 0, max(1, to_ms - from_ms), "frame offset")
        frames.append((at_ms, octets(request, FRAME_LIMIT, "request"), octets(answer, FRAME_LIMIT, "answer")))
    return frames
