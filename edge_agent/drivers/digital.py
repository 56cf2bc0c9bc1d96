"""The one door to gpiod (libgpiod v2): levels and pulses of lines that are inputs. It can only read.

Rules:
1. A line is requested as an input, each by itself, so that one that is taken or missing harms no other. Nothing here
   drives a line, or changes how one was requested.
2. The kernel counts. It numbers a line's edges from 1 (line_seqno) and keeps the newest with their times. The count is
   that number, so pulses that its buffer had no room for are counted as well, and an event says how many.
3. One edge is one pulse: the one with which it begins.
4. A count begins at 0 with the program. While a chip is gone (a USB adapter) nobody counts; an event says that too.

The raw frame of a line is (what was asked, `level=1`) or, for pulses, `level=1 pulses=1234 at=…`: all pulses so far,
and the times of the newest since the last asking, in nanoseconds of CLOCK_MONOTONIC.
"""

import errno
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple, Protocol, cast

import gpiod
from gpiod.line import Bias, Direction, Edge

from edge_agent.config import points
from edge_agent.config.points import Input, PointKind
from edge_agent.config.sections import Bus, ChipPort, Machine, lined
from edge_agent.drivers import driver
from edge_agent.drivers.driver import Exchange
from edge_agent.reading import NOW_MS, Frame
from evidence.bodies import Event, EventKind, Failure, Phase

CONSUMER: Final = "qianliyan"
"""What `gpioinfo` shows for a line that is ours."""
EDGES_KEPT: Final = 1024
"""Of one line by the kernel, which gives no more (GPIO_V2_LINES_MAX * 16)."""
EDGES_AT_ONCE: Final = 4 * EDGES_KEPT
"""Taken from the kernel in one asking, so that a line that chatters without end holds nobody up."""
TIMES_SHOWN: Final = 40
"""Of the newest pulses, in the raw frame."""
AGAIN_MS: Final = 60_000
"""A line that was refused is requested again after so long."""
VALUE_LIMIT: Final = 1 << 53
"""As for Modbus: beyond it no reader of a statement need hold an integer exactly."""

_NUMBERS: Final = 1 << 32
"""A line's numbers of edges begin anew there."""
_GONE: Final = frozenset({errno.ENODEV, errno.ENXIO, errno.EBADF, errno.EIO})
_BIAS: Final = {
    points.Bias.AS_IS: Bias.AS_IS,
    points.Bias.PULL_UP: Bias.PULL_UP,
    points.Bias.PULL_DOWN: Bias.PULL_DOWN,
    points.Bias.DISABLED: Bias.DISABLED,
}

_log = logging.getLogger(__name__)


class EdgeSeen(Protocol):
    """What is used of gpiod.EdgeEvent."""

    @property
    def line_seqno(self) -> int:
        """Its number among the line's edges, from 1."""
        ...

    @property
    def timestamp_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        ...


class Request(Protocol):
    """What is used of gpiod.LineRequest; only what reads."""

    def get_value(self, line: int | str) -> object:
        """True for an active line."""
        ...

    def wait_edge_events(self, timeout: timedelta | float | None = None) -> bool:
        """Whether there are edges to read."""
        ...

    def read_edge_events(self, max_events: int | None = None) -> Sequence[EdgeSeen]:
        """The oldest that are kept; waits when there are none."""
        ...

    def release(self) -> None:
        """Give the line back."""
        ...


class Chip(Protocol):
    """What is used of gpiod.Chip."""

    def request_lines(
        self,
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
    ) -> Request:
        """Take lines. OSError or ValueError when that cannot be."""
        ...

    def close(self) -> None:
        """Let go of the chip; lines that were taken stay so."""
        ...


def line_of(bus: Bus, *, open_chip: Callable[[str], Chip] = gpiod.Chip) -> "DigitalLine":
    """See Driver."""
    return DigitalLine(cast("ChipPort", bus.port), open_chip)


def asker_of(machine: Machine, line: driver.Line) -> "DigitalAsker":
    """See Driver."""
    return DigitalAsker(machine, cast("DigitalLine", line))


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    del machine
    return 0.0


def settings_of(point: Input) -> gpiod.LineSettings:
    """How a point's line is requested."""
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.RISING if point.kind is PointKind.COUNTER else Edge.NONE,
        bias=_BIAS[point.bias],
        active_low=point.active_low,
        debounce_period=timedelta(milliseconds=point.debounce_ms),
    )


class DigitalLine:
    """One GPIO chip, and the requests of its lines."""

    def __init__(self, port: ChipPort, open_chip: Callable[[str], Chip]) -> None:
        self._port, self._open_chip = port, open_chip
        self._chip: Chip | None = None
        self._requests: list[Request] = []
        self.opening = 0
        """A request belongs to one opening, and is void after it."""

    def open(self) -> Failure | None:
        """See Line."""
        if self._chip is None:
            try:
                self._chip = self._open_chip(self._port.chip)
            except OSError:
                return Failure.LINE_DOWN
        return None

    def close(self) -> None:
        """See Line. Gives all lines back."""
        self.opening += 1
        for request in self._requests:
            with suppress(OSError):
                request.release()
        self._requests.clear()
        if self._chip is not None:
            with suppress(OSError):
                self._chip.close()
            self._chip = None

    def request(self, line: int | str, settings: gpiod.LineSettings) -> Request:
        """Take one line. OSError or ValueError when that cannot be."""
        if self._chip is None:
            raise OSError(errno.ENODEV, "the chip is not open")
        request = self._chip.request_lines({line: settings}, consumer=CONSUMER, event_buffer_size=EDGES_KEPT)
        self._requests.append(request)
        return request


class DigitalAsker:
    """The inputs of one machine. Losing it loses its counts, which then begin at 0: a reset."""

    def __init__(self, machine: Machine, line: DigitalLine) -> None:
        self._line = line
        self._bus = machine.bus.name
        self._inputs = [_Input(point, lined(point, machine)) for point in machine.points if isinstance(point, Input)]

    def ask(self, now_ms: int) -> Exchange:
        """Every input once. REFUSED names lines that the chip does not have or does not give."""
        values: list[int | None] = []
        frames: list[Frame] = []
        holes: list[str] = []
        events: list[Event] = []
        for one in self._inputs:
            try:
                told = self._ask(one, now_ms)
            except OSError as wrong:
                self._line.close()
                _log.debug("chip gone bus=%s why=%s", self._bus, wrong)
                return Exchange((None,) * len(self._inputs), Failure.LINE_DOWN, (), heard=False, events=tuple(events))
            if told is None:
                values.append(None)
                if not one.is_told:
                    one.is_told = True
                    holes.append(one.point.name)
                continue
            values.append(told.value)
            frames.append(told.frame)
            events += told.events
        refused = any(one.request is None for one in self._inputs)
        failure = Failure.REFUSED if refused else Failure.NO_VALUE if None in values else None
        return Exchange(tuple(values), failure, tuple(frames), heard=True, holes=tuple(holes), events=tuple(events))

    def _ask(self, one: "_Input", now_ms: int) -> "_Told | None":
        """None when the line is refused; OSError when the chip is gone."""
        if one.opening != self._line.opening:
            one.begin(self._line.opening)
        if one.request is None:
            if now_ms < one.again_ms:
                return None
            try:
                one.request = self._line.request(one.line, settings_of(one.point))
            except (OSError, ValueError) as wrong:
                if isinstance(wrong, OSError) and wrong.errno in _GONE:
                    raise
                one.again_ms = now_ms + AGAIN_MS
                level = logging.DEBUG if one.is_told else logging.WARNING
                _log.log(level, "line refused bus=%s line=%s why=%s", self._bus, one.line, wrong)
                return None
        return one.read(one.request)


class _Told(NamedTuple):
    value: int | None
    frame: Frame
    events: tuple[Event, ...]


@dataclass(slots=True)
class _Input:
    """One line, and how many pulses it had."""

    point: Input
    line: int | str
    request: Request | None = None
    opening: int = 0
    again_ms: int = 0
    is_told: bool = False
    """Whether it was told that the line is refused."""
    _pulses: int = 0
    _number: int = 0
    """Of the last edge that was read, by this request."""
    _was_requested: bool = False
    _is_unwatched: bool = False
    """Whether nobody counted for a while, and nobody was told yet."""
    _untimed: int = 0
    """Pulses of which the kernel kept no time, since that began."""

    def begin(self, opening: int) -> None:
        """Another opening of the chip: all requests of the last one are void."""
        self.opening, self.request, self.again_ms, self._number = opening, None, 0, 0
        self._is_unwatched = self._was_requested

    def read(self, request: Request) -> _Told:
        """The line's value now."""
        self._was_requested, self.is_told = True, False
        level = 1 if request.get_value(self.line) else 0
        if self.point.kind is not PointKind.COUNTER:
            return _Told(level, (f"line {self.line}".encode(), f"level={level}".encode()), ())
        edges = _taken(request)
        came = (edges[-1].line_seqno - self._number) % _NUMBERS if edges else 0
        if edges:
            self._number = edges[-1].line_seqno
        self._pulses += came
        events = tuple(self._losses(came - len(edges)))
        times = ",".join(str(edge.timestamp_ns) for edge in edges[-TIMES_SHOWN:])
        answer = f"level={level} pulses={self._pulses} at={times}".encode()
        return _Told(self._value(), (f"line {self.line}".encode(), answer), events)

    def _value(self) -> int | None:
        value = round(self._pulses * self.point.pulse * 10**self.point.decimals)
        return value if value < VALUE_LIMIT else None

    def _losses(self, untimed: int) -> Iterable[Event]:
        if self._is_unwatched:
            self._is_unwatched = False
            says = "the chip was gone; pulses in that time are not counted"
            yield self._loss(Phase.NOTED, None, says)
        if untimed:
            if not self._untimed:
                says = "pulses came faster than they are kept; they are counted, but their times are lost"
                yield self._loss(Phase.RAISED, untimed, says)
            self._untimed += untimed
        elif self._untimed:
            yield self._loss(Phase.CLEARED, self._untimed, "the times of so many pulses were lost in all")
            self._untimed = 0

    def _loss(self, phase: Phase, value: int | None, says: str) -> Event:
        return Event(at_ms=NOW_MS, event=EventKind.LOSS, phase=phase, subject=self.point.name, value=value, says=says)


def _taken(request: Request) -> list[EdgeSeen]:
    """Every edge that the kernel has kept."""
    edges: list[EdgeSeen] = []
    while len(edges) < EDGES_AT_ONCE and request.wait_edge_events(0):
        edges += request.read_edge_events()
    return edges
