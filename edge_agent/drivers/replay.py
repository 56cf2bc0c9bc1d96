"""The driver that plays a recording (codecs/recording.py) at the pace of the box's clock. It measures nothing.

1. The recording's first reading belongs to the slot in which the machine is asked first; every later one belongs to the
   slot that is nearest to its time. Of several in one slot the last counts.
2. A slot in which the recording has no reading has no value. Nothing is repeated to fill it.
3. At its end it is silent, or begins again, as far behind its last reading as that was behind the one before.
4. A line that means nothing is passed over, and its slot is GARBLED.

That it is a replay, of which file, and whether in a loop, stands in the stream's signed settings.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, cast

from edge_agent.codecs.errors import FrameError
from edge_agent.codecs.recording import LINE_LIMIT, Form, Reader, Recorded, form_of, integer_of
from edge_agent.config.sections import Bus, Machine, RecordingPort
from edge_agent.drivers import driver
from edge_agent.drivers.driver import Exchange
from evidence.bodies import FRAME_LIMIT, Failure

BROKEN_LIMIT: Final = 1000
"""Lines on end that mean nothing; then it is no recording, and over."""
VALUE_LIMIT: Final = 1 << 53
"""As for Modbus: beyond it no reader of a statement need hold an integer exactly."""

Lines = Callable[[], Iterator[bytes]]
"""The recording's lines, from its first."""


def line_of(bus: Bus) -> "ReplayLine":
    """See Driver."""
    return ReplayLine(cast("RecordingPort", bus.port))


def asker_of(machine: Machine, line: driver.Line) -> "ReplayAsker":
    """See Driver."""
    return ReplayAsker(machine, cast("ReplayLine", line).port)


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    del machine
    return 0.0


class ReplayLine:
    """A recording that can be read; each machine reads it for itself."""

    def __init__(self, port: RecordingPort) -> None:
        self.port = port

    def open(self) -> Failure | None:
        """LINE_DOWN when there is no such file, or its name is not a recording's."""
        try:
            form_of(self.port.file.name)
            with self.port.file.open("rb"):
                return None
        except (OSError, FrameError):
            return Failure.LINE_DOWN

    def close(self) -> None:
        """Nothing is held open."""


class ReplayAsker:
    """One machine's recording. Losing it begins the recording anew."""

    def __init__(self, machine: Machine, port: RecordingPort) -> None:
        self._points, self._period_ms = machine.points, machine.period_ms
        self._port = port
        self._began_ms: int | None = None
        self._player: Player | None = None

    def ask(self, now_ms: int) -> Exchange:
        """What the recording has for this slot."""
        nothing: tuple[int | None, ...] = (None,) * len(self._points)
        slot_ms = now_ms // self._period_ms * self._period_ms
        try:
            if self._player is None or self._began_ms is None:
                form = form_of(self._port.file.name)
                loops, step_ms = self._port.loop, self._period_ms
                self._player = Player(lambda: _lines(self._port.file), form, loops=loops, step_ms=step_ms)
                self._began_ms = slot_ms
                played = self._player.until(0)
            else:
                played = self._player.until(slot_ms - self._began_ms + self._period_ms // 2)
        except (OSError, FrameError):
            self._player = None
            return Exchange(nothing, Failure.LINE_DOWN, (), heard=False)
        if played.reading is None:
            failure = Failure.GARBLED if played.broken else Failure.SILENT if played.is_over else Failure.NO_VALUE
            return Exchange(nothing, failure, (), heard=not played.is_over)
        told = played.reading.values
        values = tuple(integer_of(told.get(point.name), point.decimals, VALUE_LIMIT) for point in self._points)
        why = (played.reading.failure or Failure.NO_VALUE) if None in values else None
        frame = (f"replay {self._port.file.name}".encode()[:FRAME_LIMIT], played.line[:FRAME_LIMIT])
        return Exchange(values, why, (frame,), heard=True)


class Played(NamedTuple):
    """What came of a slot."""

    reading: Recorded | None
    line: bytes
    """As it stands in the recording."""
    broken: int
    """Where there is no reading: lines before the next one that mean nothing."""
    is_over: bool


class _Next(NamedTuple):
    at_ms: int
    """Since the recording began, with all its rounds."""
    reading: Recorded
    line: bytes


class Player:
    """A recording as a line of time that begins at 0; in rounds, where it loops."""

    def __init__(self, lines: Lines, form: Form, *, loops: bool, step_ms: int) -> None:
        """`step_ms` is how far apart the rounds of a recording with one reading are."""
        self._lines, self._form, self._loops, self._one_step_ms = lines, form, loops, step_ms
        self._round_at_ms = 0
        self._broken = 0
        self._rest = lines()
        self._begin()
        self._next = self._read()

    def until(self, at_ms: int) -> Played:
        """The last reading up to that instant that was not given yet. OSError when the file cannot be read."""
        last: _Next | None = None
        while self._next is not None and self._next.at_ms <= at_ms:
            last, self._broken = self._next, 0
            self._next = self._read(at_ms)
        is_over = self._next is None
        if last is None:
            return Played(None, b"", self._broken, is_over)
        return Played(last.reading, last.line, 0, is_over)

    def _begin(self) -> None:
        self._reader = Reader(self._form)
        self._first_ms: int | None = None
        self._last_ms = 0
        self._step_ms = self._one_step_ms

    def _read(self, at_ms: int = 0) -> _Next | None:
        """The reading after this; None at the end. Rounds that end before `at_ms` are passed over."""
        found = self._read_round()
        if found is None and self._loops and self._first_ms is not None:
            round_ms = self._last_ms + self._step_ms
            self._round_at_ms += max(1, (at_ms - self._round_at_ms) // round_ms) * round_ms
            self._rest = self._lines()
            self._begin()
            found = self._read_round()
        return found

    def _read_round(self) -> _Next | None:
        in_a_row = 0
        for line in self._rest:
            try:
                reading = self._reader.take(line)
            except FrameError:
                self._broken += 1
                in_a_row += 1
                if in_a_row >= BROKEN_LIMIT:
                    return None
                continue
            if reading is not None:
                return self._placed(reading, line)
        return None

    def _placed(self, reading: Recorded, line: bytes) -> _Next:
        if self._first_ms is None:
            self._first_ms = reading.at_ms
        offset_ms = reading.at_ms - self._first_ms
        if offset_ms:
            self._step_ms = offset_ms - self._last_ms
        self._last_ms = offset_ms
        return _Next(self._round_at_ms + offset_ms, reading, line.rstrip(b"\r\n"))


def _lines(file: Path) -> Iterator[bytes]:
    """Each at most one byte longer than a recording's may be; the rest of a longer one is another."""
    with file.open("rb") as opened:
        while line := opened.readline(LINE_LIMIT + 1):
            yield line
