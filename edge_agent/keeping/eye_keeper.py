"""What all keepers of cameras do: journal what was seen at once, seal windows, follow a clock that was set.

What was seen is sealed at once, a burst of news at most every SEAL_AT_MOST_EVERY_MS; without any, the window is sealed
like a machine's, and how it stands is journalled every MARK_EVERY_MS: no more of that than this is lost with the power.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from edge_agent.keeping.signer import Signer, opening
from edge_agent.keeping.spool import SpoolDamagedError, SpoolError
from edge_agent.keeping.wall import STEP_MS, Step, Wall
from evidence.bodies import Body, Gap, GapReason
from evidence.judging.standing import BEGINNING

SEAL_AT_MOST_EVERY_MS: Final = 5_000
MARK_EVERY_MS: Final = 5_000
"""Between two notes in the journal of how it still stands: about 9 kB of flash each."""

log = logging.getLogger(__name__)


class Timed(Protocol):
    """Something that happened."""

    @property
    def at_ms(self) -> int:
        """UTC milliseconds."""
        ...


class Window(Protocol):
    """What one stream saw since `from_ms`. Pure."""

    from_ms: int
    frames_seen: int
    frames_dropped: int
    last_ms: int | None
    """Of the last thing told."""

    def add(self, row: bytes) -> None:
        """Take in a row, as the journal has it; a time before the window's begin counts as its begin."""

    @property
    def is_full(self) -> bool:
        """Whether it must be sealed now, whatever the time."""
        ...

    @property
    def has_news(self) -> bool:
        """Whether something happened that is to be sealed at once."""
        ...

    @property
    def end_ms(self) -> int:
        """Just after the last thing told; where the window begins when there is none."""
        ...

    def after(self, from_ms: int) -> Self:
        """The window that follows."""
        ...

    def facts(self) -> bytes:
        """What the next start must know of this window when it has just begun."""
        ...


W = TypeVar("W", bound=Window)
E = TypeVar("E", bound=Timed)


class EyeKeeper(ABC, Generic[W, E]):
    """Keeps what one camera sees: journals each event, seals windows. One thread."""

    window: W

    def __init__(self, signer: Signer, *, stream: str, settings: dict[str, Any], seal_every_ms: int) -> None:
        """Nothing is written before `start`."""
        self._signer, self._spool, self._clock = signer, signer.spool, signer.clock
        self._stream, self._settings, self._seal_every_ms = stream, settings, seal_every_ms
        self._process = f"watch {stream}"
        self._wall = Wall(self._clock)
        self._journal_id = 0
        self._id = 0
        self._waiting: list[bytes] = []
        self._lost: Gap | None = None
        self._in_trouble = False
        self._sealed_at_ms = self._marked_at_ms = 0
        self.window = self._opened(0, None)

    @abstractmethod
    def _opened(self, from_ms: int, facts: bytes | None) -> W:
        """The window that begins with these facts of an earlier one; None: the stream's first."""

    @abstractmethod
    def _anew(self, from_ms: int, left: W) -> W:
        """The window with which a new run begins, after what the last one left."""

    @abstractmethod
    def _body(self, window: W, to_ms: int) -> Body:
        """The statement that says it."""

    @abstractmethod
    def _row(self, event: E, at_ms: int) -> bytes:
        """An event as the journal has it, and a line in the log."""

    @abstractmethod
    def _mark(self, at_ms: int) -> bytes:
        """How it stands, as the journal has it."""

    def start(self) -> None:
        """Sign what the last run left, the gap since, and the settings. Raises SpoolError."""
        self._spool.claim(self._process)
        now_ms = self._clock.utc_ms()
        with self._spool.writing():
            last = self._signer.begin_run(self._process)
            head = self._spool.head(self._stream)
            left = self._opened(head.until_ms or 0, self._spool.kept(self._facts_name))
            for journal_id, _, rows in self._spool.read_journal(self._process, head.journal_after):
                self._journal_id = journal_id
                for _, row in rows:
                    left.add(row)
            if left.last_ms is not None:
                self._sign(left, left.end_ms)
                log.info("sealed what the last run left stream=%s", self._stream)
            opens_ms = self._signer.begin_stream(self._stream, self._settings, last, now_ms=now_ms)
            window = self._anew(opens_ms, left)
            self._open(window)
            self._spool.clear_journal(self._process, self._journal_id)
            # power fails here: the next start finds everything as this one did
        self._id, self.window, self._sealed_at_ms, self._marked_at_ms = head.id, window, now_ms, now_ms

    def take(self, events: Iterable[E], *, seen: int = 0, dropped: int = 0) -> None:
        """Take in what happened, and frames; events are on the disk when this returns.

        Raises SpoolError when they are not, or when a clock that was set could not be followed: then they wait here,
        and the old time goes on until it can.
        """
        step = self._wall.look()
        unfollowed = None if step is None else self._try_to_follow(step)
        ahead_ms = 0 if step is None or unfollowed is None else step.after_ms - step.before_ms
        now_ms = self._clock.utc_ms() - ahead_ms
        self.window.frames_seen += seen
        self.window.frames_dropped += dropped
        for event in events:
            told_ms = event.at_ms - ahead_ms if abs(event.at_ms - ahead_ms - now_ms) <= STEP_MS else event.at_ms
            at_ms = min(max(told_ms, self.window.from_ms), max(now_ms, self.window.from_ms))
            self._add(self._row(event, at_ms), at_ms)
        if not (self.window.is_full or 0 <= now_ms - self._marked_at_ms < MARK_EVERY_MS):
            self._add(self._mark(max(now_ms, self.window.from_ms)), now_ms)
            self._marked_at_ms = now_ms
        if self._waiting:
            with self._spool.writing():
                rows = [(self._id, row) for row in self._waiting]
                journal_id = self._spool.write_journal(self._process, now_ms, rows)
            # power fails here: the next start seals them
            self._journal_id = journal_id
            self._waiting.clear()
        if unfollowed is not None:
            raise unfollowed

    def step(self) -> None:
        """Seal when it is time."""
        now_ms, window = self._clock.utc_ms(), self.window
        age_ms = now_ms - self._sealed_at_ms
        news = window.has_news and age_ms >= SEAL_AT_MOST_EVERY_MS
        due = news or window.is_full or self._lost is not None or not 0 <= age_ms < self._seal_every_ms
        if due and self._signer.ready():
            self.seal()

    def seal(self, *, clean: bool = False) -> None:
        """Seal the window up to now; `clean`: and note that this process stopped as told."""
        now_ms = self._clock.utc_ms()
        to_ms = max(now_ms, self.window.end_ms)
        with self._spool.writing():
            self._sign(self.window, to_ms)
            self._spool.clear_journal(self._process, self._journal_id)
            if clean:
                self._signer.end_run(self._process)
        self._go_on(self.window.after(to_ms), now_ms)

    def change(self, settings: dict[str, Any]) -> None:
        """From now on it is measured so. Raises SpoolError, and then it is as before."""
        if settings == self._settings:
            return
        now_ms = self._clock.utc_ms()
        to_ms = max(now_ms, self.window.end_ms)
        with self._spool.writing():
            self._sign(self.window, to_ms)
            self._signer.declare(self._stream, settings)
            self._spool.clear_journal(self._process, self._journal_id)
        self._settings = settings
        self._go_on(self.window.after(to_ms), now_ms)

    def note(self, wrong: SpoolError | None) -> None:
        """Log that the spool cannot be written, once, and that it can again."""
        if wrong is None:
            if self._in_trouble:
                log.info("keeping goes on stream=%s", self._stream)
        else:
            level = logging.DEBUG if self._in_trouble else logging.ERROR
            log.log(level, "what the camera saw waits in memory: %s", wrong)
        self._in_trouble = wrong is not None

    def keep(self, events: Iterable[E], *, seen: int = 0, dropped: int = 0) -> None:
        """Take and step; a full disk costs nothing that fits in memory: the window waits, and is tried again."""
        try:
            self.take(events, seen=seen, dropped=dropped)
            self.step()
        except SpoolDamagedError:
            raise
        except SpoolError as wrong:
            self.note(wrong)
        else:
            self.note(None)

    @property
    def _facts_name(self) -> str:
        """Under which the facts of the open window are kept."""
        return f"{self._stream.partition('/')[0]} {self._stream}"

    def _try_to_follow(self, step: Step) -> SpoolError | None:
        """Why the step could not be signed, if it could not."""
        try:
            self._follow_the_clock(step)
        except SpoolDamagedError:
            raise
        except SpoolError as wrong:
            return wrong
        return None

    def _follow_the_clock(self, step: Step) -> None:
        """The wall clock was set: this window ends in the old time, the next begins in the new."""
        to_ms = max(step.before_ms, self.window.end_ms)
        after = self.window.after(opening(to_ms, step.after_ms))
        with self._spool.writing():
            self._sign(self.window, to_ms)
            if to_ms < step.after_ms:
                gap = Gap(from_ms=to_ms, to_ms=step.after_ms, reason=GapReason.CLOCK, lost=0)
                self._signer.append(self._stream, gap)
            self._open(after)
            self._spool.clear_journal(self._process, self._journal_id)
        self._wall.follow(step)
        self._go_on(after, step.after_ms)

    def _go_on(self, window: W, now_ms: int) -> None:
        """After the commit: everything told so far is sealed."""
        self.window, self._sealed_at_ms, self._marked_at_ms = window, now_ms, now_ms
        self._waiting.clear()
        self._lost = None

    def _add(self, row: bytes, at_ms: int) -> None:
        """Into the window and towards the journal; what a full window cannot take is counted as lost."""
        if self.window.is_full:
            from_ms, count = (at_ms, 0) if self._lost is None else (self._lost.from_ms, self._lost.lost or 0)
            to_ms = max(from_ms, at_ms + 1)
            self._lost = Gap(from_ms=from_ms, to_ms=to_ms, reason=GapReason.DISK_FULL, lost=count + 1)
            return
        self.window.add(row)
        self._waiting.append(row)

    def _sign(self, window: W, to_ms: int) -> None:
        if self._lost is not None:
            self._signer.append(self._stream, self._lost)
        self._signer.append(self._stream, self._body(window, to_ms))
        self._open(window.after(to_ms))

    def _open(self, window: W) -> None:
        """Keep what the next start must know of a window that has just begun."""
        self._spool.set_measured(self._stream, until_ms=window.from_ms, carry=BEGINNING, journal_after=self._journal_id)
        self._spool.keep(self._facts_name, window.facts())
