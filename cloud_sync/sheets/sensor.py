"""A fire sensor or meter: of each point its last value, its limit, and the least and the most of the time shown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from cloud_sync.curves import curve, heard, limits_in
from cloud_sync.levels import Width
from cloud_sync.page_view import Happened, Measuring, Record, Sensed, Subject, Watched
from cloud_sync.quantities import number, quantity
from cloud_sync.reports import Span, State, hours_over, timeline
from cloud_sync.sheets.asked import Asked, DayLink, Label, Reach, day_links, hour_labels, page_grid
from cloud_sync.sheets.events import Alarms, EventList, alarms_of, event_list, events_mark
from cloud_sync.sheets.machine import Facts, evidence_of
from cloud_sync.sheets.machines import marks_of
from evidence.judging.limits import Side

IN_A_ROW: Final = 4
"""Points that a row on the enterprise's page has, at most;"""
DRAWN: Final = 12
"""the sensor's own page draws so many, and names the others and what only counts how often."""
WIDTH: Final = {Reach.DAY: Width.QUARTER, Reach.WEEK: Width.HOUR, Reach.MONTH: Width.DAY}
"""What one step of a curve stands for,"""
NOTES: Final = {Reach.DAY: "curve_day_say", Reach.WEEK: "curve_week_say", Reach.MONTH: "curve_month_say"}
"""and how that is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLine:
    """One point over the time shown."""

    name: str
    value: str
    """The last one,"""
    at: str
    """and when it was measured, where that is not now."""
    beyond: bool
    """Whether it lies beyond a limit now."""
    limit: str
    why: str
    """Where the limit comes from."""
    reach: str
    """From the least to the most, or by how much a counter rose."""
    figures: tuple[tuple[str, str], ...]
    """The same each by itself, with the limit: (word, figure)."""
    drawing: Markup
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorRow:
    """A sensor on the page of its enterprise."""

    key: str
    path: str
    """In its address: fire or meter."""
    title: str
    stream: str
    points: tuple[PointLine, ...]
    drawing: Markup | None
    """When it was heard, of a sensor without points."""
    silent: bool
    """Whether nothing is heard of it now."""
    status: str
    coverage: str
    says: str
    marks: tuple[str, ...]
    alarms: Alarms
    events: str
    """How many there were in the time shown; empty for none."""
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSheet:
    """A sensor's own page."""

    row: SensorRow
    others: tuple[PointLine, ...]
    """Points that are named and not drawn."""
    note: str
    labels: tuple[Label, ...]
    days: tuple[DayLink, ...]
    grid: Markup
    events: EventList
    evidence: Facts


def sensor_row(asked: Asked, sensor: Watched, sensed: Sensed, events: int = 0) -> SensorRow:
    """The row of a fire sensor or meter; `sensed` over the whole window, and so many events in it."""
    chosen = [each for each in sensed.measured if each.limits or each.point.counts is (sensor.subject is Subject.METER)]
    shown = chosen[: IN_A_ROW if sensor.subject is Subject.FIRE else 1]
    return replace(_row(asked, sensor, sensed, shown), events=events_mark(asked.voice, events))


def sensor_sheet(
    asked: Asked, sensor: Watched, sensed: Sensed, happened: Happened, record: Record | None
) -> SensorSheet:
    """The page of a fire sensor or meter."""
    sight = _sight(asked, sensor, sensed)
    single = asked.reach is Reach.DAY
    drawn = [each for each in sensed.measured if each.limits or not _is_tally(each)][:DRAWN]
    return SensorSheet(
        row=_row(asked, sensor, sensed, drawn),
        others=tuple(_point_line(asked, each, sight) for each in sensed.measured if each not in drawn),
        note=asked.voice(NOTES[asked.reach]),
        labels=hour_labels(asked) if single else (),
        days=day_links(asked),
        grid=page_grid(asked),
        events=event_list(asked, happened),
        evidence=evidence_of(asked.voice, sensor, record),
    )


def _row(asked: Asked, sensor: Watched, sensed: Sensed, shown: Sequence[Measuring]) -> SensorRow:
    sight = _sight(asked, sensor, sensed)
    silent = _is_silent(asked, sight)
    points = tuple(_point_line(asked, each, sight) for each in shown)
    said = "; ".join(point.says for point in points) or asked.voice("not_measured" if silent else "last_value")
    return SensorRow(
        key=sensor.key,
        path=sensor.subject.value,
        title=sensor.title,
        stream=sensor.stream,
        points=points,
        drawing=None if points else heard(sight, asked.frame),
        silent=silent,
        status=_status(asked, sensor, sensed),
        coverage=asked.voice.coverage(hours_over(sight, sight[0].from_ms, sight[-1].to_ms).coverage_permille)
        if sight
        else "",
        says=asked.voice("bar_says", title=sensor.title, what=said),
        marks=marks_of(asked.voice, sensor),
        alarms=alarms_of(asked, sensor),
        events="",
        simulated=sensor.simulated,
    )


def _sight(asked: Asked, sensor: Watched, sensed: Sensed) -> tuple[Span, ...]:
    """The window since the first statement, as far as it is over; UNKNOWN where nothing was heard."""
    return timeline(sensed.heard, asked.begin_ms(sensor), asked.end_ms(sensed.heard))


def _is_silent(asked: Asked, sight: Sequence[Span]) -> bool:
    return asked.live and (not sight or sight[-1].state is State.UNKNOWN)


def _status(asked: Asked, sensor: Watched, sensed: Sensed) -> str:
    """When it was heard last; nothing on a page of the past."""
    voice = asked.voice
    if sensor.first_ms is None:
        return voice("nothing_yet")
    if sensor.first_ms >= asked.to_ms:
        return voice("not_installed")
    if not asked.live:
        return ""
    last_ms = max((each.last_ms for each in sensed.measured), default=None)
    if last_ms is None:
        last_ms = max((min(span.to_ms, asked.now_ms) for span in sensed.heard), default=None)
    if last_ms is None:
        return voice("no_reading")
    return voice("last_reading", at=voice.moment(last_ms, asked.now_ms), ago=voice.ago(last_ms, asked.now_ms))


def _point_line(asked: Asked, each: Measuring, sight: Sequence[Span]) -> PointLine:
    voice, point = asked.voice, each.point
    limits = limits_in(each.limits, point.unit, point.decimals)
    least = min((slot.least for slot in each.slots), default=None)
    most = max((slot.most for slot in each.slots), default=None)
    limit = ", ".join(voice(f"limit_{side.value}", limit=quantity(value, point)) for side, value in limits)
    fresh = asked.live and not _is_silent(asked, sight)
    name, value, reach = voice.point(point.name), quantity(each.last, point), _reach(asked, each, least, most)
    return PointLine(
        name=name,
        value=value,
        at="" if fresh else voice.moment(each.last_ms, asked.now_ms),
        beyond=fresh and any(_is_beyond(each.last, side, at) for side, at in limits),
        limit=limit,
        why=", ".join(voice.why(one.why) for one in each.limits if one.why),
        reach=reach,
        figures=_figures(each, limit, least, most),
        drawing=curve(each.slots, WIDTH[asked.reach], sight, limits, asked.frame),
        says=" ".join(part for part in (name, value, limit, reach) if part),
    )


def _reach(asked: Asked, each: Measuring, least: int | None, most: int | None) -> str:
    if least is None or most is None:
        return asked.voice("not_measured")
    if not each.point.counts:
        return asked.voice("range", least=number(least, each.point), most=quantity(most, each.point))
    return asked.voice("risen", rise=quantity(most - least, each.point)) if _rises(each) else ""


def _figures(each: Measuring, limit: str, least: int | None, most: int | None) -> tuple[tuple[str, str], ...]:
    figures = [("limits", limit or "–")] if limit or not each.point.counts else []
    if not each.point.counts:
        figures += [
            (word, "–" if at is None else quantity(at, each.point)) for word, at in (("least", least), ("most", most))
        ]
    elif least is not None and most is not None and _rises(each):
        figures.append(("used", quantity(most - least, each.point)))
    return tuple(figures)


def _rises(each: Measuring) -> bool:
    """Whether a counter only rose: over a rollover or a reset nobody can say by how much."""
    return all(before.most <= after.least for before, after in pairwise(each.slots))


def _is_tally(each: Measuring) -> bool:
    """A count of what happened: how often a meter's cover was opened."""
    return each.point.counts and each.point.unit == "1"


def _is_beyond(value: int, side: Side, limit: int) -> bool:
    return value < limit if side is Side.BELOW else value >= limit
