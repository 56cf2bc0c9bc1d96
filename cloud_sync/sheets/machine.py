"""One machine's own page: every span of a day, or a bar for each day, and how much of it is signed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from cloud_sync.bars import Frame, bar, bar_to_touch, grid
from cloud_sync.page_view import Happened, Problem, Record, Subject, Watched
from cloud_sync.reports import DAY_MS, HOUR_MS, Span, State, latest, timeline
from cloud_sync.sheets.asked import MARK_HOURS, Asked, Label, Reach, days_said, hour_labels, page_grid
from cloud_sync.sheets.events import EventList, event_list
from cloud_sync.sheets.machines import ORDER, Row, days_of, row_of
from cloud_sync.words import Voice, stopwatch
from evidence.judging.hours import Hours
from evidence.judging.judge import Threshold

LISTED_SPANS: Final = 300
"""Rows of the table of spans, at most, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLine:
    """One span as a row of the table."""

    day: str
    """The day it begins on, where that is another than the one of the line above."""
    begins: str
    ends: str
    state: State
    length: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLine:
    """One day as a bar."""

    day: date
    name: str
    drawing: Markup
    hours: str
    coverage: str
    """Where it is not whole."""
    withheld: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and values, and what is wrong."""

    lines: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSheet:
    """One machine."""

    row: Row
    reading: str
    """When it was last observed; empty for a page of the past."""
    figures: tuple[tuple[State, str], ...]
    """Hours by state, over the window as far as it is over."""
    summary: tuple[tuple[str, str], ...]
    spans: tuple[SpanLine, ...]
    left_out: int
    events: EventList
    daily: tuple[DayLine, ...]
    labels: tuple[Label, ...]
    grid: Markup
    legend: tuple[tuple[State, None], ...]
    evidence: Facts


def machine_sheet(
    asked: Asked, machine: Watched, spans: Sequence[Span], happened: Happened, record: Record | None
) -> MachineSheet:
    """The sheet of one machine; `spans` from `asked.since_ms` on."""
    voice = asked.voice
    single = asked.reach is Reach.DAY
    filled = timeline(spans, asked.begin_ms(machine), asked.end_ms(spans))
    contested = any(span.state is State.CONTESTED for span in filled)
    days = days_of(asked, machine, spans)
    row = row_of(asked, machine, spans, days)
    if single:
        title = machine.title
        row = replace(row, drawing=bar_to_touch(filled, asked.frame, lambda span: _say(voice, title, span)))
    return MachineSheet(
        row=row,
        reading=_reading(asked, spans),
        figures=_figures(voice, days),
        summary=_summary(voice, days) if single else (),
        spans=_span_lines(asked, filled) if single else (),
        left_out=max(0, len(filled) - LISTED_SPANS) if single else 0,
        events=event_list(asked, happened),
        daily=() if single else _daily(asked, machine, spans, days),
        labels=hour_labels(asked),
        grid=page_grid(asked) if single else _day_grid(),
        legend=tuple((state, None) for state in ORDER if state is not State.CONTESTED or contested),
        evidence=evidence_of(voice, machine, record),
    )


def evidence_of(voice: Voice, stream: Watched, record: Record | None) -> Facts:
    """How much of a stream is signed, by which clock, judged with what, and everything wrong with its chain."""
    named = ((voice("stream"), stream.stream), (voice("box"), stream.box))
    if record is None:
        return Facts(lines=(*named, (voice("statements"), voice("nothing_yet"))), problems=())
    held = voice("statements_are", first=record.first_n, last=record.last_n, held=record.held)
    clock = [voice(f"clock{record.clock}")]
    if record.clock_error_ms is not None:
        clock.append(voice("clock_error", ms=record.clock_error_ms))
    lines = [
        *named,
        (voice("statements"), held),
        (voice("first_statement"), voice.moment(record.first_ms)),
        (voice("last_statement"), voice.moment(record.last_ms)),
        (voice("received"), "–" if stream.received_ms is None else voice.moment(stream.received_ms)),
        (voice("clock"), " · ".join(clock)),
        *([(voice("judged"), _judged(voice, record.threshold))] if stream.subject is Subject.MACHINE else []),
        (voice("settings"), record.settings_sha256.hex()[:16] + "…"),
    ]
    if not record.problems:
        lines.append((voice("chain"), voice("chain_complete")))
    return Facts(lines=tuple(lines), problems=tuple(_problem(voice, problem) for problem in record.problems))


def _say(voice: Voice, title: str, span: Span) -> str:
    begins, ends = voice.clock(span.from_ms), voice.clock(span.to_ms)
    return voice("span_says", title=title, begins=begins, ends=ends, state=voice.state(span.state))


def _reading(asked: Asked, spans: Sequence[Span]) -> str:
    if not asked.live:
        return ""
    at_ms = latest(spans, asked.since_ms, asked.now_ms).reading_ms
    if at_ms is None:
        return asked.voice("no_reading")
    at, ago = asked.voice.moment(at_ms, asked.now_ms), asked.voice.ago(at_ms, asked.now_ms)
    return asked.voice("last_reading", at=at, ago=ago)


def _figures(voice: Voice, days: Sequence[Hours | None]) -> tuple[tuple[State, str], ...]:
    known = [day for day in days if day is not None]
    sums = [
        sum(day.running_ms for day in known),
        sum(day.idle_ms for day in known),
        sum(day.stopped_ms for day in known),
        sum(day.unknown_ms for day in known),
    ]
    return tuple((state, voice.hours(ms)) for state, ms in zip(ORDER, sums, strict=False))


def _summary(voice: Voice, days: Sequence[Hours | None]) -> tuple[tuple[str, str], ...]:
    day = days[0]
    if day is None:
        return ()
    bounds = voice("at_least_most", low=voice.hours(day.low_ms), up=voice.hours(day.up_ms))
    norm = day.norm_ms
    return (
        (voice("coverage"), voice.share(day.coverage_permille)),
        (voice("bounds"), bounds),
        (voice("normalised"), voice("withheld") if norm is None else voice.hours(norm)),
    )


def _span_lines(asked: Asked, filled: Sequence[Span]) -> tuple[SpanLine, ...]:
    voice = asked.voice
    listed = tuple(reversed(filled[-LISTED_SPANS:]))
    return tuple(
        SpanLine(
            day=day,
            begins=voice.second(span.from_ms),
            ends=voice.until(span.to_ms, span.from_ms),
            state=span.state,
            length=stopwatch(span.to_ms // 1000 - span.from_ms // 1000),
        )
        for span, day in zip(listed, days_said(asked, [span.from_ms for span in listed]), strict=True)
    )


def _daily(asked: Asked, machine: Watched, spans: Sequence[Span], days: Sequence[Hours | None]) -> tuple[DayLine, ...]:
    """A bar a day, newest first; days before the first statement are left out."""
    filled = timeline(spans, asked.begin_ms(machine), asked.end_ms(spans))
    lines: list[DayLine] = []
    for day, (from_ms, to_ms), known in zip(asked.days, pairwise(asked.edges_ms), days, strict=True):
        if known is None:
            continue
        own = [span for span in filled if span.to_ms > from_ms and span.from_ms < to_ms]
        begin_ms, end_ms = max(from_ms, filled[0].from_ms), min(to_ms, filled[-1].to_ms)
        frame = Frame(from_ms=from_ms, to_ms=to_ms)
        lines.append(
            DayLine(
                day=day,
                name=asked.voice.day(day),
                drawing=bar(timeline(own, begin_ms, end_ms), frame),
                hours=asked.voice.hours(known.running_ms),
                coverage=asked.voice.share(known.coverage_permille) if known.unknown_ms else "",
                withheld=known.norm_ms is None,
            )
        )
    return tuple(reversed(lines))


def _day_grid() -> Markup:
    return grid(Frame(from_ms=0, to_ms=DAY_MS), range(0, DAY_MS + 1, MARK_HOURS * HOUR_MS))


def _judged(voice: Voice, threshold: Threshold | None) -> str:
    if threshold is None:
        return voice("judged_else")
    return voice(
        "judged_by",
        running=_kilowatts(threshold.running_above_mw),
        idle=_kilowatts(threshold.idle_above_mw),
        hysteresis=_kilowatts(threshold.hysteresis_mw),
        dwell=voice.length(threshold.dwell_ms),
    )


def _kilowatts(mw: int) -> str:
    return f"{mw / 1_000_000:.3f}".rstrip("0").rstrip(".")


def _problem(voice: Voice, problem: Problem) -> tuple[str, str]:
    """断档, and 2026-11-22 03:10:00 – 2026-11-22 04:00:00 · 第 812–820 号: only what is known of it."""
    said: list[str] = []
    if problem.from_ms is not None:
        said.append(voice.moment(problem.from_ms))
    if problem.from_ms is not None and problem.to_ms is not None:
        same = voice.date_of(problem.from_ms) == voice.date_of(problem.to_ms)
        said[-1] += f" – {(voice.second if same else voice.moment)(problem.to_ms)}"
    if problem.first_n is not None:
        several = problem.last_n is not None and problem.last_n != problem.first_n
        said.append(voice("numbers" if several else "number", first=problem.first_n, last=problem.last_n))
    if problem.reason is not None:
        said.append(voice(f"reason{problem.reason}"))
    return voice(problem.trouble.value), " · ".join(said)
