"""What a person sees of one device while it is asked again and again: values, their range and age, failures. Pure."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from edge_agent.config.points import Point
from edge_agent.config.sections import Machine
from edge_agent.installing.bench import Told, why
from edge_agent.installing.raw_frames import lines_of
from edge_agent.installing.wording import duration

if TYPE_CHECKING:
    from evidence.bodies import Event, Failure

EVENTS_SHOWN: Final = 5
"""The newest."""


class Watched:
    """One device since watching began."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.last: Told | None = None
        self._asked = 0
        self._failed: Counter[Failure] = Counter()
        self._failed_ms = 0
        self._values: dict[str, tuple[int, int]] = {}
        """Of each point its last value, and when it came."""
        self._range: dict[str, tuple[int, int]] = {}
        self._events: list[Event] = []

    def take(self, told: Told) -> None:
        """One more asking."""
        reading = told.reading
        self.last = told
        self._asked += 1
        for point, value in zip(self.machine.points, reading.values, strict=True):
            if value is not None:
                least, most = self._range.get(point.name, (value, value))
                self._values[point.name] = value, reading.steady_ms
                self._range[point.name] = min(least, value), max(most, value)
        if reading.failure is not None:
            self._failed[reading.failure] += 1
            self._failed_ms = reading.steady_ms
        self._events = [*self._events, *reading.events][-EVENTS_SHOWN:]

    def lines(self, now_ms: int, *, frames: bool) -> Iterator[str]:
        """For a page that is refreshed; `now_ms` is the steady clock. Raw frames come before the values."""
        machine = self.machine
        called = (
            f"{'unit' if isinstance(machine.unit, int) else 'address'} {machine.unit}" if machine.unit != "" else ""
        )
        yield f"{machine.title} ({machine.name})  {machine.profile.id}  {called}".rstrip()
        yield f"{machine.bus.name}: {machine.bus.kind.value}, {machine.bus.port}"
        yield self._tally(now_ms)
        yield ""
        if frames and self.last is not None:
            yield from lines_of(machine.bus.kind, self.last.reading.frames)
            yield ""
        wide = max(len(point.name) for point in machine.points)
        yield f"{'':{wide}}  {'now':>14}  {'':5}  {'age':>6}  {'least':>14}  {'greatest':>14}"
        for point in machine.points:
            yield self._row(point, wide, now_ms)
        for event in self._events:
            yield f"event: {event.event.name} {event.phase.name} {event.subject} {event.says}".rstrip()

    def short(self) -> str:
        """One line for the last asking."""
        assert self.last is not None  # noqa: S101  # the caller took one
        reading = self.last.reading
        pairs = zip(self.machine.points, reading.values, strict=True)
        told = "  ".join(
            f"{point.name} {number(value, point)} {point.unit}" for point, value in pairs if value is not None
        )
        failure = "" if reading.failure is None else f"{reading.failure.name}: {why(reading.failure)}"
        events = "".join(f"  event {event.event.name} {event.phase.name} {event.subject}" for event in reading.events)
        return "  ".join(part for part in (self.machine.name, told, failure) if part) + events

    def _tally(self, now_ms: int) -> str:
        took = "" if self.last is None else f", {self.last.took_ms} ms"
        if not self._failed:
            return f"asked {self._asked} times, always answered{took}"
        kinds = ", ".join(f"{failure.name} {times}" for failure, times in self._failed.most_common())
        last = self.last.reading.failure if self.last else None
        now = f"now: {why(last)}" if last else f"last {duration(now_ms - self._failed_ms)} ago"
        return f"asked {self._asked} times, not in full {sum(self._failed.values())} ({kinds}; {now}){took}"

    def _row(self, point: Point, wide: int, now_ms: int) -> str:
        if point.name not in self._values:
            return f"{point.name:{wide}}  {'none':>14}"
        value, at_ms = self._values[point.name]
        least, most = self._range[point.name]
        age = duration(max(0, now_ms - at_ms) // 1000 * 1000)
        unit = "" if point.unit == "1" else point.unit
        return (
            f"{point.name:{wide}}  {number(value, point):>14}  {unit:5}  {age:>6}"
            f"  {number(least, point):>14}  {number(most, point):>14}"
        )


def number(value: int, point: Point) -> str:
    """A reading's integer as people write it."""
    return f"{Decimal(value).scaleb(-point.decimals):f}"
