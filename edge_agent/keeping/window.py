"""The open window of a stream: readings come in, a READINGS body and its events come out. Pure; keeper.py keeps it.

Rows are held encoded and deflated (rows.py), since a box may watch a hundred machines for five minutes each.
A window ends just after its last reading, so the next one adjoins it and no reading can fall between the two.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

from edge_agent.keeping.rows import Row, Rows, decode_events, decode_row, encode_events, encode_row
from edge_agent.reading import NOW_MS, Frame, Reading
from evidence.bodies import (
    FRAME_LIMIT,
    FRAMES_LIMIT,
    ROWS_LIMIT,
    SPANS_LIMIT,
    Aggregate,
    Column,
    Event,
    Events,
    Failure,
    Keep,
    Readings,
)
from evidence.judging.judge import Change, RunState, spans_of
from evidence.judging.standing import BEGINNING, Standing
from evidence.judging.stream_judge import Measure, Rules, StreamJudge

MINUTE_MS: Final = 60_000
ROWS_FULL: Final = ROWS_LIMIT - 96
"""At this many rows the window is sealed whatever the time."""
BYTES_FULL: Final = 120 * 1024
"""Likewise at this many bytes of rows: a statement has twice as much room …"""
MINUTES_BYTES_FULL: Final = 180 * 1024
"""… and when the minutes in it could take up this many."""
CHANGES_FULL: Final = SPANS_LIMIT // 2
EVENTS_FULL: Final = 1024
EVENTS_TOGETHER: Final = 256
"""Events of one statement: they fit into it, however much they say."""
_VALUE_BYTES: Final = 9
"""One encoded value, at most …"""
_MINUTE_BYTES: Final = 128
"""… and what a minute takes besides its values: its time, what was asked and answered, and each kind of failure."""


_OF_A_GAUGE: Final = (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.LAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPoint:
    """What a statement says of one of a machine's points."""

    name: str
    unit: str
    decimals: int
    is_gauge: bool
    """Whether a minute of it has a mean; of a counter or a state only the last value says something."""

    @property
    def aggregates(self) -> tuple[Aggregate, ...]:
        """What is kept of a minute."""
        return _OF_A_GAUGE if self.is_gauge else (Aggregate.LAST,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a window needs to know of its stream.

    It is read from the stream's signed settings, so what an earlier run left unsealed is sealed by the settings that it
    was measured with.
    """

    stream: str
    points: tuple[KeptPoint, ...]
    period_ms: int
    keep: Keep
    rules: Rules

    @property
    def minute_bytes(self) -> int:
        """What one minute takes in a statement, at most."""
        return _MINUTE_BYTES + _VALUE_BYTES * sum(len(point.aggregates) for point in self.points)

    @classmethod
    def from_settings(cls, stream: str, settings: Mapping[str, Any]) -> "Measured":
        """The opposite of config.settings_of, as far as a window needs it."""
        return cls(
            stream=stream,
            points=tuple(
                KeptPoint(name=p["name"], unit=p["unit"], decimals=p["decimals"], is_gauge=p["kind"] == "gauge")
                for p in settings["points"]
            ),
            period_ms=settings["period_ms"],
            keep=Keep(settings["keep"]),
            rules=Rules.from_settings(settings),
        )


@dataclass(slots=True)
class Window:
    """Readings of one stream since `from_ms`, where judging stands, and what a person should know of them."""

    measured: Measured
    from_ms: int
    carried: Standing = BEGINNING
    """Where judging stood when the window opened."""
    reported: list[Event] = field(default_factory=list)
    """What the device reported by itself."""
    judge: StreamJudge = field(init=False)
    changes: list[Change] = field(init=False, default_factory=list)
    judged: list[Event] = field(init=False, default_factory=list)
    """What judging found."""
    rows: Rows = field(init=False, default_factory=Rows)
    last_ms: int | None = field(init=False, default=None)
    missed: int = field(init=False, default=0)
    _minutes: int = field(init=False, default=0)
    _minute: int = field(init=False, default=-1)
    _frames: tuple[Frame, ...] = field(init=False, default=())
    _frames_at_ms: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        points = [Measure(point.name, point.unit, point.decimals) for point in self.measured.points]
        self.judge = StreamJudge(rules=self.measured.rules, points=points, carried=self.carried)

    @property
    def is_full(self) -> bool:
        """Whether it must be sealed now, whatever the time."""
        return (
            len(self.rows) >= ROWS_FULL
            or self.rows.size >= BYTES_FULL
            or self._minutes * self.measured.minute_bytes >= MINUTES_BYTES_FULL
            or len(self.changes) >= CHANGES_FULL
            or len(self.judged) + len(self.reported) >= EVENTS_FULL
        )

    @property
    def has_news(self) -> bool:
        """Whether there is an event to be told."""
        return bool(self.judged or self.reported)

    @property
    def end_ms(self) -> int:
        """Just after the last reading; where the window begins when there is none."""
        return self.from_ms if self.last_ms is None else self.last_ms + 1

    def add(self, reading: Reading, at_ms: int) -> tuple[list[bytes], bool]:
        """Take in a reading of this instant: (its rows, whether the state is another now).

        One that is older than the window or its last row counts as just behind that.
        """
        at_ms = max(at_ms, self.end_ms)
        row = encode_row(at_ms, reading)
        if reading.frames and any(answer for _, answer in reading.frames):
            self._frames, self._frames_at_ms = reading.frames, at_ms
        changed = self._take(row, at_ms, reading.values, reading.failure, reading.cycles)
        stamped = (replace(event, at_ms=at_ms) if event.at_ms == NOW_MS else event for event in reading.events)
        news = self.judge.heed(tuple(stamped)) if reading.events else []
        self.reported += news
        return [row, *encode_events(news)], changed

    def replay(self, row: bytes) -> None:
        """Take in a row that an earlier run of this program had kept."""
        if (events := decode_events(row)) is not None:
            self.reported += self.judge.heed(events)
            return
        at_ms, values, failure, cycles = decode_row(row)
        self._take(row, at_ms, values, failure, cycles)

    def _take(self, row: bytes, at_ms: int, values: Sequence[int | None], failure: Failure | None, cycles: int) -> bool:
        before = self.judge.judged.state
        if failure is Failure.MISSED:
            self.missed += cycles
        else:
            self.rows.append(row)
            self._minutes += at_ms // MINUTE_MS != self._minute
            self._minute = at_ms // MINUTE_MS
        self.last_ms = at_ms
        changes, events = self.judge.take(at_ms, values)
        self.changes += changes
        self.judged += events
        return self.judge.judged.state is not before

    def seal(self, to_ms: int, *, keep: Keep | None = None) -> tuple[Readings, Standing]:
        """The window's body, and where judging stands at its end. `keep` overrides what the configuration keeps."""
        spans: list[tuple[int, RunState]] = []
        judge = StreamJudge(rules=self.measured.rules, points=self.judge.points, carried=self.judge.standing)
        if judge.rule is not None:
            marks = spans_of(self.carried.judged.state, [*self.changes, *judge.expire(to_ms)], self.from_ms, to_ms)
            spans = [(start, state) for start, _, state in marks]
        decoded = [decode_row(row) for row in self.rows]
        per_minute = (keep or self.measured.keep) is Keep.MINUTE
        kept = _by_minute(decoded, self.measured.points) if per_minute else _every(decoded, self.measured.points)
        return (
            Readings(
                from_ms=self.from_ms,
                to_ms=to_ms,
                period_ms=self.measured.period_ms,
                keep=Keep.MINUTE if per_minute else Keep.EVERY,
                times_ms=kept.times_ms,
                columns=kept.columns,
                asked=kept.asked,
                answered=kept.answered,
                failures=kept.failures,
                spans=spans,
                frames=[
                    (self._frames_at_ms, request[:FRAME_LIMIT], answer[:FRAME_LIMIT])
                    for request, answer in self._frames[:FRAMES_LIMIT]
                ],
                missed=self.missed,
            ),
            judge.standing,
        )

    def news(self) -> list[Events]:
        """The window's events in the order of time, for statements right after its readings."""
        told = sorted([*self.reported, *self.judged], key=lambda event: event.at_ms)  # first who answers, then what
        return [Events(events=told[at : at + EVENTS_TOGETHER]) for at in range(0, len(told), EVENTS_TOGETHER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    times_ms: list[int]
    columns: list[Column]
    asked: list[int]
    answered: list[int]
    failures: list[tuple[int, Failure, int]]


def _every(rows: list[Row], points: tuple[KeptPoint, ...]) -> _Kept:
    by_point: Iterable[tuple[int | None, ...]] = zip(*(row[1] for row in rows), strict=True) if rows else ()
    columns = [
        Column(point=p.name, aggregate=Aggregate.SAMPLE, unit=p.unit, decimals=p.decimals, values=list(values))
        for p, values in zip(points, by_point or [()] * len(points), strict=True)
    ]
    return _Kept(
        times_ms=[row[0] for row in rows],
        columns=columns,
        asked=[],
        answered=[],
        failures=[(i, row[2], row[3]) for i, row in enumerate(rows) if row[2] is not None],
    )


def _by_minute(rows: list[Row], points: tuple[KeptPoint, ...]) -> _Kept:
    columns = [
        [Column(point=p.name, aggregate=a, unit=p.unit, decimals=p.decimals, values=[]) for a in p.aggregates]
        for p in points
    ]
    kept = _Kept(times_ms=[], columns=[c for of in columns for c in of], asked=[], answered=[], failures=[])
    for minute, (_, group) in enumerate(groupby(rows, key=lambda row: row[0] // MINUTE_MS)):
        members = list(group)
        kept.times_ms.append(members[0][0])
        kept.asked.append(sum(row[2] is not Failure.RESTED for row in members))
        kept.answered.append(sum(any(v is not None for v in row[1]) for row in members))
        why: Counter[Failure] = Counter()
        for row in members:
            if row[2] is not None:
                why[row[2]] += row[3]
        kept.failures.extend((minute, failure, times) for failure, times in sorted(why.items()))
        for of, samples in zip(columns, zip(*(row[1] for row in members), strict=True), strict=True):
            _append(of, samples)
    return kept


def _append(columns: list[Column], samples: tuple[int | None, ...]) -> None:
    good = samples if None not in samples else [v for v in samples if v is not None]
    if not good:
        for column in columns:
            column.values.append(None)
        return
    columns[-1].values.append(good[-1])
    if len(columns) > 1:
        mean, least, most, _ = columns
        mean.values.append(_mean(good))  # type: ignore[arg-type]
        least.values.append(min(good))  # type: ignore[type-var]
        most.values.append(max(good))  # type: ignore[type-var]


def _mean(values: Sequence[int]) -> int:
    """Rounded half up, in integers."""
    return (2 * sum(values) + len(values)) // (2 * len(values))
