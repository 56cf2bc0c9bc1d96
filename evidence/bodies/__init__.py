"""What a statement can say: one frozen class a kind, checked completely when it is built (wire-format.md, "Bodies").

Facts first (what was asked, answered, seen), judgements second (spans, crossings). Integers everywhere: a
column's value is integer / 10**decimals in the named unit.
"""

from typing import Final, TypeAlias

from evidence.bodies.box import Boot, ClockStep, Commissioning, Configuration, Gap, GapReason, Heartbeat, Shutdown
from evidence.bodies.checks import (
    COLUMNS_LIMIT,
    CROSSINGS_LIMIT,
    FRAME_LIMIT,
    FRAMES_LIMIT,
    HEADS_LIMIT,
    MS_LIMIT,
    NAME,
    ROWS_LIMIT,
    SETTINGS_LIMIT,
    SPANS_LIMIT,
    STREAM,
    TEXT_LIMIT,
    check_stream,
)
from evidence.bodies.crossings import Crossing, Crossings, Direction, Sight
from evidence.bodies.events import EVENTS_LIMIT, Event, EventKind, Events, Phase
from evidence.bodies.kinds import Kind
from evidence.bodies.readings import Aggregate, Column, Failure, Keep, Readings
from evidence.errors import MalformedError

__all__ = [
    "COLUMNS_LIMIT",
    "CROSSINGS_LIMIT",
    "EVENTS_LIMIT",
    "FRAMES_LIMIT",
    "FRAME_LIMIT",
    "HEADS_LIMIT",
    "MS_LIMIT",
    "NAME",
    "ROWS_LIMIT",
    "SETTINGS_LIMIT",
    "SPANS_LIMIT",
    "STREAM",
    "TEXT_LIMIT",
    "Aggregate",
    "Body",
    "Boot",
    "ClockStep",
    "Column",
    "Commissioning",
    "Configuration",
    "Crossing",
    "Crossings",
    "Direction",
    "Event",
    "EventKind",
    "Events",
    "Failure",
    "Gap",
    "GapReason",
    "Heartbeat",
    "Keep",
    "Kind",
    "Phase",
    "Readings",
    "Shutdown",
    "Sight",
    "body_from_value",
    "check_stream",
]

Body: TypeAlias = (
    Readings | Crossings | Events | Gap | Configuration | Commissioning | Boot | Shutdown | Heartbeat | ClockStep
)

_BODIES: Final[dict[int, type[Body]]] = {
    body.kind: body
    for body in (
        Readings,
        Crossings,
        Events,
        Gap,
        Configuration,
        Commissioning,
        Boot,
        Shutdown,
        Heartbeat,
        ClockStep,
    )
}


def body_from_value(kind: object, value: object) -> Body:
    """The typed body of a statement of this kind; raises MalformedError."""
    if type(kind) is not int or kind not in _BODIES:
        raise MalformedError(f"unknown kind of statement: {kind!r}")
    if type(value) is not dict:
        raise MalformedError("the body is not a map")
    return _BODIES[kind].from_value(value)
