"""Keeping what a camera sees: each crossing journalled at once, windows sealed, a blind time never called clear.

What was seen is sealed at once, a burst of crossings at most every SEAL_AT_MOST_EVERY_MS; without any, the window is
sealed like a machine's, and that the camera still sees is journalled every MARK_EVERY_MS: no more of its sight than
that is lost with the power.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from edge_agent.eye.counting import SightChange
from edge_agent.eye.gate import Crossing as Seen
from edge_agent.keeping.signer import Signer, opening
from edge_agent.keeping.spool import SpoolDamagedError, SpoolError
from edge_agent.keeping.wall import STEP_MS, Step, Wall
from evidence import cbor
from evidence.bodies import CROSSINGS_LIMIT, SPANS_LIMIT, Crossing, Crossings, Direction, Gap, GapReason, Sight
from evidence.judging.standing import BEGINNING

SEAL_AT_MOST_EVERY_MS: Final = 5_000
MARK_EVERY_MS: Final = 5_000
"""Between two notes in the journal that the camera still sees, or still does not: about 9 kB of flash each."""
EVENTS_FULL: Final = min(CROSSINGS_LIMIT, SPANS_LIMIT) - 96
"""At this many crossings or changes of sight the window is sealed whatever the time."""
BYTES_FULL: Final = 120 * 1024
"""Likewise at this many bytes of them; what does not fit while the disk is full is counted as lost."""
_ROW_LIMIT: Final = 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How the camera stood at an instant; the frames since the window began."""

    at_ms: int
    sight: Sight
    frames_seen: int
    frames_dropped: int


@dataclass(slots=True)
class GateWindow:
    """What one gate saw since `from_ms`. Pure; GateKeeper keeps it."""

    from_ms: int
    sight: Sight
    """At from_ms."""
    total_in: int
    total_out: int
    """Since the stream's commissioning, with what this window saw."""
    crossings: list[Crossing] = field(default_factory=list)
    changes: list[tuple[int, Sight]] = field(default_factory=list)
    frames_seen: int = 0
    frames_dropped: int = 0
    last_ms: int | None = None
    size: int = 0
    """Bytes of the rows."""

    def add(self, row: bytes) -> None:
        """Take in a crossing or a mark, as the journal has it; a time before the window's begin counts as its begin."""
        event = decode_event(row)
        at_ms = max(event.at_ms, self.from_ms)
        self.last_ms = at_ms if self.last_ms is None else max(self.last_ms, at_ms)
        if isinstance(event, Crossing):
            self.crossings.append(event)
            self.total_in += event.direction is Direction.IN
            self.total_out += event.direction is Direction.OUT
            self.size += len(row)
        else:
            if event.sight is not self.sight_now:
                self.changes.append((at_ms, event.sight))
                self.size += len(row)
            self.frames_seen, self.frames_dropped = event.frames_seen, event.frames_dropped

    @property
    def sight_now(self) -> Sight:
        """As last told."""
        return self.changes[-1][1] if self.changes else self.sight

    @property
    def is_full(self) -> bool:
        """Whether it must be sealed now, whatever the time."""
        return max(len(self.crossings), len(self.changes)) >= EVENTS_FULL or self.size >= BYTES_FULL

    @property
    def end_ms(self) -> int:
        """Just after the last thing told; where the window begins when there is none."""
        return self.from_ms if self.last_ms is None else self.last_ms + 1

    def seal(self, to_ms: int, *, detector: str, detector_sha256: bytes) -> Crossings:
        """The window's body; it holds everything that was added, so `to_ms` is at least `end_ms`."""
        sight: list[tuple[int, Sight]] = [(self.from_ms, self.sight)]
        for at_ms, state in self.changes:
            if at_ms <= sight[-1][0]:
                sight[-1] = (sight[-1][0], state)
            elif state is not sight[-1][1]:
                sight.append((at_ms, state))
        return Crossings(
            from_ms=self.from_ms,
            to_ms=to_ms,
            crossings=sorted(self.crossings, key=lambda c: c.at_ms),
            total_in=self.total_in,
            total_out=self.total_out,
            sight=sight,
            frames_seen=self.frames_seen,
            frames_dropped=self.frames_dropped,
            detector=detector,
            detector_sha256=detector_sha256,
        )

    def after(self, from_ms: int) -> "GateWindow":
        """The window that follows."""
        return GateWindow(from_ms=from_ms, sight=self.sight_now, total_in=self.total_in, total_out=self.total_out)


class GateKeeper:
    """Keeps what one camera sees: journals each event, seals windows. One thread."""

    def __init__(
        self,
        signer: Signer,
        *,
        stream: str,
        settings: dict[str, Any],
        seal_every_ms: int,
        detector: str,
        detector_sha256: bytes,
    ) -> None:
        """Nothing is written before `start`."""
        self._signer, self._spool, self._clock = signer, signer.spool, signer.clock
        self._stream, self._settings, self._seal_every_ms = stream, settings, seal_every_ms
        self._detector, self._detector_sha256 = detector, detector_sha256
        self._process = f"watch {stream}"
        self._wall = Wall(self._clock)
        self._journal_id = 0
        self._id = 0
        self._waiting: list[bytes] = []
        self._lost: Gap | None = None
        self._in_trouble = False
        self._sealed_at_ms = self._marked_at_ms = 0
        self.window = GateWindow(from_ms=0, sight=Sight.BLIND, total_in=0, total_out=0)

    def start(self) -> None:
        """Sign what the last run left, the gap since, and the settings. Raises SpoolError."""
        self._spool.claim(self._process)
        now_ms = self._clock.utc_ms()
        with self._spool.writing():
            last = self._signer.begin_run(self._process)
            head = self._spool.head(self._stream)
            left = self._left_window(head.until_ms or 0)
            for journal_id, _, rows in self._spool.read_journal(self._process, head.journal_after):
                self._journal_id = journal_id
                for _, row in rows:
                    left.add(row)
            if left.last_ms is not None:
                self._sign(left, left.end_ms)
                log.info("sealed what the last run left stream=%s crossings=%d", self._stream, len(left.crossings))
            opens_ms = self._signer.begin_stream(self._stream, self._settings, last, now_ms=now_ms)
            window = GateWindow(from_ms=opens_ms, sight=Sight.BLIND, total_in=left.total_in, total_out=left.total_out)
            self._open(window)
            self._spool.clear_journal(self._process, self._journal_id)
            # power fails here: the next start finds everything as this one did
        self._id, self.window, self._sealed_at_ms, self._marked_at_ms = head.id, window, now_ms, now_ms

    def take(self, events: Iterable[Seen | SightChange], *, seen: int = 0, dropped: int = 0) -> None:
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
            match event:
                case Seen():
                    direction = event.direction
                    row = cbor.encode([at_ms, int(direction), event.kind, event.confidence_permille, event.track])
                    log.info("crossing stream=%s direction=%s", self._stream, direction.name)
                case SightChange():
                    row = self._mark(at_ms, event.sight)
                    log.info("sight stream=%s is=%s why=%s", self._stream, event.sight.name, event.why)
            self._add(row, at_ms)
        if not (self.window.is_full or 0 <= now_ms - self._marked_at_ms < MARK_EVERY_MS):
            self._add(self._mark(max(now_ms, self.window.from_ms), self.window.sight_now), now_ms)
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
        news = bool(window.crossings or window.changes) and age_ms >= SEAL_AT_MOST_EVERY_MS
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

    def note(self, wrong: SpoolError | None) -> None:
        """Log that the spool cannot be written, once, and that it can again."""
        if wrong is None:
            if self._in_trouble:
                log.info("keeping goes on stream=%s", self._stream)
        else:
            level = logging.DEBUG if self._in_trouble else logging.ERROR
            log.log(level, "what the camera saw waits in memory: %s", wrong)
        self._in_trouble = wrong is not None

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

    def _go_on(self, window: GateWindow, now_ms: int) -> None:
        """After the commit: everything told so far is sealed."""
        self.window, self._sealed_at_ms, self._marked_at_ms = window, now_ms, now_ms
        self._waiting.clear()
        self._lost = None

    def _mark(self, at_ms: int, sight: Sight) -> bytes:
        return cbor.encode([at_ms, int(sight), self.window.frames_seen, self.window.frames_dropped])

    def _add(self, row: bytes, at_ms: int) -> None:
        """Into the window and towards the journal; what a full window cannot take is counted as lost."""
        if self.window.is_full:
            from_ms, count = (at_ms, 0) if self._lost is None else (self._lost.from_ms, self._lost.lost or 0)
            to_ms = max(from_ms, at_ms + 1)
            self._lost = Gap(from_ms=from_ms, to_ms=to_ms, reason=GapReason.DISK_FULL, lost=count + 1)
            return
        self.window.add(row)
        self._waiting.append(row)

    def _sign(self, window: GateWindow, to_ms: int) -> None:
        if self._lost is not None:
            self._signer.append(self._stream, self._lost)
        body = window.seal(to_ms, detector=self._detector, detector_sha256=self._detector_sha256)
        self._signer.append(self._stream, body)
        self._open(window.after(to_ms))

    def _open(self, window: GateWindow) -> None:
        """Keep what the next start must know of a window that has just begun."""
        self._spool.set_measured(self._stream, until_ms=window.from_ms, carry=BEGINNING, journal_after=self._journal_id)
        facts = cbor.encode([window.total_in, window.total_out, int(window.sight)])
        self._spool.keep(f"gate {self._stream}", facts)

    def _left_window(self, from_ms: int) -> GateWindow:
        facts = self._spool.kept(f"gate {self._stream}")
        total_in, total_out, sight = cbor.decode(facts, at_most=64) if facts else (0, 0, 0)
        return GateWindow(from_ms=from_ms, sight=Sight(sight), total_in=total_in, total_out=total_out)


def decode_event(row: bytes) -> Crossing | Mark:
    """What a row of a gate's journal says. Raises SpoolDamagedError."""
    match cbor.decode(row, at_most=_ROW_LIMIT):
        case [at_ms, direction, label, confidence, track]:
            return Crossing(
                at_ms=at_ms,
                direction=Direction(direction),
                label=label,
                confidence_permille=confidence,
                track=track,
            )
        case [at_ms, sight, seen, dropped]:
            return Mark(at_ms=at_ms, sight=Sight(sight), frames_seen=seen, frames_dropped=dropped)
    raise SpoolDamagedError("the journal holds something else than a crossing or a mark")
