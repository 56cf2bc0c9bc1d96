"""The driver of fire alarm transmitters (GB/T 26875.3-2011): what has come since the last asking becomes an exchange.

Nothing is asked of a transmitter. It reports when it likes, so:

1. An analogue value belongs to the asking after it came, once; of several the newest counts, and how many others there
   were is a LOSS. A value that the transmitter measured long before it sent it is an event with its own time, and no
   value. Frames that found the inbox full are a LOSS too, if their sender gives up.
2. A state holds until another is reported, a reset ends it, or the transmitter is silent.
3. A frame that was sent again, because its confirmation got lost, counts once.
4. What a person should know is an event (fire_events.py), whether a point is named for it or not.

Asking costs no line time, so a silent transmitter is asked on as ever: its next alarm is not to wait.
"""

from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from edge_agent.codecs.errors import FrameError
from edge_agent.codecs.gb26875 import Command
from edge_agent.codecs.gb26875_names import ANALOGUES
from edge_agent.codecs.gb26875_units import Told, UnitType, read_unit
from edge_agent.config.profiles import Component
from edge_agent.config.sections import Bus, Machine
from edge_agent.drivers import driver
from edge_agent.drivers.driver import Exchange
from edge_agent.drivers.fire_events import Key, Known, key_of
from edge_agent.drivers.fire_line import INBOX_LIMIT, Arrived, FireLine, Inbox
from evidence.bodies import FRAMES_LIMIT, Event, EventKind, Failure, Phase

if TYPE_CHECKING:
    from fractions import Fraction

    from edge_agent.reading import Frame

EVENTS_AT_ONCE: Final = 256
"""Of one exchange; further ones wait for the next, and so do the frames behind them."""
LATE: Final = timedelta(minutes=10)
"""A value that was measured so long before it was sent is not a value of now."""
SENT_AGAIN: Final = 32
"""So many frames are remembered, to know one that is sent again."""

_BEYOND: Final = 1 << 53
_SYSTEM: Final = 2
"""Parts of a key that name the system."""


def line_of(bus: Bus) -> FireLine:
    """See Driver."""
    return FireLine(bus)


def asker_of(machine: Machine, line: driver.Line) -> "FireAsker":
    """See Driver."""
    return FireAsker(machine, cast("FireLine", line).inbox(str(machine.unit)))


def line_time_s(machine: Machine) -> float:
    """See Driver."""
    del machine
    return 0.0


class FireAsker:
    """How one transmitter's reports are handed over. It remembers states; losing that costs one event a raised bit."""

    def __init__(self, machine: Machine, inbox: Inbox) -> None:
        self._inbox = inbox
        self._points = tuple(point for point in machine.points if isinstance(point, Component))
        self._silent_after_ms = cast("int", machine.silent_after_ms)
        self._held: list[int | None] = [None] * len(self._points)
        """States as reported last."""
        self._fresh: list[int | None] = [None] * len(self._points)
        """Values that have come since the last asking."""
        self._passed_over = [0] * len(self._points)
        """Values that had to make room for newer ones since the last asking."""
        self._known = Known(self._called)
        self._events: deque[Event] = deque()
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=SENT_AGAIN)
        self._heard_ms: int | None = None

    def ask(self, now_ms: int) -> Exchange:
        """Hand over what has come; of too many frames those that told of events come first.

        SILENT after too long without a frame, GARBLED when only broken ones came.
        """
        telling: list[Frame] = []
        others: list[Frame] = []
        readable = at_ms = 0
        self._fresh = [None] * len(self._points)
        self._passed_over = [0] * len(self._points)
        while (events := len(self._events)) < EVENTS_AT_ONCE and len(telling) + len(others) < INBOX_LIMIT:
            if (arrived := self._inbox.take()) is None:
                break
            readable += self._take(arrived)
            at_ms = arrived.at_ms
            (telling if len(self._events) > events else others).append((b"", arrived.octets))
        came = len(telling) + len(others)
        if came:
            self._events += self._losses(at_ms)
        if came or self._heard_ms is None:
            self._heard_ms = now_ms
        is_silent = now_ms - self._heard_ms >= self._silent_after_ms
        values = tuple(
            None if is_silent else held if new is None else new
            for new, held in zip(self._fresh, self._held, strict=True)
        )
        broken = self._inbox.take_broken() + came - readable
        failure = None
        if is_silent or None in values:
            failure = Failure.SILENT if is_silent else Failure.NO_VALUE
            failure = Failure.GARBLED if broken and not readable else failure
        told = tuple(self._events.popleft() for _ in range(min(EVENTS_AT_ONCE, len(self._events))))
        return Exchange(values, failure, (*telling, *others)[:FRAMES_LIMIT], heard=True, events=told)

    def _take(self, arrived: Arrived) -> bool:
        """Take a frame in; whether it could be read."""
        frame = arrived.frame
        if arrived.right is not None:
            self._events += self._known.take_clock((), frame.sent_at, arrived.right, arrived.at_ms)
        if not frame.unit or frame.command not in {Command.SEND, Command.ANSWER}:
            return True
        try:
            unit = read_unit(frame.unit)
        except FrameError:
            return False
        mark = (frame.serial, frame.unit)
        if mark in self._recent and all(told.at is not None for told in unit.told):
            return True
        self._recent.append(mark)
        for told in unit.told:
            self._hear(unit.type, told, arrived)
        return len(unit.told) == unit.announced or not unit.told

    def _hear(self, type_: int, told: Told, arrived: Arrived) -> None:
        """Take one object of a frame in."""
        if type_ == UnitType.SYSTEM_TIME and arrived.right is not None:
            self._events += self._known.take_clock(key_of(told), told.at, arrived.right, arrived.at_ms)
        if self._known.resets(type_, told):
            self._forget(key_of(told))
        self._events += self._known.take(type_, told, arrived.at_ms)
        for place, point in enumerate(self._points):
            if not _is_about(point, type_, told):
                continue
            if told.raw is None:
                self._held[place] = told.state
                continue
            value = _value_of(point, told.raw)
            if value is not None and (late := _late(point.name, value, told, arrived)):
                self._events.append(late)
                continue
            self._passed_over[place] += self._fresh[place] is not None
            self._fresh[place] = value

    def _losses(self, at_ms: int) -> Iterator[Event]:
        """What this asking cannot tell."""
        counted = zip(self._points, self._passed_over, strict=True)
        lost = [(point.name, count, "values made room for newer ones") for point, count in counted]
        lost.append(("transmitter", self._inbox.take_refused(), "frames were denied, for too many waited"))
        event, phase = EventKind.LOSS, Phase.NOTED
        for subject, count, says in lost:
            if count:
                yield Event(at_ms=at_ms, event=event, phase=phase, subject=subject, value=count, says=says)

    def _forget(self, system: Key) -> None:
        """After a reset nobody knows the states of that system's components."""
        for place, point in enumerate(self._points):
            if point.component_address is not None and _fits(point, system):
                self._held[place] = None

    def _called(self, key: Key) -> str | None:
        """The name of the point that holds the state of this component, system or transmitter."""
        for point in self._points:
            address = key[2] if len(key) > _SYSTEM else None
            if point.analogue is None and point.component_address == address and _fits(point, key):
                return point.name
        return None


def _is_about(point: Component, type_: int, told: Told) -> bool:
    """Whether an object is what the point names."""
    if point.analogue is not None:
        wanted = type_ == UnitType.ANALOGUE and told.analogue == point.analogue
    elif point.component_address is not None:
        wanted = type_ == UnitType.COMPONENT_STATE
    elif point.system_type is not None or point.system_address is not None:
        wanted = type_ == UnitType.SYSTEM_STATE
    else:
        wanted = type_ == UnitType.TRANSMITTER_STATE
    return (
        wanted
        and told.component_address == point.component_address
        and point.component_type in {None, told.component_type}
        and _fits(point, key_of(told))
    )


def _fits(point: Component, key: Key) -> bool:
    """Whether the point's system is, or may be, the key's; without a system in the key, whether it has none."""
    if len(key) < _SYSTEM:
        return point.system_type is None and point.system_address is None
    if point.component_address is None and point.system_type is None and point.system_address is None:
        return False
    return point.system_type in {None, key[0]} and point.system_address in {None, key[1]}


def _late(name: str, value: int, told: Told, arrived: Arrived) -> Event | None:
    """What is told of a value that was measured long before it was sent; None when it was not."""
    sent_at = arrived.frame.sent_at
    if sent_at is None or told.at is None or sent_at - told.at < LATE:
        return None
    return Event(
        at_ms=arrived.at_ms,
        event=EventKind.COMPONENT,
        phase=Phase.NOTED,
        subject=name,
        value=value,
        says=f"measured {told.at:%Y-%m-%d %H:%M:%S}, sent {sent_at:%Y-%m-%d %H:%M:%S}",
    )


def _value_of(point: Component, raw: int) -> int | None:
    """The value as the point counts; None when the kind cannot have it (8.2.1.3)."""
    kind = ANALOGUES.get(cast("int", point.analogue))
    if kind is not None and not kind.least <= raw <= kind.most:
        return None
    value = round(raw * cast("Fraction", point.scale) * 10**point.decimals)
    return value if abs(value) < _BEYOND else None
