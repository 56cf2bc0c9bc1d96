"""Power that was read before: from a recording, from statements in a bundle, or from what the box's spool still holds.

Signatures are not checked: who may read his machines' powers here need not be who may read the box's key, and what
comes of it is a proposal that a person looks at. Where the box keeps minutes, there are the least, the greatest and the
mean power of each.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from edge_agent.codecs.errors import FrameError
from edge_agent.codecs.recording import LINE_LIMIT, Form, form_of, integer_of, read
from edge_agent.config.load import Config
from edge_agent.config.points import Point
from edge_agent.config.sections import Machine
from edge_agent.installing.calibrating.rhythm import Sample, of_minutes
from edge_agent.installing.calibrating.walk import SAMPLES_LIMIT
from edge_agent.keeping.keeper import PROCESS
from edge_agent.keeping.rows import decode_row
from edge_agent.keeping.spool import Spool, SpoolError
from evidence import cbor, cose
from evidence.bodies import Aggregate, Column, Keep, Kind, Readings
from evidence.bundle import Entry, read_bundle
from evidence.errors import EvidenceError
from evidence.judging.columns import column_of, milliwatts
from evidence.judging.judge import Read
from evidence.statement import STATEMENT_LIMIT, peek_place

_POWER_LIMIT: Final = 1 << 50


class NoHistoryError(Exception):
    """There is nothing to learn from; the message says why and what to do."""


@dataclass(slots=True, kw_only=True)
class History:
    """Readings of one machine's power, in the order of time; of more than SAMPLES_LIMIT the first ones."""

    box: str
    stream: str
    point: Point
    since_ms: int = 0
    samples: list[Sample] = field(default_factory=list)
    """Where the box keeps minutes: the least and the greatest of each."""
    means: list[Sample] = field(default_factory=list)
    """One a row: the reading, or the minute's mean."""

    @property
    def lasted_ms(self) -> int:
        """From the first to the last."""
        return self.means[-1].at_ms - self.means[0].at_ms if self.means else 0

    def add(self, rows: Iterable[Sample]) -> None:
        """Single readings."""
        for row in rows:
            if row.at_ms >= self.since_ms and len(self.samples) < SAMPLES_LIMIT:
                self.samples.append(row)
                self.means.append(row)

    def add_minutes(self, rows: Iterable[Sample]) -> None:
        """Single readings as the minutes that will be kept of them: each minute then weighs alike."""
        for minute, group in groupby(rows, key=lambda row: row.at_ms // _MINUTE_MS):
            powers = [row.power_mw for row in group]
            at_ms = minute * _MINUTE_MS
            if at_ms >= self.since_ms:
                self.samples += of_minutes([(at_ms, min(powers), max(powers))])
                self.means.append(Sample(at_ms, sum(powers) // len(powers)))

    def add_statements(self, encoded: Iterable[bytes]) -> None:
        """This stream's; others are passed over. Raises MalformedError when one is no statement."""
        for each in encoded:
            if (place := peek_place(each)) is not None and place[:2] == (self.box, self.stream):
                match cbor.decode(cose.peek1(each, at_most=STATEMENT_LIMIT), at_most=STATEMENT_LIMIT):
                    case {11: Kind.READINGS, 12: {**body}}:
                        self._add_window(Readings.from_value(body))

    def _add_window(self, window: Readings) -> None:
        if window.to_ms < self.since_ms or len(self.samples) >= SAMPLES_LIMIT:
            return
        single, least, most, mean = (
            column_of(window, self.point.name, aggregate)
            for aggregate in (Aggregate.SAMPLE, Aggregate.MIN, Aggregate.MAX, Aggregate.MEAN)
        )
        if single is not None:
            self.add(_rows(window, single))
        if least is not None and most is not None and mean is not None:
            rows = zip(window.times_ms, milliwatts(least), milliwatts(most), strict=True)
            self.samples += of_minutes(
                (at, low, high) for at, low, high in rows if low is not None and high is not None
            )
            self.means += _rows(window, mean)


def from_file(file: Path, config: Config, machine: Machine, point: Point, *, hours: float | None = None) -> History:
    """From a recording (.jsonl, .csv) or an evidence bundle; its last `hours`. Raises NoHistoryError."""
    history = History(box=config.box.id, stream=machine.stream, point=point)
    try:
        form = form_of(file.name)
    except FrameError:
        _add_bundle(history, file)
    else:
        _add_recording(history, file, form)
    if not history.means:
        raise NoHistoryError(f"{file} has no value of {point.name} of {machine.stream}; --point names another point")
    if hours is not None:
        after_ms = history.means[-1].at_ms - round(hours * 3_600_000)
        history.samples = [sample for sample in history.samples if sample.at_ms > after_ms]
        history.means = [mean for mean in history.means if mean.at_ms > after_ms]
    return history


def from_spool(config: Config, machine: Machine, point: Point, *, since_ms: int) -> History:
    """From this box's own statements and what is not sealed yet. Raises NoHistoryError."""
    history = History(box=config.box.id, stream=machine.stream, point=point, since_ms=since_ms)
    try:
        with closing(Spool(config.box.spool, box=config.box.id, read_only=True)) as spool:
            history.add_statements(spool.statements(unsent_only=False))
            settings = spool.settings(machine.stream) or {}
            rows = _unsealed(spool, history, settings)
            history.add_minutes(rows) if settings.get("keep") == Keep.MINUTE else history.add(rows)
    except SpoolError as wrong:
        raise NoHistoryError(f"{wrong}; has `edge-agent poll` been started once?") from wrong
    except EvidenceError as wrong:
        raise NoHistoryError(f"the spool {config.box.spool}: {wrong}") from wrong
    if not history.means:
        raise NoHistoryError(
            f"the box has kept no {point.name} of {machine.stream} in these hours: let `edge-agent poll` run for some,"
            " or add --live to ask the device itself"
        )
    return history


def _add_recording(history: History, file: Path, form: Form) -> None:
    decimals = 6 if history.point.unit == "kW" else 3  # milliwatts
    try:
        with file.open("rb") as opened:
            for reading in read(iter(lambda: opened.readline(LINE_LIMIT + 1), b""), form):
                power_mw = integer_of(reading.values.get(history.point.name), decimals, _POWER_LIMIT)
                if power_mw is not None:
                    history.add((Sample(reading.at_ms, power_mw),))
    except OSError as wrong:
        raise NoHistoryError(f"cannot read {file}: {wrong.strerror}") from wrong
    except FrameError as wrong:
        raise NoHistoryError(f"{file}: {wrong}; docs/recordings.md says how a recording is written") from wrong


def _add_bundle(history: History, file: Path) -> None:
    try:
        history.add_statements(content for kind, content in read_bundle(file) if kind is Entry.STATEMENT)
    except OSError as wrong:
        raise NoHistoryError(f"cannot read {file}: {wrong.strerror}") from wrong
    except EvidenceError as wrong:
        wanted = "it must be a recording (.jsonl or .csv) or a bundle of this box"
        raise NoHistoryError(f"{file}: {wrong}; {wanted}") from wrong


def _rows(window: Readings, column: Column) -> list[Sample]:
    pairs = zip(window.times_ms, milliwatts(column), strict=True)
    return [Sample(at_ms, power) for at_ms, power in pairs if power is not None]


def _unsealed(spool: Spool, history: History, settings: Mapping[str, Any]) -> Iterator[Sample]:
    """Journal rows behind what is sealed, as the settings in force name their columns."""
    head = next((head for head in spool.heads() if head.stream == history.stream), None)
    points = settings.get("points", [])
    at = next((at for at, each in enumerate(points) if each["name"] == history.point.name), None)
    if head is None or at is None:
        return
    how = Read(history.point.name, milli=True)
    for _, _, rows in spool.read_journal(PROCESS, head.journal_after):
        for stream, row in rows:
            at_ms, values, _, _ = decode_row(row) if stream == head.id else (0, [], None, 0)
            value = values[at] if values else None
            if value is not None:
                yield Sample(at_ms, how.scaled(value, points[at]["unit"], points[at]["decimals"]))


_MINUTE_MS: Final = 60_000
