"""What a stream's signed settings say of its values, and so what its events and levels mean: pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloud_sync.levels import Measure
from cloud_sync.page_view import Happening, Measuring, Point
from cloud_sync.store import Measured
from evidence.bodies import Event, EventKind
from evidence.errors import MalformedError
from evidence.judging.limits import Limit, limits_from_settings

COUNTED: Final = frozenset({EventKind.LIMIT, EventKind.SIGNATURE, EventKind.WITNESS, EventKind.COUNTER})
"""Events whose value is one of their point's."""


def happening(event: Event, settings: Mapping[str, Any]) -> Happening:
    """An event, with the point that it is about where it is about one."""
    points = {point.name: point for point in points_of(settings)}
    name = event.subject
    if event.event is EventKind.LIMIT:
        name = next((limit.point for limit in limits_of(settings) if limit.name == event.subject), name)
    elif event.event is EventKind.SIGNATURE:
        name = event.subject.partition(" ")[0]  # active_power, active_power inrush
    point = points.get(name) if event.event in COUNTED else None
    return Happening(event=event, point=point)


def measuring(levels: Mapping[Measure, Measured], settings: Mapping[str, Any]) -> tuple[Measuring, ...]:
    """What is measured now, in the order in which it is shown: what has a limit, what goes up and down, what counts.

    What a point counted otherwise, under settings of before, is left out, and so are states and clocks.
    """
    limits = limits_of(settings)
    found = [
        Measuring(
            point=point,
            limits=tuple(limit for limit in limits if limit.point == point.name),
            slots=measured.slots,
            last_ms=measured.last_ms,
            last=measured.last,
        )
        for point in points_of(settings)
        for measured in [levels.get((point.name, point.unit, point.decimals))]
        if measured is not None
    ]
    return tuple(sorted(found, key=lambda each: (not each.limits, each.point.counts)))


def points_of(settings: Mapping[str, Any]) -> Sequence[Point]:
    """The values of a stream that say something to a person."""
    points = settings.get("points")
    found = [_point(each) for each in points] if isinstance(points, list) else []
    return [point for point in found if point is not None]


def limits_of(settings: Mapping[str, Any]) -> Sequence[Limit]:
    """The limits of a stream; none where the settings hold nonsense."""
    try:
        return limits_from_settings(settings)
    except MalformedError:
        return ()


def _point(entry: object) -> Point | None:
    match entry:
        case {"clock": _}:
            return None
        case {"name": str(name), "unit": str(unit), "decimals": int(decimals), "kind": "gauge" | "counter" as kind}:
            return Point(name=name, unit=unit, decimals=decimals, counts=kind == "counter")
    return None
