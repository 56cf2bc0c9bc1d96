"""Alarms and events as a page says them: an icon by shape, what it is about, the value and its limit, since when."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloud_sync.page_view import Happened, Happening, Watched
from cloud_sync.quantities import quantity
from cloud_sync.sheets.asked import Asked, days_said
from cloud_sync.words import Voice
from evidence.bodies import EventKind, Phase

LISTED_EVENTS: Final = 100
"""Rows of the list of events, at most, newest first."""
SUBJECT_SHOWN: Final = 16
"""Hexadecimal digits of a picture's hash that a page says."""


class Icon(StrEnum):
    """A shape that is told from the others without its colour."""

    DANGER = "danger"
    """A triangle: something can burn, or be without water."""
    DOUBT = "doubt"
    """A diamond: what is measured may not be what it is taken for."""
    NOTE = "note"
    """A disc."""
    CLEARED = "cleared"
    """A ring with a tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLine:
    """What is raised and not cleared."""

    icon: Icon
    what: str
    says: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Of one stream."""

    lines: tuple[AlarmLine, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One event as a row of the list."""

    day: str
    """The day it was on, where that is another than the one of the line above."""
    at: str
    icon: Icon
    what: str
    phase: str
    subject: str
    value: str
    reference: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventList:
    """The events of the time shown."""

    lines: tuple[EventLine, ...]
    left_out: int


def alarms_of(asked: Asked, watched: Watched) -> Alarms:
    """What is raised now; a page of the past says nothing of it."""
    if not asked.live:
        return Alarms()
    voice = asked.voice
    lines = tuple(
        AlarmLine(
            icon=_ICON.get(alarm.event.event, Icon.NOTE),
            what=voice(f"event{alarm.event.event}"),
            says=_says(voice, alarm),
            since=voice("alarm_since", at=voice.moment(alarm.event.at_ms, asked.now_ms)),
        )
        for alarm in watched.alarms
    )
    return Alarms(lines=lines, more=watched.alarmed - len(lines))


def alarmed(voice: Voice, watched: Iterable[Watched]) -> str:
    """How many alarms stand open together; empty when none does."""
    n = sum(each.alarmed for each in watched)
    return voice("alarms" if n > 1 else "alarm", n=n) if n else ""


def events_mark(voice: Voice, count: int) -> str:
    """How many events there were; empty for none."""
    return voice("events_mark" if count > 1 else "event_mark", n=count) if count else ""


def event_list(asked: Asked, happened: Happened) -> EventList:
    """Newest first."""
    voice = asked.voice
    newest = happened.newest[:LISTED_EVENTS]
    days = days_said(asked, [each.event.at_ms for each in newest])
    lines = tuple(_line(voice, each, day) for each, day in zip(newest, days, strict=True))
    return EventList(lines=lines, left_out=happened.count - len(lines))


_ICON: Final = {
    EventKind.LIMIT: Icon.DANGER,
    EventKind.COMPONENT: Icon.DANGER,
    EventKind.IDENTITY: Icon.DOUBT,
    EventKind.SIGNATURE: Icon.DOUBT,
    EventKind.DISAGREEMENT: Icon.DOUBT,
    EventKind.WITNESS: Icon.DOUBT,
    EventKind.COUNTER: Icon.DOUBT,
    EventKind.CAMERA: Icon.DOUBT,
}
_PLAIN: Final = frozenset({EventKind.LIMIT, EventKind.WITNESS, EventKind.COUNTER, EventKind.STATE})
"""Events whose numbers say something even where nobody knows what they count."""


def _line(voice: Voice, each: Happening, day: str) -> EventLine:
    event = each.event
    raised = _ICON.get(event.event, Icon.NOTE)
    icon = {Phase.RAISED: raised, Phase.CLEARED: Icon.CLEARED, Phase.NOTED: Icon.NOTE}[event.phase]
    if event.phase is Phase.NOTED and raised is Icon.DOUBT:
        icon = Icon.DOUBT
    return EventLine(
        day=day,
        at=voice.second(event.at_ms),
        icon=icon,
        what=voice(f"event{event.event}"),
        phase=voice(f"phase{event.phase}"),
        subject=_subject(voice, each),
        value=_figure(each, event.value),
        reference=_reference(voice, each),
        says="" if each.point is not None else event.says,
    )


def _subject(voice: Voice, each: Happening) -> str:
    """The point, what is wrong with the camera, or the beginning of a picture's hash."""
    match each.event.event:
        case EventKind.CAMERA:
            return voice.condition(each.event.subject)
        case EventKind.DISCLOSURE:
            return each.event.subject[:SUBJECT_SHOWN]
    return voice.point(each.event.subject if each.point is None else each.point.name)


def _reference(voice: Voice, each: Happening) -> str:
    """限值 100 kPa; 原为 6.1 kW."""
    reference = _figure(each, each.event.reference)
    word = "limit_is" if each.event.event in (EventKind.LIMIT, EventKind.CLOCK) else "before_was"
    return voice(word, reference=reference) if reference else ""


def _says(voice: Voice, each: Happening) -> str:
    """压力 86 kPa，限值 100 kPa; or what was signed for a person."""
    event = each.event
    subject = _subject(voice, each)
    value, reference = _figure(each, event.value), _figure(each, event.reference)
    if not value or each.point is None:
        return " · ".join(part for part in (subject, event.says) if part)
    if not reference:
        return f"{subject} {value}"
    word = "value_and_limit" if event.event is EventKind.LIMIT else "value_and_before"
    return voice(word, subject=subject, value=value, reference=reference)


def _figure(each: Happening, value: int | None) -> str:
    if value is None:
        return ""
    if each.point is not None:
        return quantity(value, each.point)
    if each.event.event is EventKind.CLOCK:
        return f"{value:,} s"
    return f"{value:,}" if each.event.event in _PLAIN else ""
