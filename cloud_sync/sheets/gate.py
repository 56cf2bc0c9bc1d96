"""A gate: what went in and out, by the hour or the day; a time in which the camera was blind is not a zero."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from cloud_sync.bars import Count, gate_columns
from cloud_sync.page_view import Crossing, GateView, Happened, Record, Watched
from cloud_sync.reports import Span, State, timeline
from cloud_sync.sheets.asked import Asked, DayLink, Label, Reach, day_links, days_said, hour_labels, page_grid
from cloud_sync.sheets.events import Alarms, EventList, alarms_of, event_list, events_mark
from cloud_sync.sheets.eyes import CertificateLine, PictureList, certificate_line, picture_list
from cloud_sync.sheets.machine import Facts, evidence_of
from cloud_sync.sheets.machines import marks_of
from cloud_sync.words import Voice
from evidence.bodies import Direction

LISTED_CROSSINGS: Final = 100
"""Rows of the list of crossings, at most, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingLine:
    """One crossing as a row of the list."""

    day: str
    """The day it was on, where that is another than the one of the line above."""
    at: str
    way: str
    inward: bool
    what: str
    confidence: str
    contested: str
    """That it is doubtful, and how many more items may be in the load; empty where it is not."""
    sources: str
    """Who saw it, where not all did that looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSheet:
    """One gate, over the time shown."""

    key: str
    title: str
    stream: str
    ins: int
    outs: int
    net: str
    blind: str | None
    """How long the camera could not count, or that there was none."""
    drawing: Markup
    says: str
    most: int
    labels: tuple[Label, ...]
    """The time axis of a day,"""
    days: tuple[DayLink, ...]
    """and of several."""
    grid: Markup
    crossings: tuple[CrossingLine, ...]
    left_out: int
    contested: str
    """How many are doubtful; empty for none."""
    certificate: CertificateLine
    pictures: PictureList
    marks: tuple[str, ...]
    alarms: Alarms
    happened: str
    """How many events there were, for the row; empty for none."""
    events: EventList
    simulated: bool
    evidence: Facts


def gate_sheet(
    asked: Asked, gate: Watched, seen: GateView, happened: Happened, record: Record | None, *, path: str = ""
) -> GateSheet:
    """The sheet of a gate, whose page is at `path`; `seen` over the whole window."""
    voice = asked.voice
    single = asked.reach is Reach.DAY
    inside = sorted((c for c in seen.crossings if asked.from_ms <= c.at_ms < asked.to_ms), key=lambda c: -c.at_ms)
    counts = _counts(inside, asked.hour_edges_ms if single else asked.edges_ms)
    sight = _sight(asked, gate, seen)
    blind_ms = sum(span.length_ms for span in sight if span.state is State.UNKNOWN)
    installed = gate.first_ms is not None and gate.first_ms < asked.to_ms
    doubtful = sum(crossing.is_contested for crossing in inside)
    ins, outs = sum(count.ins for count in counts), sum(count.outs for count in counts)
    return GateSheet(
        key=gate.key,
        title=gate.title,
        stream=gate.stream,
        ins=ins,
        outs=outs,
        net=f"{ins - outs:+d}" if ins != outs else "0",
        blind=_blind_said(voice, blind_ms) if installed else voice("not_installed"),
        drawing=gate_columns(counts, sight, asked.frame),
        says=voice("bar_says", title=gate.title, what=f"{voice('in')} {ins}, {voice('out')} {outs}"),
        most=max(max(count.ins, count.outs) for count in counts),
        labels=hour_labels(asked) if single else (),
        days=day_links(asked),
        grid=page_grid(asked),
        crossings=_lines(asked, inside[:LISTED_CROSSINGS]),
        left_out=max(0, len(inside) - LISTED_CROSSINGS),
        contested=voice("contested_are", n=doubtful) if doubtful else "",
        certificate=certificate_line(asked, seen.certificate),
        pictures=picture_list(asked, path, gate, seen.pictures),
        marks=marks_of(voice, gate),
        alarms=alarms_of(asked, gate),
        happened=events_mark(voice, happened.count),
        events=event_list(asked, happened),
        simulated=gate.simulated,
        evidence=evidence_of(voice, gate, record),
    )


def _counts(crossings: Sequence[Crossing], edges_ms: Sequence[int]) -> list[Count]:
    """What went through between each two neighbouring edges; every crossing lies between the first and the last."""
    found = [[0, 0] for _ in edges_ms[1:]]
    for crossing in crossings:
        found[bisect_right(edges_ms, crossing.at_ms) - 1][crossing.direction] += 1
    return [
        Count(from_ms=from_ms, to_ms=to_ms, ins=of[Direction.IN], outs=of[Direction.OUT])
        for (from_ms, to_ms), of in zip(pairwise(edges_ms), found, strict=True)
    ]


def _sight(asked: Asked, gate: Watched, seen: GateView) -> tuple[Span, ...]:
    """The window since the first statement; UNKNOWN, that is blind, where no statement calls it clear."""
    clear = [Span(from_ms=c.from_ms, to_ms=c.to_ms, state=State.RUNNING) for c in seen.clear]
    return timeline(clear, asked.begin_ms(gate), asked.end_ms(clear))


def _lines(asked: Asked, crossings: Sequence[Crossing]) -> tuple[CrossingLine, ...]:
    voice = asked.voice
    return tuple(
        CrossingLine(
            day=day,
            at=voice.second(c.at_ms),
            way=voice("in" if c.direction is Direction.IN else "out"),
            inward=c.direction is Direction.IN,
            what=voice.label(c.what),
            confidence=f"{c.confidence_permille // 10} %",
            contested=_contested(voice, c),
            sources=_sources(voice, c),
        )
        for c, day in zip(crossings, days_said(asked, [c.at_ms for c in crossings]), strict=True)
    )


def _contested(voice: Voice, crossing: Crossing) -> str:
    if crossing.uncertain:
        return voice("contested_load", n=crossing.uncertain)
    return voice("contested_one") if crossing.is_contested else ""


def _sources(voice: Voice, crossing: Crossing) -> str:
    seen = len(crossing.sources)
    if seen == crossing.looked:
        return ""
    return voice("seen_by_some", names=", ".join(crossing.sources), seen=seen, looked=crossing.looked)


def _blind_said(voice: Voice, blind_ms: int) -> str | None:
    """Up to the next whole second: no blindness is none."""
    return voice("blind_for", length=voice.length(-(-blind_ms // 1000) * 1000)) if blind_ms else None
