"""What a reader asked to see: which time, at which instant, in which language; and the time axis of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from markupsafe import Markup

from cloud_sync.bars import DAY_WIDTH, WEEK_WIDTH, Frame, grid
from cloud_sync.page_view import Watched
from cloud_sync.reports import DAY_MS, HOUR_MS, Span, due_until
from cloud_sync.words import Language, Voice

MARK_HOURS: Final = 4
"""Hours between two marks of a day's axis: shifts of eight and twelve hours begin on one."""
NOW_CLEARS_PERCENT: Final = 9
"""An hour's word this near to the word for now gives way;"""
NOW_AT_EDGE_CLEARS_PERCENT: Final = 12
"""at the right edge it takes more room, because it ends there,"""
DATED_NOW_CLEARS_PERCENT: Final = 23
"""and more again when it says the date, too,"""
MIDNIGHT_MEETS_PERCENT: Final = 16
"""which it does when midnight is this near."""
MIDNIGHT_CLEARS_PERCENT: Final = 8
"""An hour's word this near to the date gives way."""


class Reach(StrEnum):
    """How much time a page shows."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def days(self) -> int:
        """In days."""
        return {Reach.DAY: 1, Reach.WEEK: 7, Reach.MONTH: 30}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A window of time seen at `now_ms`.

    With `named`: the calendar days of `reach` that end with it. Without: the last 24 hours up to now, because at one
    in the morning the evening before still matters; or the calendar days that end today.
    """

    reach: Reach
    named: date | None
    now_ms: int
    voice: Voice
    explicit: bool = False
    """The language came with the address, so links carry it on."""

    @property
    def sliding(self) -> bool:
        """The window is the last 24 hours and moves with the clock; otherwise it is of calendar days."""
        return self.reach is Reach.DAY and self.named is None

    @property
    def today(self) -> date:
        """The day that now falls on."""
        return self.voice.date_of(self.now_ms)

    @property
    def day(self) -> date:
        """The last day shown."""
        return self.named or self.today

    @property
    def days(self) -> tuple[date, ...]:
        """The calendar days shown, oldest first; of the last 24 hours only the one that now falls on."""
        return tuple(self.day - timedelta(days=back) for back in reversed(range(self.reach.days)))

    @property
    def edges_ms(self) -> tuple[int, ...]:
        """Where each day begins, and where the last one ends: midnights, except for the last 24 hours."""
        if self.sliding:
            return (self.now_ms - DAY_MS, self.now_ms)
        return tuple(self.voice.midnight(day) for day in (*self.days, self.day + timedelta(days=1)))

    @property
    def hour_edges_ms(self) -> tuple[int, ...]:
        """The same by the clock's hours, of which the first and last may be cut short."""
        from_ms, to_ms = self.edges_ms[-2:]
        return (from_ms, *(at for at in self.by_the_clock(1, to_ms) if from_ms < at), to_ms)

    @property
    def from_ms(self) -> int:
        """Where the window begins."""
        return self.edges_ms[0]

    @property
    def to_ms(self) -> int:
        """Where the window ends, be it in the future."""
        return self.edges_ms[-1]

    @property
    def live(self) -> bool:
        """Now lies inside the window, so the page still changes."""
        return self.day == self.today

    @property
    def said(self) -> str:
        """The window in words."""
        if self.sliding:
            return self.voice("last_24h")
        first = self.days[0]
        return self.voice.day(self.day) if first == self.day else f"{first:%m-%d} – {self.day:%m-%d}"

    @property
    def before(self) -> date:
        """The last day of the window before this one; before the last 24 hours comes yesterday."""
        return self.day - timedelta(days=self.reach.days)

    @property
    def after(self) -> date | None:
        """The last day of the window after this one, or today; None: only now comes after."""
        return None if self.live else min(self.today, self.day + timedelta(days=self.reach.days))

    @property
    def since_ms(self) -> int:
        """From when on spans are wanted: a day before now as well, to say since when a state holds."""
        return min(self.from_ms, self.now_ms - DAY_MS) if self.live else self.from_ms

    @property
    def frame(self) -> Frame:
        """What the width of a bar stands for."""
        width = WEEK_WIDTH if self.reach is Reach.WEEK else DAY_WIDTH
        return Frame(from_ms=self.from_ms, to_ms=self.to_ms, width=width)

    def by_the_clock(self, hours: int, to_ms: int) -> Sequence[int]:
        """Every so many hours, from the midnight before the last day's beginning up to, not including, `to_ms`."""
        return range(self.voice.midnight(self.voice.date_of(self.edges_ms[-2])), to_ms, hours * HOUR_MS)

    def end_ms(self, spans: Sequence[Span]) -> int:
        """Up to where a machine with these spans can be judged: not beyond now, nor beyond what is on its way."""
        return max(self.from_ms, min(self.to_ms, due_until(spans, self.now_ms)))

    def begin_ms(self, stream: Watched) -> int:
        """From where a stream's silence is missing data: before its first statement nothing was promised."""
        return self.to_ms if stream.first_ms is None else max(self.from_ms, stream.first_ms)

    def href(
        self,
        path: str = "",
        *,
        reach: Reach | None = None,
        day: date | None = None,
        present: bool = False,
        language: Language | None = None,
    ) -> str:
        """A link to the same page, or to `path`, with something changed; what is the default stays unsaid.

        `present` is the window that ends now. Of several days it is the one that ends today, of one it is not.
        """
        reach, day = reach or self.reach, None if present else day or self.named
        said = language or (self.voice.language if self.explicit else None)
        parts = [f"span={reach}"] if reach is not Reach.DAY else []
        parts += [f"day={day}"] if day and (reach is Reach.DAY or day != self.today) else []
        parts += [f"lang={'zh' if said is Language.ZH else 'en'}"] if said else []
        return f"{path}?{'&'.join(parts)}" if parts or not path else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word on the time axis, at a percentage of its width."""

    percent: float
    text: str
    anchor: str = "middle"
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLink:
    """A day of several, to be opened by a tap on the axis."""

    day: date
    text: str
    weekday: str
    """Where a week leaves room for it."""
    strong: bool
    """The first of a week, where the grid has its lines."""


def page_grid(asked: Asked) -> Markup:
    """The marks that every bar of the page repeats."""
    if asked.reach is Reach.MONTH:
        mondays = [at for at, day in zip(asked.edges_ms, asked.days, strict=False) if day.weekday() == 0]
        return grid(asked.frame, mondays, half=True)
    if asked.sliding:
        return grid(asked.frame, day_marks(asked), midnight_ms=asked.voice.midnight(asked.today))
    marks = day_marks(asked) if asked.reach is Reach.DAY else asked.edges_ms
    return grid(asked.frame, marks, now_ms=asked.now_ms if asked.live else None)


def day_marks(asked: Asked) -> tuple[int, ...]:
    """The instants of a day's axis: every fourth hour of the clock, midnights included."""
    from_ms, to_ms = asked.edges_ms[-2:]
    return tuple(at for at in asked.by_the_clock(MARK_HOURS, to_ms + 1) if from_ms <= at)


def hour_labels(asked: Asked) -> tuple[Label, ...]:
    """The words of a day's time axis: the clock's hours at their places, and now."""
    if asked.sliding:
        return _sliding_labels(asked)
    return _calendar_labels(asked, now=asked.live and asked.reach is Reach.DAY)


def day_links(asked: Asked) -> tuple[DayLink, ...]:
    """The time axis of several days: a link for each, the same for every machine."""
    week = asked.reach is Reach.WEEK
    return tuple(
        DayLink(
            day=day,
            text=f"{day:%m-%d}" if week else f"{day.day}",
            weekday=asked.voice.weekday(day) if week else "",
            strong=day.weekday() == 0 and not week,
        )
        for day in asked.days
        if asked.reach is not Reach.DAY
    )


def days_said(asked: Asked, at_ms: Sequence[int]) -> tuple[str, ...]:
    """For each line of a list the day it falls on, where it is not that of the line above; none on a day's page."""
    voice = asked.voice
    days = [voice.date_of(at) for at in at_ms]
    single = asked.reach is Reach.DAY and not asked.sliding
    return tuple(
        "" if single or day == above else voice.day(day) for above, day in zip([None, *days], days, strict=False)
    )


def _calendar_labels(asked: Asked, *, now: bool) -> tuple[Label, ...]:
    """The hours of the last day shown, from 00 to 24."""
    frame = Frame(from_ms=asked.edges_ms[-2], to_ms=asked.to_ms)
    found = [Label(percent=frame.percent(at), text=asked.voice.clock(at)[:2]) for at in day_marks(asked)]
    found[0] = Label(percent=0, text=found[0].text, anchor="start")
    if found[-1].percent == 100:  # noqa: PLR2004  the right edge
        found[-1] = Label(percent=100, text="24", anchor="end")
    if not now:
        return tuple(found)
    at = frame.percent(asked.now_ms)
    kept = [label for label in found if abs(label.percent - at) > NOW_CLEARS_PERCENT]
    return (*kept, Label(percent=at, text=asked.voice.clock(asked.now_ms), anchor=_anchor(at), strong=True))


def _sliding_labels(asked: Asked) -> tuple[Label, ...]:
    """The hours of the last day up to now, and at midnight the date; where they would meet, now says both."""
    voice, frame = asked.voice, asked.frame
    midnight = max(0.0, frame.percent(voice.midnight(asked.today)))
    date_said, now_said = f"{asked.today:%m-%d}", voice.clock(asked.now_ms)
    meet = midnight > 100 - MIDNIGHT_MEETS_PERCENT
    clear_until = 100 - (DATED_NOW_CLEARS_PERCENT if meet else NOW_AT_EDGE_CLEARS_PERCENT)
    hours = [
        Label(percent=at, text=voice.clock(mark)[:2], anchor=_anchor(at, 2))
        for mark in day_marks(asked)
        for at in [frame.percent(mark)]
        if at < clear_until and abs(at - midnight) > MIDNIGHT_CLEARS_PERCENT
    ]
    if meet:
        return (*hours, Label(percent=100, text=f"{date_said} {now_said}", anchor="end", strong=True))
    said = Label(percent=midnight, text=date_said, anchor=_anchor(midnight), strong=True)
    return (*hours, said, Label(percent=100, text=now_said, anchor="end", strong=True))


def _anchor(percent: float, edge_percent: float = 5) -> str:
    """Which way a word grows so that the edge does not cut it."""
    return "start" if percent < edge_percent else "end" if percent > 100 - edge_percent else "middle"
