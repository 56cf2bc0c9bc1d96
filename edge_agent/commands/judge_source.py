"""What `edge-agent judge` judges: the streams of an evidence bundle, or one recording, as windows of readings.

Signatures are not checked here: `evidence verify` does that.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path
from statistics import median_low
from typing import Any, Final

from edge_agent.codecs.recording import LINE_LIMIT, Form, Recorded, TimeKey, form_of, integer_of
from edge_agent.codecs.recording import Reader as RecordingReader
from edge_agent.config.points import Point, PointKind
from evidence import cbor, cose
from evidence.bodies import (
    Aggregate,
    Column,
    Configuration,
    Failure,
    Keep,
    Readings,
    body_from_value,
)
from evidence.bundle import Entry
from evidence.errors import MalformedError
from evidence.source import Files, open_source
from evidence.statement import STATEMENT_LIMIT, peek_place

STREAMS_LIMIT: Final = 10_000
"""Streams of one bundle that are looked at."""
ROWS_A_WINDOW: Final = 600
_DECIMALS_LIMIT: Final = 6
_INTEGER_LIMIT: Final = 1 << 53
_LOOKED_AT: Final = 1000
"""Readings that say how often a device was asked."""
UNITS: Final = (("energy", "Wh"), ("pressure", "kPa"), ("residual", "mA"), ("temperature", "degC"), ("power", "W"))
"""A recording has no units; a point whose name has this in it is taken to be in that, any other in W."""


@dataclass(frozen=True, slots=True)
class Windows:
    """One stream's settings and windows, in order."""

    box: str
    stream: str
    source: Files | None
    places: tuple[tuple[int, int, int], ...] = ()
    """(n, place, length) of a bundle's statements."""
    recorded: "Recording | None" = None

    def bodies(self) -> Generator[Configuration | Readings, None, None]:
        """From the first to the last. Raises MalformedError, FrameError, OSError."""
        if self.recorded is not None:
            yield from self.recorded.bodies()
            return
        assert self.source is not None  # noqa: S101  # it is a bundle's
        last_n = -1
        with self.source as source:
            for n, place, length in self.places:
                body = _body(source.content(place, length)) if n != last_n else None
                last_n = n
                if body is not None:
                    yield body

    @property
    def is_signed(self) -> bool:
        """Whether a box judged it before."""
        return self.recorded is None

    @property
    def counts_from_start(self) -> bool:
        """Whether times count from the recording's own beginning, not from 1970."""
        return self.recorded is not None and self.recorded.key is TimeKey.OFFSET


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, looked through once."""

    file: Path
    form: Form
    key: TimeKey
    points: tuple[Point, ...]
    period_ms: int

    def bodies(self) -> Iterator[Configuration | Readings]:
        """As a box would seal it that keeps every sample and judges nothing."""
        points = [{"name": p.name, "unit": p.unit, "decimals": p.decimals, "kind": p.kind.value} for p in self.points]
        yield Configuration(settings={"period_ms": self.period_ms, "counter_events": 1, "points": points})
        readings = _readings(self.file, self.form)
        from_ms: int | None = None
        while rows := list(islice(readings, ROWS_A_WINDOW)):
            from_ms = rows[0].at_ms if from_ms is None else from_ms
            to_ms = rows[-1].at_ms + 1
            yield self._window(rows, from_ms, to_ms)
            from_ms = to_ms

    def _window(self, rows: list[Recorded], from_ms: int, to_ms: int) -> Readings:
        rows = [row for row in rows if row.failure is not Failure.MISSED]
        columns = [
            Column(p.name, Aggregate.SAMPLE, p.unit, p.decimals, [_integer(row, p) for row in rows])
            for p in self.points
        ]
        return Readings(
            from_ms=from_ms,
            to_ms=to_ms,
            period_ms=self.period_ms,
            keep=Keep.EVERY,
            times_ms=[row.at_ms for row in rows],
            columns=columns,
            failures=[(i, row.failure, 1) for i, row in enumerate(rows) if row.failure is not None],
        )


def look_into(path: Path, points: tuple[Point, ...] | None) -> list[Windows]:
    """The streams in this file; `points` describe a recording's. Raises EvidenceError, FrameError, OSError."""
    if is_recording(path):
        return [_recording(path, points)]
    source = open_source(path)
    places: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for place, kind, content in source.entries():
        at = peek_place(content) if kind is Entry.STATEMENT else None
        if at is not None and (at[:2] in places or len(places) < STREAMS_LIMIT):
            places.setdefault(at[:2], []).append((at[2], place, len(content)))
    if source.damaged and not places:
        raise MalformedError(source.damaged[0])
    return [
        Windows(box=box, stream=stream, source=source, places=tuple(sorted(found)))
        for (box, stream), found in sorted(places.items())
        if stream.partition("/")[0] in {"machine", "meter", "fire"}
    ]


def is_recording(path: Path) -> bool:
    """By its name."""
    return path.is_file() and any(path.name.lower().endswith(form.value) for form in Form)


def measured(windows: Windows) -> tuple[tuple[Point, ...], int]:
    """What a stream's points are, as far as judging needs them, and how often they were asked."""
    points: tuple[Point, ...] = ()
    with closing(windows.bodies()) as bodies:
        for body in bodies:
            if isinstance(body, Configuration):
                points = tuple(_points(body.settings))
            else:
                return points or tuple(_columns(body)), body.period_ms
    return points, 1000


def _points(settings: dict[str, Any]) -> Iterator[Point]:
    points = settings.get("points")
    for point in points if isinstance(points, list) else ():
        match point:
            case {"name": str(name), "unit": str(unit), "decimals": int(decimals), "kind": str(kind), **more}:
                modulus = more.get("modulus")
                yield Point(
                    name=name,
                    unit=unit,
                    decimals=decimals,
                    kind=PointKind(kind) if kind in _KINDS else PointKind.GAUGE,
                    modulus=modulus if isinstance(modulus, int) else None,
                )


def _columns(window: Readings) -> Iterator[Point]:
    """Of a stream whose settings name no points."""
    for column in window.columns:
        if column.aggregate in {Aggregate.SAMPLE, Aggregate.LAST}:
            yield Point(name=column.point, unit=column.unit, decimals=column.decimals, kind=PointKind.COUNTER)


_KINDS: Final = {kind.value for kind in PointKind}


def _body(encoded: bytes) -> Configuration | Readings | None:
    """What a statement says, NOT verified; None when it is of another kind."""
    payload = cbor.decode(cose.peek1(encoded, at_most=STATEMENT_LIMIT), at_most=STATEMENT_LIMIT)
    if type(payload) is not dict or payload.get(11) not in {Configuration.kind, Readings.kind}:
        return None
    body = body_from_value(payload[11], payload.get(12))
    if not isinstance(body, Configuration | Readings):
        raise MalformedError("a statement's body is not of its kind")
    return body


def _recording(file: Path, known: tuple[Point, ...] | None) -> Windows:
    form, times, decimals = form_of(file.name), list[int](), dict[str, int]()
    reader = RecordingReader(form)
    for reading in _readings(file, form, reader):
        if len(times) < _LOOKED_AT:
            times.append(reading.at_ms)
        for name, value in reading.values.items():
            decimals[name] = max(decimals.get(name, 0), 0 if value is None else _fraction(value))
    steps = [b - a for a, b in pairwise(times)]
    by_name = {point.name: point for point in known or ()}
    points = tuple(by_name.get(name) or _guessed(name, digits) for name, digits in decimals.items())
    recorded = Recording(file, form, reader.key or TimeKey.OFFSET, points, median_low(steps) if steps else 1000)
    return Windows(box="", stream=file.name, source=None, recorded=recorded)


def _readings(file: Path, form: Form, reader: RecordingReader | None = None) -> Iterator[Recorded]:
    reader = reader or RecordingReader(form)
    with file.open("rb") as opened:
        for line in iter(lambda: opened.readline(LINE_LIMIT + 1), b""):
            if (reading := reader.take(line)) is not None:
                yield reading


def _guessed(name: str, digits: int) -> Point:
    unit = next((unit for part, unit in UNITS if part in name), "W")
    kind = PointKind.GAUGE if digits else PointKind.COUNTER  # whole numbers may be counted, too
    return Point(name=name, unit=unit, decimals=digits, kind=kind)


def _fraction(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return min(_DECIMALS_LIMIT, max(0, -exponent)) if isinstance(exponent, int) else 0


def _integer(row: Recorded, point: Point) -> int | None:
    return integer_of(row.values.get(point.name), point.decimals, _INTEGER_LIMIT)
