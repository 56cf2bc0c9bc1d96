"""A GPIO chip with the interface that gpiod's own objects have, for kernels without gpio-sim; it misbehaves on request.

    chip = FakeChip(lines={17: "S0-1", 18: ""})
    line_of(bus, open_chip=chip.opened)
    chip[17].set(0)                   # the contact pulls the line down
    chip[17].pulses(2000)             # more than the kernel keeps
    chip[17].bounces(5)               # a contact that closes as contacts do
    chip.is_there = False             # the adapter was pulled out

Times are the chip's own: `chip.rest(ms)` lets them go by. A level counts when it has lasted the debounce period, as
the kernel's own debouncer has it (drivers/gpio/gpiolib-cdev.c).
"""

import errno
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import gpiod
from gpiod.line import Direction, Edge, Value


class FakeEdge(NamedTuple):
    line_seqno: int
    timestamp_ns: int


@dataclass(kw_only=True)
class FakeChip:
    """See the module."""

    lines: dict[int, str]
    is_there: bool = True
    taken: set[int] = field(default_factory=set)
    """By other programs."""
    now_ns: int = 1_000_000_000
    requested: list[tuple[int, gpiod.LineSettings]] = field(default_factory=list)
    """Every request ever made."""
    loses_newest: bool = False
    """Whether a full buffer loses the newest edges, not the oldest."""

    def __post_init__(self) -> None:
        self._lines = {offset: FakeLine(chip=self, offset=offset) for offset in self.lines}

    def __getitem__(self, offset: int) -> "FakeLine":
        return self._lines[offset]

    def opened(self, path: str) -> "FakeHandle":
        """Instead of gpiod.Chip(path)."""
        if not self.is_there:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return FakeHandle(self)

    def rest(self, ms: float) -> None:
        """Time goes by."""
        self.now_ns += round(ms * 1_000_000)

    @property
    def live(self) -> int:
        """Requests that were not released."""
        return sum(len(line.requests) for line in self._lines.values())

    def check(self) -> None:
        if not self.is_there:
            raise OSError(errno.ENODEV, "No such device")


@dataclass(kw_only=True)
class FakeLine:
    """One line; high when nothing pulls it down."""

    chip: FakeChip
    offset: int
    level: int = 1
    requests: "list[FakeRequest]" = field(default_factory=list)

    def set(self, level: int) -> None:
        """The line's level from now on."""
        for request in self.requests:
            request.settle()
        self.level = level
        for request in self.requests:
            request.feel()

    def pulses(self, count: int, *, low_ms: float = 30, high_ms: float = 30) -> None:
        """Each pulls the line down once, as an S0 output does."""
        for _ in range(count):
            self.set(0)
            self.chip.rest(low_ms)
            self.set(1)
            self.chip.rest(high_ms)

    def bounces(self, times: int, *, every_ms: float = 1, low_ms: float = 30) -> None:
        """One pulse of a contact that opens again `times` times before it stays closed, and likewise at its end."""
        for end in (0, 1):
            for _ in range(times):
                self.set(end)
                self.chip.rest(every_ms / 2)
                self.set(1 - end)
                self.chip.rest(every_ms / 2)
            self.set(end)
            self.chip.rest(low_ms)


class FakeHandle:
    """Instead of a gpiod.Chip; `lines` hold on to what was requested by it."""

    def __init__(self, chip: FakeChip) -> None:
        self._chip: FakeChip | None = chip

    def request_lines(
        self,
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
    ) -> "FakeRequest":
        assert self._chip
        assert consumer
        self._chip.check()
        ((line, settings),) = config.items()
        assert isinstance(line, int | str)
        assert settings
        offset = self._offset(line)
        if offset in self._chip.taken or self._chip[offset].requests:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self._chip.requested.append((offset, settings))
        request = FakeRequest(self._chip[offset], line, settings, event_buffer_size or 16)
        self._chip[offset].requests.append(request)
        return request

    def close(self) -> None:
        self._chip = None

    def _offset(self, line: int | str) -> int:
        assert self._chip
        if isinstance(line, int):
            if line not in self._chip.lines:
                raise ValueError("line offset out of range")
            return line
        for offset, name in self._chip.lines.items():
            if name == line:
                return offset
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


class FakeRequest:
    """Instead of a gpiod.LineRequest."""

    def __init__(self, line: FakeLine, called: int | str, settings: gpiod.LineSettings, kept: int) -> None:
        assert settings.direction is Direction.INPUT
        self._line, self._called, self._settings, self._kept = line, called, settings, kept
        self._events: deque[FakeEdge] = deque()
        self._number = 0
        self._level = self._raw = line.level
        self._since_ns = line.chip.now_ns

    def get_value(self, line: int | str) -> Value:
        assert line == self._called
        self._line.chip.check()
        self.settle()
        return Value.ACTIVE if self._level != int(self._settings.active_low) else Value.INACTIVE

    def wait_edge_events(self, timeout: timedelta | float | None = None) -> bool:
        assert timeout == 0, "nobody may be waited for"
        self.settle()
        return bool(self._events) or not self._line.chip.is_there

    def read_edge_events(self, max_events: int | None = None) -> list[FakeEdge]:
        self._line.chip.check()
        assert self._events, "reading would wait"
        return [self._events.popleft() for _ in range(min(max_events or 64, len(self._events)))]

    def release(self) -> None:
        self._line.requests.remove(self)
        self._line.chip.check()

    def settle(self) -> None:
        """Take over a level that has lasted long enough."""
        period_ns = self._settings.debounce_period // timedelta(microseconds=1) * 1000
        if self._raw == self._level or self._line.chip.now_ns - self._since_ns < period_ns:
            return
        self._level = self._raw
        is_rising = self._level != int(self._settings.active_low)
        if self._settings.edge_detection is Edge.RISING and is_rising:
            self._number += 1
            self._keep(FakeEdge(self._number % (1 << 32), self._since_ns + period_ns))

    def feel(self) -> None:
        """The line's level may have changed."""
        if self._line.level != self._raw:
            self._raw, self._since_ns = self._line.level, self._line.chip.now_ns
        self.settle()

    def _keep(self, edge: FakeEdge) -> None:
        if len(self._events) >= self._kept:
            if self._line.chip.loses_newest:
                return
            self._events.popleft()
        self._events.append(edge)
