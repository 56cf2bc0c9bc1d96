"""The page of an enterprise: every machine's bar, its figures beside it, and what they amount to together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from cloud_sync.bars import bar, columns
from cloud_sync.page_view import Subject, Watched
from cloud_sync.reports import (
    DAY_MS,
    Latest,
    MeanHours,
    Span,
    State,
    hours_between,
    latest,
    mean_daily,
    timeline,
)
from cloud_sync.sheets.asked import Asked, DayLink, Label, Reach, day_links, hour_labels, page_grid
from cloud_sync.sheets.events import Alarms, alarms_of, events_mark
from cloud_sync.words import Voice, hours_figure
from evidence.judging.hours import Hours

ORDER: Final = (State.RUNNING, State.IDLE, State.STOPPED, State.UNKNOWN, State.CONTESTED)
"""As legends and sums name the states."""
SAID_RUNS: Final = 3
"""Running spans that a bar's title lists; the machine's own page lists every span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One machine."""

    key: str
    title: str
    stream: str
    drawing: Markup
    says: str
    """What the drawing shows, for those who cannot see it."""
    hours: str
    withheld: bool
    """Too little was observed for normalised hours."""
    coverage: str
    state: State | None
    """What it does now; None: it was not there yet."""
    status: str
    marks: tuple[str, ...]
    """What is wrong with its chain."""
    alarms: Alarms
    events: str
    """How many there were in the time shown; empty for none."""
    new: str | None
    simulated: bool
    daily: tuple[str, ...]
    """Each day's running hours, where a week leaves room for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinesSheet:
    """All machines."""

    rows: tuple[Row, ...]
    legend: tuple[tuple[State, int | None], ...]
    """The states drawn, and how many machines are in each now; None for none, and when the page shows the past."""
    mean_of: str
    mean: str
    mean_used: str
    labels: tuple[Label, ...]
    """The time axis of a day,"""
    days: tuple[DayLink, ...]
    """and of several."""
    grid: Markup


def machines_sheet(
    asked: Asked,
    machines: Sequence[Watched],
    spans: Mapping[str, Sequence[Span]],
    eventful: Mapping[tuple[Subject, str], int],
) -> MachinesSheet:
    """The sheet of these machines; `spans` by machine key, from `asked.since_ms` on."""
    known = [
        (machine, own, days_of(asked, machine, own)) for machine in machines for own in [spans.get(machine.key, ())]
    ]
    rows = tuple(
        row_of(asked, machine, own, days, eventful.get((machine.subject, machine.key), 0))
        for machine, own, days in known
    )
    every = [day for _, _, days in known for day in counted(asked, days)]
    mean = mean_daily(every)
    shown = [row.state for row in rows]
    contested = any(span.state is State.CONTESTED for own in spans.values() for span in own)
    return MachinesSheet(
        rows=rows,
        legend=tuple(
            (state, (shown.count(state) or None) if asked.live else None)
            for state in ORDER
            if state is not State.CONTESTED or contested
        ),
        mean_of=asked.voice(_mean_word(asked)),
        mean=asked.voice("mean_none") if mean.mean_ms is None else asked.voice.hours(mean.mean_ms),
        mean_used=_used(asked, mean),
        labels=hour_labels(asked) if asked.reach is Reach.DAY else (),
        days=day_links(asked),
        grid=page_grid(asked),
    )


def row_of(asked: Asked, machine: Watched, spans: Sequence[Span], days: Sequence[Hours | None], events: int = 0) -> Row:
    """One machine's row; `days` are its `days_of`."""
    now = latest(spans, max(asked.since_ms, asked.now_ms - DAY_MS), asked.now_ms)
    total = _sum(days)
    hours, withheld = _hours(asked, total, days)
    month = asked.reach is Reach.MONTH
    filled = () if month else timeline(spans, asked.begin_ms(machine), asked.end_ms(spans))
    new = machine.first_ms is not None and asked.from_ms < machine.first_ms < asked.to_ms
    return Row(
        key=machine.key,
        title=machine.title,
        stream=machine.stream,
        drawing=columns(days) if month else bar(filled, asked.frame),
        says=_says(asked.voice, machine.title, hours, filled if asked.reach is Reach.DAY else ()),
        hours=hours,
        withheld=withheld,
        coverage=asked.voice.coverage(total.coverage_permille) if total.window_ms else "",
        state=None if machine.first_ms is None or machine.first_ms >= asked.to_ms else now.state,
        status=_status(asked, machine, now, total),
        marks=marks_of(asked.voice, machine),
        alarms=alarms_of(asked, machine),
        events=events_mark(asked.voice, events),
        new=asked.voice("new_since", at=asked.voice.moment(machine.first_ms or 0, asked.now_ms)) if new else None,
        simulated=machine.simulated,
        daily=tuple(hours_figure(day.running_ms) if day else "" for day in days if asked.reach is Reach.WEEK),
    )


def days_of(asked: Asked, machine: Watched, spans: Sequence[Span]) -> tuple[Hours | None, ...]:
    """Each day shown, or the last 24 hours, as far as over; None before the first statement's day and in the future."""
    end_ms = asked.end_ms(spans)
    first_ms = asked.begin_ms(machine)
    known = hours_between(spans, [min(edge, end_ms) for edge in asked.edges_ms])
    return tuple(
        day if day.window_ms and until_ms > first_ms else None
        for day, until_ms in zip(known, asked.edges_ms[1:], strict=True)
    )


def counted(asked: Asked, days: Sequence[Hours | None]) -> list[Hours]:
    """The machine-days a mean is taken over: of several days only those that are over."""
    over = [asked.reach is Reach.DAY or until_ms <= asked.now_ms for _, until_ms in pairwise(asked.edges_ms)]
    return [day for day, ended in zip(days, over, strict=True) if day is not None and ended]


def marks_of(voice: Voice, stream: Watched) -> tuple[str, ...]:
    """The words for what is wrong with a stream's chain."""
    found = [("fork", stream.forks), ("gap", stream.gaps)]
    return tuple(voice(f"{word}s_mark" if n > 1 else f"{word}_mark", n=n) for word, n in found if n)


def _sum(days: Sequence[Hours | None]) -> Hours:
    known = [day for day in days if day is not None]
    return Hours(
        running_ms=sum(day.running_ms for day in known),
        idle_ms=sum(day.idle_ms for day in known),
        stopped_ms=sum(day.stopped_ms for day in known),
        unknown_ms=sum(day.unknown_ms for day in known),
    )


def _hours(asked: Asked, total: Hours, days: Sequence[Hours | None]) -> tuple[str, bool]:
    """The figure beside a bar, and whether it is withheld for want of coverage."""
    voice = asked.voice
    if asked.reach is not Reach.DAY:
        mean = mean_daily(counted(asked, days))
        return ("–", True) if mean.mean_ms is None else (voice.hours(mean.mean_ms, "hours_a_day"), False)
    if not total.window_ms:
        return "–", False
    if total.norm_ms is not None:
        return voice.hours(total.norm_ms), False
    low, up = hours_figure(total.low_ms), hours_figure(total.up_ms)
    return voice("hours_range", low=low, up=up), True


def _status(asked: Asked, machine: Watched, now: Latest, total: Hours) -> str:
    """What the machine does now and since when; of a past day how long it did not run."""
    voice = asked.voice
    if machine.first_ms is None:
        return voice("nothing_yet")
    if machine.first_ms >= asked.to_ms:
        return voice("not_installed")
    if not asked.live:
        return voice("split", idle=voice.hours(total.idle_ms), stopped=voice.hours(total.stopped_ms))
    state = voice.state(now.state)
    if now.since_is_earlier and asked.now_ms - now.since_ms >= DAY_MS:
        return voice("since_long", state=state)
    return voice("since", state=state, at=voice.moment(now.since_ms, asked.now_ms))


def _says(voice: Voice, title: str, hours: str, filled: Sequence[Span]) -> str:
    runs = [span for span in filled if span.state is State.RUNNING]
    if not runs or len(runs) > SAID_RUNS:
        return voice("bar_says", title=title, what=f"{voice.state(State.RUNNING)} {hours}")
    said = " ".join(f"{voice.clock(span.from_ms)}–{voice.clock(span.to_ms)}" for span in runs)
    return voice("bar_says", title=title, what=f"{said} {voice.state(State.RUNNING)}")


def _mean_word(asked: Asked) -> str:
    if asked.reach is not Reach.DAY:
        return "mean_days"
    if asked.sliding:
        return "mean_last_24h"
    return "mean_today" if asked.live else "mean_day"


def _used(asked: Asked, mean: MeanHours) -> str:
    word = "mean_machines" if asked.reach is Reach.DAY else "mean_machine_days"
    return asked.voice(word, used=mean.used, total=mean.total)
