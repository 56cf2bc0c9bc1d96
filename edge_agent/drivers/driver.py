"""The seam between scheduling and the field's protocols: what `polling` may expect of a driver.

A driver is a module with the three functions of `Driver`; `drivers.driver_of` picks it by the bus. What a device says,
or fails to say, is a value here, never an exception.
"""

from typing import NamedTuple, Protocol

from edge_agent.config.sections import Bus, Machine
from edge_agent.reading import Frame
from evidence.bodies import Event, Failure


class Exchange(NamedTuple):
    """What asking one device gave."""

    values: tuple[int | None, ...]
    """One a point of the machine, in the order of its points: an integer with that point's decimals."""
    failure: Failure | None
    """Why the first missing value is missing; None when none is."""
    frames: tuple[Frame, ...]
    """(request, answer) of each question, as they were on the wire."""
    heard: bool
    """Whether the device said anything that was meant for us, be it an exception."""
    holes: tuple[str, ...] = ()
    """Points that this asking showed to be refused."""
    again: bool = False
    """Whether asking once more would tell more, since the device refused a part of this one."""
    events: tuple[Event, ...] = ()
    """What the device reported by itself, and who it turned out to be, in the order of time."""


class Line(Protocol):
    """One connection, serial port or listener; used by one thread."""

    def open(self) -> Failure | None:
        """Open it unless it is open; LINE_DOWN when that fails."""
        ...

    def close(self) -> None:
        """Close it; it may be opened again."""
        ...


class Asker(Protocol):
    """How one device is asked. It may remember what the device refused; losing that costs a few questions."""

    def ask(self, now_ms: int) -> Exchange:
        """Ask for all points once; `now_ms` is the steady clock. A listener's asker hands over what has arrived."""
        ...


class Driver(Protocol):
    """What the module of a driver offers."""

    def line_of(self, bus: Bus) -> Line:
        """The line of a bus, not yet open."""
        ...

    def asker_of(self, machine: Machine, line: Line) -> Asker:
        """How this machine is asked on its bus's line, which `line_of` made."""
        ...

    def line_time_s(self, machine: Machine) -> float:
        """How long asking this machine once takes a serial line's time when it answers, in seconds."""
        ...
