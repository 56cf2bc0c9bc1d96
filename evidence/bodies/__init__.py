"""What a statement can say: one frozen class a kind, checked completely when it is built (wire-format.md, "Bodies").

Facts first (what was asked, answered, seen), judgements second (spans, crossings). Integers everywhere: a
column's value is integer / 10**decimals in the named unit.
"""

from typing import Final, TypeAlias

from evidence.bodies.acceptance import Acceptance
from evidence.bodies.box import Boot, ClockStep, Commissioning, Configuration, Gap, GapReason, Heartbeat, Shutdown
from evidence.bodies.checks import (
    COLUMNS_LIMIT,
    CROSSINGS_LIMIT,
    DECLARED_LIMIT,
    FRAME_LIMIT,
    FRAMES_LIMIT,
    HEADS_LIMIT,
    ITEMS_LIMIT,
    LOOKS_LIMIT,
    MARKS_LIMIT,
    MS_LIMIT,
    NAME,
    PICTURE_LIMIT,
    PICTURE_MS_LIMIT,
    ROWS_LIMIT,
    SETTINGS_LIMIT,
    SIDE_LIMIT,
    SOURCES_LIMIT,
    SPANS_LIMIT,
    STREAM,
    TEXT_LIMIT,
    check_stream,
)
from evidence.bodies.crossings import Crossing, Crossings, Direction, Sight
from evidence.bodies.events import EVENTS_LIMIT, Event, EventKind, Events, Phase
from evidence.bodies.kinds import Kind
from evidence.bodies.picture import Mark, Picture, PictureKind
from evidence.bodies.readings import Aggregate, Column, Failure, Keep, Readings
from evidence.bodies.stock import Item, Look, Stock, Verdict
from evidence.errors import MalformedError

__all__ = [
    "COLUMNS_LIMIT",
    "CROSSINGS_LIMIT",
    "DECLARED_LIMIT",
    "EVENTS_LIMIT",
    "FRAMES_LIMIT",
    "FRAME_LIMIT",
    "HEADS_LIMIT",
    "ITEMS_LIMIT",
    "LOOKS_LIMIT",
    "MARKS_LIMIT",
    "MS_LIMIT",
    "NAME",
    "PICTURE_LIMIT",
    "PICTURE_MS_LIMIT",
    "ROWS_LIMIT",
    "SETTINGS_LIMIT",
    "SIDE_LIMIT",
    "SOURCES_LIMIT",
    "SPANS_LIMIT",
    "STREAM",
    "TEXT_LIMIT",
    "Acceptance",
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
    "Item",
    "Keep",
    "Kind",
    "Look",
    "Mark",
    "Phase",
    "Picture",
    "PictureKind",
    "Readings",
    "Shutdown",
    "Sight",
    "Stock",
    "Verdict",
    "body_from_value",
    "check_place",
    "check_stream",
]

Body: TypeAlias = (
    Readings
    | Crossings
    | Events
    | Stock
    | Picture
    | Gap
    | Configuration
    | Commissioning
    | Boot
    | Shutdown
    | Heartbeat
    | ClockStep
    | Acceptance
)

_BODIES: Final[dict[int, type[Body]]] = {
    body.kind: body
    for body in (
        Readings,
        Crossings,
        Events,
        Stock,
        Picture,
        Gap,
        Configuration,
        Commissioning,
        Boot,
        Shutdown,
        Heartbeat,
        ClockStep,
        Acceptance,
    )
}

_PLACES: Final = {Kind.STOCK: ("zone/",), Kind.PICTURE: ("gate/", "zone/"), Kind.ACCEPTANCE: ("gate/", "zone/")}
"""What streams begin with that hold these kinds; the others may stand anywhere."""


def body_from_value(kind: object, value: object) -> Body:
    """The typed body of a statement of this kind; raises MalformedError."""
    if type(kind) is not int or kind not in _BODIES:
        raise MalformedError(f"unknown kind of statement: {kind!r}")
    if type(value) is not dict:
        raise MalformedError("the body is not a map")
    return _BODIES[kind].from_value(value)


def check_place(kind: Kind, stream: str) -> None:
    """Raise MalformedError where no statement of this kind may stand in this stream."""
    if kind in _PLACES and not stream.startswith(_PLACES[kind]):
        raise MalformedError(f"{kind.name} in the stream {stream}")
