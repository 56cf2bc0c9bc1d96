"""A zone: how many items its camera sees in front, since when, and how sure; what was not counted is no zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cloud_sync.page_view import Happened, Record, Watched, ZoneView
from cloud_sync.reports import Span, State, hours_over, timeline
from cloud_sync.sheets.asked import Asked, DayLink, Label, Reach, day_links, days_said, hour_labels, page_grid
from cloud_sync.sheets.events import Alarms, EventList, alarms_of, event_list, events_mark
from cloud_sync.sheets.eyes import CertificateLine, PictureList, certificate_line, picture_list
from cloud_sync.sheets.machine import Facts, evidence_of
from cloud_sync.sheets.machines import marks_of
from cloud_sync.steps import steps
from cloud_sync.stock import Stand
from cloud_sync.words import Voice
from evidence.bodies import Verdict
from evidence.judging.detectors import Detector

LISTED_STANDS: Final = 100
"""Rows of the list of counts, at most, newest first."""
NOTHING_COUNTED: Final = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandLine:
    """One count, or why there was none, as a row of the list."""

    day: str
    """The day it began on, where that is another than the one of the line above."""
    at: str
    items: str
    """In brackets where it was counted before."""
    change: str
    """Against the count before; empty for none."""
    verdict: str
    counted: bool
    contested: bool
    length: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRow:
    """A zone on the page of its enterprise."""

    key: str
    title: str
    stream: str
    items: str
    """48 ±2, or a dash where nothing was ever counted,"""
    fresh: bool
    """and whether that was counted now."""
    lacking: str
    """That the count itself is not accepted; empty where it is."""
    status: str
    coverage: str
    drawing: Markup
    says: str
    marks: tuple[str, ...]
    alarms: Alarms
    events: str
    """How many there were in the time shown; empty for none."""
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSheet:
    """A zone's own page."""

    row: ZoneRow
    figures: tuple[tuple[str, str], ...]
    """(word, figure) of the time shown."""
    facts: tuple[tuple[str, str], ...]
    """What else is known: what was declared, what counted, how long nothing could be counted."""
    certificate: CertificateLine
    labels: tuple[Label, ...]
    days: tuple[DayLink, ...]
    grid: Markup
    most: int
    """What the height of the drawing stands for."""
    stands: tuple[StandLine, ...]
    left_out: int
    pictures: PictureList
    events: EventList
    evidence: Facts


def zone_row(asked: Asked, zone: Watched, seen: ZoneView, events: int = 0) -> ZoneRow:
    """The row of a zone; `seen` over the whole window, and so many events in it."""
    voice = asked.voice
    stands = _inside(asked, seen.stands)
    sight = _sight(asked, zone, stands)
    now = stands[-1] if stands and sight and stands[-1].to_ms >= sight[-1].to_ms else None
    items, fresh, status = _now(asked, zone, seen, now)
    whole = hours_over(sight, sight[0].from_ms, sight[-1].to_ms) if sight else None
    hidden = [(span.from_ms, span.to_ms) for span in _silence(asked, zone, stands) if span.state is State.UNKNOWN]
    return ZoneRow(
        key=zone.key,
        title=zone.title,
        stream=zone.stream,
        items=items,
        fresh=fresh,
        lacking=_lacking(asked, seen) if items != NOTHING_COUNTED else "",
        status=status,
        coverage="" if whole is None else voice("counted_share", share=voice.share(whole.coverage_permille)),
        drawing=steps(stands, hidden, asked.frame),
        says=voice("bar_says", title=zone.title, what=f"{items} {voice('front_items')}, {status}"),
        marks=marks_of(voice, zone),
        alarms=alarms_of(asked, zone),
        events=events_mark(voice, events),
        simulated=zone.simulated,
    )


def zone_sheet(
    asked: Asked, zone: Watched, seen: ZoneView, happened: Happened, record: Record | None, *, path: str = ""
) -> ZoneSheet:
    """The page of a zone, which is at `path`."""
    voice = asked.voice
    stands = _inside(asked, seen.stands)
    counted = [stand for stand in stands if stand.verdict is Verdict.COUNTED]
    lines = _lines(asked, stands)
    return ZoneSheet(
        row=zone_row(asked, zone, seen),
        figures=_figures(asked, zone, stands, counted),
        facts=_facts(voice, seen, stands),
        certificate=certificate_line(asked, seen.certificate, _detector(seen)),
        labels=hour_labels(asked) if asked.reach is Reach.DAY else (),
        days=day_links(asked),
        grid=page_grid(asked),
        most=max(((stand.items or 0) + stand.uncertain for stand in counted), default=0),
        stands=lines[:LISTED_STANDS],
        left_out=max(0, len(lines) - LISTED_STANDS),
        pictures=picture_list(asked, path, zone, seen.pictures),
        events=event_list(asked, happened),
        evidence=evidence_of(voice, zone, record),
    )


def _inside(asked: Asked, stands: Sequence[Stand]) -> list[Stand]:
    """The stands as far as they lie in the window, and not beyond now."""
    from_ms, to_ms = asked.from_ms, min(asked.to_ms, asked.now_ms)
    return [
        stand._replace(from_ms=max(stand.from_ms, from_ms), to_ms=min(stand.to_ms, to_ms))
        for stand in stands
        if stand.to_ms > from_ms and stand.from_ms < to_ms
    ]


def _sight(asked: Asked, zone: Watched, stands: Sequence[Stand]) -> tuple[Span, ...]:
    """The window since the first statement: RUNNING where it was counted, UNKNOWN where it was not, said or unsaid."""
    spans = [
        Span(from_ms=stand.from_ms, to_ms=stand.to_ms, state=_STATE.get(stand.verdict, State.UNKNOWN))
        for stand in stands
    ]
    return timeline(spans, asked.begin_ms(zone), asked.end_ms(spans))


_STATE: Final = {Verdict.COUNTED: State.RUNNING, None: State.CONTESTED}


def _silence(asked: Asked, zone: Watched, stands: Sequence[Stand]) -> tuple[Span, ...]:
    """The same: UNKNOWN where no statement speaks of the zone."""
    spans = [Span(from_ms=stand.from_ms, to_ms=stand.to_ms, state=State.RUNNING) for stand in stands]
    return timeline(spans, asked.begin_ms(zone), asked.end_ms(spans))


def _now(asked: Asked, zone: Watched, seen: ZoneView, now: Stand | None) -> tuple[str, bool, str]:
    """(the count, whether it was counted at the end of the window, what there is to say of that)."""
    voice, last = asked.voice, seen.last
    if zone.first_ms is None:
        return NOTHING_COUNTED, False, voice("nothing_yet")
    if zone.first_ms >= asked.to_ms:
        return NOTHING_COUNTED, False, voice("not_installed")
    if now is not None and now.verdict is Verdict.COUNTED:
        return figure(now), True, voice("front_items")
    if now is not None and now.verdict is None:
        return NOTHING_COUNTED, False, voice("state4")
    why = voice("state0" if now is None else f"verdict{now.verdict}")
    if last is None or last.counted_at_ms is None:
        return NOTHING_COUNTED, False, f"{why} · {voice('never_counted')}"
    end_ms = min(asked.now_ms, asked.to_ms)
    at_ms = min(last.counted_at_ms, end_ms)
    age = voice("counted_ago", at=voice.moment(at_ms, end_ms), length=voice.length(end_ms - at_ms))
    look = last.looks[-1]
    known = now or Stand(look.at_ms, last.to_ms, look.verdict, look.count, look.uncertain)
    return figure(known), False, f"{why} · {age}"


def _lacking(asked: Asked, seen: ZoneView) -> str:
    """A count is accepted where its settings claim it, or, where they do not say, with a good certificate."""
    good = certificate_line(asked, seen.certificate, _detector(seen)).good
    return "" if good and seen.absolute is not False else asked.voice("not_accepted")


def _detector(seen: ZoneView) -> Detector | None:
    return None if seen.last is None else Detector(name=seen.last.detector, sha256=seen.last.detector_sha256)


def figure(stand: Stand) -> str:
    """48 ±2."""
    if stand.items is None:
        return NOTHING_COUNTED
    return f"{stand.items:,}" + (f" ±{stand.uncertain:,}" if stand.uncertain else "")


def _figures(
    asked: Asked, zone: Watched, stands: Sequence[Stand], counted: Sequence[Stand]
) -> tuple[tuple[str, str], ...]:
    voice = asked.voice
    sight = _sight(asked, zone, stands)
    whole = hours_over(sight, sight[0].from_ms, sight[-1].to_ms) if sight else None
    least = min(counted, key=lambda stand: stand.items or 0, default=None)
    most = max(counted, key=lambda stand: stand.items or 0, default=None)
    return (
        (voice("least"), "–" if least is None else figure(least)),
        (voice("most"), "–" if most is None else figure(most)),
        (voice("counted_time"), "–" if whole is None else voice.share(whole.coverage_permille)),
    )


def _facts(voice: Voice, seen: ZoneView, stands: Sequence[Stand]) -> tuple[tuple[str, str], ...]:
    facts = [
        (voice(f"verdict{verdict}"), voice.length(time_ms))
        for verdict in (Verdict.OCCLUDED, Verdict.DISAGREED, Verdict.BLIND)
        if (time_ms := sum(stand.to_ms - stand.from_ms for stand in stands if stand.verdict is verdict))
    ]
    if (last := seen.last) is not None:
        if last.declared is not None:
            depth, rows = last.declared
            facts.append((voice("declared"), voice("declared_is", depth=depth, rows=rows)))
        digest = f" {last.detector_sha256.hex()[:12]}" if last.detector_sha256 else ""
        facts.append((voice("detector"), f"{last.detector}{digest}"))
    return tuple(facts)


def _lines(asked: Asked, stands: Sequence[Stand]) -> tuple[StandLine, ...]:
    """Newest first."""
    voice = asked.voice
    changes: list[str] = []
    known: int | None = None
    for stand in stands:
        counted = stand.items if stand.verdict is Verdict.COUNTED else None
        changed = known is not None and counted is not None and counted != known
        changes.append(f"{(counted or 0) - (known or 0):+,}" if changed else "")
        known = known if counted is None else counted
    newest, of_newest = list(reversed(stands)), list(reversed(changes))
    days = days_said(asked, [stand.from_ms for stand in newest])
    return tuple(
        StandLine(
            day=day,
            at=voice.second(stand.from_ms),
            items=figure(stand) if stand.verdict is Verdict.COUNTED or stand.items is None else f"({figure(stand)})",
            change=change,
            verdict=voice("state4" if stand.verdict is None else f"verdict{stand.verdict}"),
            counted=stand.verdict is Verdict.COUNTED,
            contested=stand.verdict is None,
            length=voice.length(stand.to_ms - stand.from_ms),
        )
        for stand, change, day in zip(newest, of_newest, days, strict=True)
    )
