"""What a reader asked to see: which days, at which instant, in which language; and the time axis of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from markupsafe import Markup

from cloud_sync.bars import COLUMN_HEIGHT, DAY_WIDTH, HEIGHT, WEEK_WIDTH, Frame, grid
from cloud_sync.page_view import Watched
from cloud_sync.reports import DAY_MS, HOUR_MS, Span, due_until
from cloud_sync.words import Language, Voice

MARK_HOURS: Final = 4
"""Hours between two marks of a day's axis: shifts of eight and twelve hours begin on one."""
NOW_CLEARS_PERCENT: Final = 9
"""A mark's word this near to the word for now gives way."""


class Reach(StrEnum):
    """How much time a page shows."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def days(self) -> int:
        """Calendar days."""
        return {Reach.DAY: 1, Reach.WEEK: 7, Reach.MONTH: 30}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The days of `reach` that end with `day`, seen at `now_ms`."""

    reach: Reach
    day: date
    now_ms: int
    voice: Voice
    explicit: bool = False
    """The language came with the address, so links carry it on."""

    @property
    def days(self) -> tuple[date, ...]:
        """The days shown, oldest first."""
        return tuple(self.day - timedelta(days=back) for back in reversed(range(self.reach.days)))

    @property
    def edges_ms(self) -> tuple[int, ...]:
        """Midnights: where each day begins, and where the last one ends."""
        return tuple(self.voice.midnight(day) for day in (*self.days, self.day + timedelta(days=1)))

    @property
    def from_ms(self) -> int:
        """Where the window begins."""
        return self.voice.midnight(self.days[0])

    @property
    def to_ms(self) -> int:
        """Where the window ends, be it in the future."""
        return self.voice.midnight(self.day + timedelta(days=1))

    @property
    def today(self) -> date:
        """The day that now falls on."""
        return self.voice.date_of(self.now_ms)

    @property
    def live(self) -> bool:
        """Now lies inside the window, so the page still changes."""
        return self.day == self.today

    @property
    def before(self) -> date:
        """The last day of the window before this one."""
        return self.day - timedelta(days=self.reach.days)

    @property
    def after(self) -> date:
        """The last day of the window after this one, or today."""
        return min(self.today, self.day + timedelta(days=self.reach.days))

    @property
    def since_ms(self) -> int:
        """From when on spans are wanted: a day before now as well, to say since when a state holds."""
        return min(self.from_ms, self.now_ms - DAY_MS) if self.live else self.from_ms

    @property
    def frame(self) -> Frame:
        """What the width of a bar stands for."""
        width = WEEK_WIDTH if self.reach is Reach.WEEK else DAY_WIDTH
        return Frame(from_ms=self.from_ms, to_ms=self.to_ms, width=width)

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
        language: Language | None = None,
    ) -> str:
        """A link to the same page, or to `path`, with something changed; what is the default stays unsaid."""
        reach, day = reach or self.reach, day or self.day
        said = language or (self.voice.language if self.explicit else None)
        parts = [f"span={reach}"] if reach is not Reach.DAY else []
        parts += [f"day={day}"] if day != self.today else []
        parts += [f"lang={'zh' if said is Language.ZH else 'en'}"] if said else []
        return f"{path}?{'&'.join(parts)}" if parts or not path else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word on the time axis, at a percentage of its width."""

    percent: float
    text: str
    anchor: str = "middle"
    now: bool = False


def page_grid(asked: Asked) -> Markup:
    """The marks that every bar of the page repeats."""
    if asked.reach is Reach.MONTH:
        mondays = [at for at, day in _dated(asked) if day.weekday() == 0]
        return grid(asked.frame, mondays, None, COLUMN_HEIGHT, levels=(0, COLUMN_HEIGHT // 2))
    now_ms = asked.now_ms if asked.live else None
    return grid(asked.frame, day_marks(asked) if asked.reach is Reach.DAY else asked.edges_ms, now_ms, HEIGHT)


def day_marks(asked: Asked) -> tuple[int, ...]:
    """The instants of a day's axis."""
    return tuple(range(asked.edges_ms[-2], asked.to_ms + 1, MARK_HOURS * HOUR_MS))


def labels(asked: Asked) -> tuple[Label, ...]:
    """The words of the page's time axis."""
    if asked.reach is Reach.DAY:
        return hour_labels(asked, now=asked.live)
    frame = asked.frame
    wanted = [(at, day) for at, day in _dated(asked) if asked.reach is Reach.WEEK or day.weekday() == 0]
    half_ms = DAY_MS // 2
    found = [(frame.percent(at + half_ms), f"{day:%m-%d}") for at, day in wanted]
    return tuple(Label(percent=min(at, 100.0), text=text, anchor=_anchor(at, 5)) for at, text in found)


def hour_labels(asked: Asked, *, now: bool) -> tuple[Label, ...]:
    """The hours of the last day shown, and now."""
    frame = Frame(from_ms=asked.edges_ms[-2], to_ms=asked.to_ms)
    found = [Label(percent=frame.percent(at), text=asked.voice.clock(at)[:2]) for at in day_marks(asked)]
    found[0] = Label(percent=0, text=found[0].text, anchor="start")
    if found[-1].percent == 100:  # noqa: PLR2004  the right edge
        found[-1] = Label(percent=100, text="24", anchor="end")
    if not now:
        return tuple(found)
    at = frame.percent(asked.now_ms)
    kept = [label for label in found if abs(label.percent - at) > NOW_CLEARS_PERCENT]
    return (*kept, Label(percent=at, text=asked.voice.clock(asked.now_ms), anchor=_anchor(at, 5), now=True))


def _anchor(percent: float, edge_percent: float) -> str:
    """Which way a word grows so that the edge does not cut it."""
    return "start" if percent < edge_percent else "end" if percent > 100 - edge_percent else "middle"


def _dated(asked: Asked) -> list[tuple[int, date]]:
    return list(zip(asked.edges_ms, asked.days, strict=False))
