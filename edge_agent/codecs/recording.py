"""A recording of one device's readings, a line each, as JSON lines (.jsonl) or CSV (.csv). Pure. docs/recordings.md.

    {"offset_ms": 0, "values": {"active_power": 1500.5, "energy_import": null}, "failure": "NO_VALUE"}

    offset_ms,active_power,energy_import,failure
    0,1500.5,,NO_VALUE

1. `offset_ms` counts milliseconds from any beginning; `at_ms` in its place is UTC since 1970. One recording has one of
   the two, and it rises from line to line.
2. A value is an exact decimal number in its point's unit; null, or an empty cell, where none came.
3. `failure` is the name of an evidence.bodies.Failure; null, empty or left out where there was none.
4. Empty lines and lines that begin with # are for people.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from io import StringIO
from typing import Any, Final, NoReturn

from edge_agent.codecs.errors import FrameError, FrameFault
from evidence.bodies import MS_LIMIT, Failure

LINE_LIMIT: Final = 64 * 1024
"""Bytes of one line."""
POINTS_LIMIT: Final = 512
"""Points of one line."""
DIGITS_LIMIT: Final = 40
"""Characters of one number."""


class Form(Enum):
    """How a line is written; the value is how the file's name ends."""

    JSON_LINES = ".jsonl"
    CSV = ".csv"


class TimeKey(Enum):
    """What a line's time counts from."""

    OFFSET = "offset_ms"
    AT = "at_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One reading of a recording."""

    at_ms: int
    """Milliseconds since 1970 or since the recording's own beginning, as its TimeKey says."""
    values: Mapping[str, Decimal | None]
    """In each point's unit; a point that is not there was not asked."""
    failure: Failure | None = None


def form_of(name: str) -> Form:
    """By how a file's name ends. Raises FrameError."""
    for form in Form:
        if name.lower().endswith(form.value):
            return form
    raise FrameError(FrameFault.START, f"{name} does not end in {' or '.join(form.value for form in Form)}")


class Reader:
    """Takes a recording line by line, and goes on after a line that means nothing."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._columns: tuple[str, ...] = ()
        self._line = 0
        self.key: TimeKey | None = None
        """None until the first line has said it."""
        self._last_ms = -1

    def take(self, line: bytes) -> Recorded | None:
        """The line's reading; None for a line that has none. Raises FrameError, with the line's number."""
        self._line += 1
        try:
            return self._take(line)
        except FrameError as wrong:
            raise FrameError(wrong.fault, f"line {self._line}: {wrong}") from wrong

    def _take(self, line: bytes) -> Recorded | None:
        if len(line) > LINE_LIMIT:
            raise FrameError(FrameFault.LIMIT, f"longer than {LINE_LIMIT} bytes")
        try:
            text = line.decode().strip("\ufeff\r\n \t")
        except UnicodeDecodeError as wrong:
            raise FrameError(FrameFault.VALUE, "not UTF-8") from wrong
        if not text or text.startswith("#"):
            return None
        if self._form is Form.JSON_LINES:
            return self._reading(_object(text))
        cells = _cells(text)
        if self._columns:
            return self._reading(_by_column(self._columns, cells))
        self._columns = _heading(cells)
        return None

    def _reading(self, found: dict[str, Any]) -> Recorded:
        keys = [key for key in TimeKey if key.value in found]
        if len(keys) != 1 or (self.key or keys[0]) is not keys[0]:
            raise FrameError(FrameFault.VALUE, "the time must be offset_ms or at_ms, the same in every line")
        unknown = found.keys() - {keys[0].value, "values", "failure"}
        values = found.get("values", {})
        if unknown or not isinstance(values, dict) or len(values) > POINTS_LIMIT:
            raise FrameError(FrameFault.VALUE, "a reading has a time, values by point name, and failure")
        at_ms = _number(found[keys[0].value])
        if at_ms is None or not self._last_ms < at_ms < MS_LIMIT or at_ms % 1:  # of more digits Decimal has no rest
            raise FrameError(FrameFault.VALUE, f"{keys[0].value} must be whole, and above the line's before")
        reading = Recorded(
            at_ms=int(at_ms),
            values={name: _number(value) for name, value in values.items()},
            failure=_failure(found.get("failure")),
        )
        self.key, self._last_ms = keys[0], reading.at_ms
        return reading


def read(lines: Iterable[bytes], form: Form) -> Iterator[Recorded]:
    """Every reading, in order, as the lines come. Raises FrameError at the first line that means nothing."""
    reader = Reader(form)
    for line in lines:
        if (reading := reader.take(line)) is not None:
            yield reading


def heading(form: Form, points: Sequence[str], key: TimeKey, *, about: str = "") -> bytes:
    """What a recording begins with; `about` is for people, on one line."""
    note = f"# {' '.join(about.split())}\n" if about else ""
    if form is Form.CSV:
        note += _row((key.value, *points, "failure"))
    return note.encode()


def line_of(reading: Recorded, form: Form, points: Sequence[str], key: TimeKey) -> bytes:
    """One reading as a line: the opposite of Reader.take, for the same points as its heading."""
    failure = None if reading.failure is None else reading.failure.name
    values = {name: reading.values.get(name) for name in points}
    if form is Form.CSV:
        texts = ("" if value is None else f"{value:f}" for value in values.values())
        return _row((str(reading.at_ms), *texts, failure or "")).encode()
    # json has no exact decimals: numbers are put in as they are written, names as JSON texts
    told = ", ".join(
        f"{json.dumps(name, ensure_ascii=False)}: {'null' if value is None else f'{value:f}'}"
        for name, value in values.items()
    )
    return f'{{"{key.value}": {reading.at_ms}, "values": {{{told}}}, "failure": {json.dumps(failure)}}}\n'.encode()


def integer_of(value: Decimal | None, decimals: int, limit: int) -> int | None:
    """A recorded value as a reading has it: an integer with so many decimals; None where beyond ±limit."""
    if value is None:
        return None
    integer = round(value.scaleb(decimals))
    return integer if -limit < integer < limit else None


def decimal_of(value: int | None, decimals: int) -> Decimal | None:
    """A reading's value as it is recorded, exactly."""
    return None if value is None else Decimal(value).scaleb(-decimals)


class _Pairs(dict[str, Any]):
    """A JSON object in which no name stands twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        if len(self) < len(pairs):
            raise FrameError(FrameFault.VALUE, "a name stands twice")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(
            text, parse_float=_Digits, parse_int=_Digits, parse_constant=_refused, object_pairs_hook=_Pairs
        )
    except FrameError:
        raise
    except (ValueError, RecursionError) as wrong:
        raise FrameError(FrameFault.START, "no JSON object on one line") from wrong
    if not isinstance(found, dict):
        raise FrameError(FrameFault.START, "no JSON object on one line")
    return found


class _Digits(str):
    """A number as it is written, told from a text."""

    __slots__ = ()


def _refused(text: str) -> NoReturn:
    raise FrameError(FrameFault.VALUE, f"{text} is no number")


def _number(found: object) -> Decimal | None:
    if found is None:
        return None
    if not isinstance(found, _Digits):
        raise FrameError(FrameFault.VALUE, f"{found!r:.40} is no number")
    if len(found) > DIGITS_LIMIT:
        raise FrameError(FrameFault.LIMIT, f"a number of more than {DIGITS_LIMIT} characters")
    try:
        number = Decimal(found)
    except InvalidOperation as wrong:
        raise FrameError(FrameFault.VALUE, f"{found!r:.40} is no number") from wrong
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_LIMIT:
        raise FrameError(FrameFault.VALUE, f"{found!r:.40} is no number that a device could have")
    return number


def _failure(found: object) -> Failure | None:
    if found is None or found == "":
        return None
    if not isinstance(found, str) or found not in Failure.__members__:
        raise FrameError(FrameFault.VALUE, f"failure {found!r:.40} is none of {', '.join(Failure.__members__)}")
    return Failure[found]


def _cells(text: str) -> list[str]:
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as wrong:
        raise FrameError(FrameFault.START, f"no line of CSV ({wrong})") from wrong
    return [cell.strip() for cell in rows[0]]


def _heading(cells: list[str]) -> tuple[str, ...]:
    if cells[0] not in {key.value for key in TimeKey} or len(set(cells)) < len(cells) or "" in cells:
        raise FrameError(FrameFault.START, "no heading: offset_ms or at_ms, then each point's name once, then failure")
    if len(cells) > POINTS_LIMIT + 2:
        raise FrameError(FrameFault.LIMIT, f"more than {POINTS_LIMIT} points")
    return tuple(cells)


def _by_column(columns: tuple[str, ...], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise FrameError(FrameFault.LENGTH, f"{len(cells)} cells where the heading has {len(columns)}")
    found: dict[str, Any] = dict(zip(columns, cells, strict=True))
    failure = found.pop("failure", "")
    time = found.pop(columns[0])
    values = {name: _Digits(cell) if cell else None for name, cell in found.items()}
    return {columns[0]: _Digits(time), "values": values, "failure": failure}


def _row(cells: Iterable[str]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
