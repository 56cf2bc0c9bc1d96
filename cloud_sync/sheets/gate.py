"""A gate's day: what went in and out, hour by hour; an hour in which the camera was blind is not a zero."""

from dataclasses import dataclass, replace
from typing import Final

from markupsafe import Markup

from cloud_sync.bars import gate_columns
from cloud_sync.page_view import GateView, Record, Watched
from cloud_sync.reports import HOUR_MS, Span, State, timeline
from cloud_sync.sheets.asked import Asked, Label, Reach, hour_labels
from cloud_sync.sheets.machine import Facts, evidence_of
from cloud_sync.sheets.machines import marks_of
from cloud_sync.words import Voice
from evidence.bodies import Direction

LISTED_CROSSINGS: Final = 100
"""Rows of the list of crossings, at most, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingLine:
    """One crossing as a row of the list."""

    at: str
    way: str
    inward: bool
    what: str
    confidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSheet:
    """One gate's day."""

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
    crossings: tuple[CrossingLine, ...]
    left_out: int
    marks: tuple[str, ...]
    simulated: bool
    evidence: Facts


def gate_sheet(asked: Asked, gate: Watched, seen: GateView, record: Record | None) -> GateSheet:
    """The sheet of a gate's last day shown."""
    voice = asked.voice
    from_ms, to_ms = asked.edges_ms[-2:]
    inside = sorted((c for c in seen.crossings if from_ms <= c.at_ms < to_ms), key=lambda c: -c.at_ms)
    hours = [[0, 0] for _ in range(from_ms, to_ms, HOUR_MS)]
    for crossing in inside:
        hours[(crossing.at_ms - from_ms) // HOUR_MS][crossing.direction] += 1
    dark = _blind(asked, gate, seen)
    blind_ms = sum(span.length_ms for span in dark)
    blind = [
        any(span.from_ms < start + HOUR_MS and span.to_ms > start for span in dark)
        for start in range(from_ms, to_ms, HOUR_MS)
    ]
    installed = gate.first_ms is not None and gate.first_ms < to_ms
    ins, outs = (sum(hour[way] for hour in hours) for way in Direction)
    return GateSheet(
        key=gate.key,
        title=gate.title,
        stream=gate.stream,
        ins=ins,
        outs=outs,
        net=f"{ins - outs:+d}" if ins != outs else "0",
        blind=_blind_said(voice, blind_ms) if installed else voice("not_installed"),
        drawing=gate_columns([(h[0], h[1], hidden) for h, hidden in zip(hours, blind, strict=True)]),
        says=voice("bar_says", title=gate.title, what=f"{voice('in')} {ins}, {voice('out')} {outs}"),
        most=max(max(hour) for hour in hours),
        labels=hour_labels(asked, now=False),
        crossings=tuple(
            CrossingLine(
                at=voice.second(c.at_ms),
                way=voice("in" if c.direction is Direction.IN else "out"),
                inward=c.direction is Direction.IN,
                what=c.what,
                confidence=f"{c.confidence_permille // 10} %",
            )
            for c in inside[:LISTED_CROSSINGS]
        ),
        left_out=max(0, len(inside) - LISTED_CROSSINGS),
        marks=marks_of(voice, gate),
        simulated=gate.simulated,
        evidence=evidence_of(voice, gate, record),
    )


def _blind(asked: Asked, gate: Watched, seen: GateView) -> list[Span]:
    """Since the first statement, the time of the last day shown that no statement calls clear."""
    day = replace(asked, reach=Reach.DAY)
    clear = [Span(from_ms=c.from_ms, to_ms=c.to_ms, state=State.RUNNING) for c in seen.clear]
    filled = timeline(clear, day.begin_ms(gate), day.end_ms(clear))
    return [span for span in filled if span.state is State.UNKNOWN]


def _blind_said(voice: Voice, blind_ms: int) -> str | None:
    return voice("blind_for", length=voice.length(blind_ms)) if blind_ms else None
