"""What happened at an instant and a person should know: an alarm, a stranger's answer, a meter's cover opened."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final

from evidence.bodies.checks import MS_LIMIT, array, between, keys, member, parts, text
from evidence.bodies.kinds import Kind
from evidence.errors import MalformedError

EVENTS_LIMIT: Final = 1024
"""Events of one statement."""


class EventKind(IntEnum):
    """What an event is about; numbers are never reused."""

    IDENTITY = 1
    """Another device than the one that was commissioned answers at its address."""
    SIGNATURE = 2
    """The machine no longer draws its power as it did when it was commissioned."""
    LIMIT = 3
    """A value passed a limit, or came back."""
    DISAGREEMENT = 4
    """Two signals of one machine say different things of it."""
    WITNESS = 5
    """A counter rose in which the meter itself notes interference: covers, magnets, settings, power cuts."""
    COMPONENT = 6
    """A fire component reported its state."""
    OPERATION = 7
    """Somebody operated a fire system."""
    TEST = 8
    CLOCK = 9
    """The device's own clock is off."""
    COUNTER = 10
    """An energy counter fell, or rose by more than can be."""
    LOSS = 11
    """What a device had to say was lost, or may have been, before it was fetched."""
    STATE = 12
    """A state came and went between two askings."""
    CAMERA = 13
    """A camera cannot see as it should; the subject says how: covered, moved, defocused, dark, frozen …"""
    DISCLOSURE = 14
    """A picture left the box; the subject is its SHA-256 in hexadecimal."""


class Phase(IntEnum):
    """Whether an event stands alone, begins something or ends it."""

    NOTED = 0
    RAISED = 1
    CLEARED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    at_ms: int
    event: EventKind
    phase: Phase
    subject: str
    """The point, counter or component that it is about; with `event` it names what is raised and cleared."""
    value: int | None = None
    """As the subject's point counts, where it is one."""
    reference: int | None = None
    """The limit that was passed, or the value before."""
    says: str = ""
    """For a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events of one stream, in the order of time."""

    kind: ClassVar = Kind.EVENTS
    events: list[Event]

    def __post_init__(self) -> None:
        if not 0 < len(self.events) <= EVENTS_LIMIT:
            raise MalformedError(f"a statement of no event, or of more than {EVENTS_LIMIT}")

    @property
    def from_ms(self) -> int:
        """The first event's instant."""
        return self.events[0].at_ms

    @property
    def to_ms(self) -> int:
        """The last event's instant."""
        return self.events[-1].at_ms

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {
            0: self.from_ms,
            1: [
                [e.at_ms - self.from_ms, int(e.event), int(e.phase), e.subject, e.value, e.reference, e.says]
                for e in self.events
            ],
        }

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Events":
        """Checks everything; raises MalformedError."""
        keys(value, 2)
        from_ms = reached_ms = between(value[0], 0, MS_LIMIT, "from_ms")
        events: list[Event] = []
        for one in array(value[1], EVENTS_LIMIT, "events"):
            offset_ms, event, phase, subject, number, reference, says = parts(one, 7, "event")
            at_ms = from_ms + between(offset_ms, 0, MS_LIMIT, "event offset")
            if at_ms < reached_ms or (not events and at_ms != from_ms):
                raise MalformedError("events do not begin at the first one's instant and go on from there")
            reached_ms = at_ms
            events.append(
                Event(
                    at_ms=at_ms,
                    event=member(EventKind, event),
                    phase=member(Phase, phase),
                    subject=text(subject, "subject"),
                    value=_number(number, "value"),
                    reference=_number(reference, "reference"),
                    says=text(says, "says"),
                )
            )
        return cls(events=events)


def _number(value: object, what: str) -> int | None:
    return None if value is None else between(value, -MS_LIMIT + 1, MS_LIMIT, what)
