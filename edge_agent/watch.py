"""One camera's process: pictures in, CROSSINGS statements out.

What was seen is journalled at once and sealed at once, a burst of crossings at most every SEAL_AT_MOST_EVERY_MS;
without any, the window is sealed like a machine's. A camera that cannot see is BLIND in the chain, never a zero count.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Final

from edge_agent import counting
from edge_agent.config import Camera, Pace
from edge_agent.counting import Counter, Frame, Lost, SightChange
from edge_agent.eye import Foreground, FrameSource, SceneTest, open_source
from edge_agent.gate import Crossing as Seen
from edge_agent.gate import Gate, GateLine
from edge_agent.signer import Signer
from edge_agent.spool import SpoolError
from evidence import cbor
from evidence.bodies import CROSSINGS_LIMIT, SPANS_LIMIT, Crossing, Crossings, Direction, Sight
from evidence.judge import UNJUDGED

SEAL_AT_MOST_EVERY_MS: Final = 5_000
EVENTS_FULL: Final = min(CROSSINGS_LIMIT, SPANS_LIMIT) - 96
"""At this many crossings or changes of sight the window is sealed whatever the time."""
PICTURE_WAIT_MS: Final = 500
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
_ROW_LIMIT: Final = 1024

log = logging.getLogger(__name__)


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
    last_ms: int = 0

    def add(self, event: Crossing | tuple[int, Sight]) -> None:
        """Take in a crossing or a change of sight; a time before the window's begin counts as its begin."""
        if isinstance(event, Crossing):
            self.crossings.append(event)
            self.total_in += event.direction is Direction.IN
            self.total_out += event.direction is Direction.OUT
            self.last_ms = max(self.last_ms, event.at_ms)
        else:
            self.changes.append(event)
            self.last_ms = max(self.last_ms, event[0])

    @property
    def is_full(self) -> bool:
        """Whether it must be sealed now, whatever the time."""
        return max(len(self.crossings), len(self.changes)) >= EVENTS_FULL

    def seal(self, to_ms: int, *, detector: str, detector_sha256: bytes) -> Crossings:
        """The window's body; it holds everything that was added, so `to_ms` lies behind the last event."""
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

    def after(self, to_ms: int) -> "GateWindow":
        """The window that follows."""
        sight = self.changes[-1][1] if self.changes else self.sight
        return GateWindow(from_ms=to_ms, sight=sight, total_in=self.total_in, total_out=self.total_out)


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
        self._journal_id = 0
        self._id = 0
        self._waiting: list[bytes] = []
        self._sealed_at_ms = 0
        self.window = GateWindow(from_ms=0, sight=Sight.BLIND, total_in=0, total_out=0)

    def start(self) -> None:
        """Sign what the last run left, the gap since, and the settings. Raises SpoolError."""
        now_ms = self._clock.utc_ms()
        with self._spool.writing():
            last = self._signer.begin_run(self._process)
            head = self._spool.head(self._stream)
            self._id = head.id
            totals = self._spool.kept(f"totals {self._stream}")
            total_in, total_out = cbor.decode(totals, at_most=64) if totals else (0, 0)
            left = GateWindow(from_ms=head.until_ms or 0, sight=Sight.CLEAR, total_in=total_in, total_out=total_out)
            for journal_id, _, rows in self._spool.read_journal(self._process, head.journal_after):
                self._journal_id = journal_id
                for _, row in rows:
                    left.add(_decode_event(row))
            if left.crossings or left.changes:
                self._sign(left, left.last_ms + 1)
                log.info("sealed what the last run left stream=%s crossings=%d", self._stream, len(left.crossings))
            self._signer.begin_stream(self._stream, self._settings, last, now_ms=now_ms)
            self._spool.set_measured(self._stream, until_ms=now_ms, carry=UNJUDGED, journal_after=self._journal_id)
            self._spool.clear_journal(self._process, self._journal_id)
        self.window = GateWindow(from_ms=now_ms, sight=Sight.BLIND, total_in=left.total_in, total_out=left.total_out)
        self._sealed_at_ms = now_ms

    def take(self, events: Iterable[Seen | SightChange]) -> None:
        """Take in what happened; it is on the disk when this returns, unless the disk is full."""
        for event in events:
            floor_ms = self.window.from_ms
            match event:
                case Seen():
                    kept: Crossing | tuple[int, Sight] = Crossing(
                        at_ms=max(event.at_ms, floor_ms),
                        direction=Direction(event.direction),
                        label=event.kind,
                        confidence_permille=event.confidence_permille,
                        track=event.track,
                    )
                    log.info("crossing stream=%s direction=%s", self._stream, Direction(event.direction).name)
                case SightChange():
                    kept = (max(event.at_ms, floor_ms), Sight(event.sight))
                    log.info("sight stream=%s is=%s why=%s", self._stream, Sight(event.sight).name, event.why)
            self.window.add(kept)
            self._waiting.append(_encode_event(kept))
        if self._waiting:
            with self._spool.writing():
                rows = [(self._id, row) for row in self._waiting]
                self._journal_id = self._spool.write_journal(self._process, self._clock.utc_ms(), rows)
            self._waiting.clear()

    def step(self) -> None:
        """Seal when it is time."""
        now_ms, window = self._clock.utc_ms(), self.window
        age_ms = now_ms - self._sealed_at_ms
        news = bool(window.crossings or window.changes) and age_ms >= SEAL_AT_MOST_EVERY_MS
        if news or window.is_full or not 0 <= age_ms < self._seal_every_ms:
            self.seal()

    def seal(self, *, clean: bool = False) -> None:
        """Seal the window up to now; `clean`: and note that this process stopped as told."""
        window, now_ms = self.window, self._clock.utc_ms()
        to_ms = max(now_ms, window.last_ms + 1, window.from_ms)
        if now_ms < window.from_ms:  # the clock was set back: the box's notebook says so, this window ends where it was
            to_ms = max(window.last_ms + 1, window.from_ms)
        with self._spool.writing():
            self._sign(window, to_ms)
            self._spool.clear_journal(self._process, self._journal_id)
            if clean:
                self._signer.end_run(self._process)
        self.window = window.after(to_ms)
        if now_ms < window.from_ms:
            self.window.from_ms = now_ms
        self._sealed_at_ms = now_ms

    def _sign(self, window: GateWindow, to_ms: int) -> None:
        body = window.seal(to_ms, detector=self._detector, detector_sha256=self._detector_sha256)
        self._signer.append(self._stream, body)
        self._spool.set_measured(self._stream, until_ms=to_ms, carry=UNJUDGED, journal_after=self._journal_id)
        self._spool.keep(f"totals {self._stream}", cbor.encode([window.total_in, window.total_out]))


def watch(camera: Camera, signer: Signer, settings: dict[str, Any], *, seal_every_ms: int, stop: Event) -> None:
    """Watch one camera until `stop` is set; a camera that is lost is looked for again and again."""
    detector = Foreground()
    gate = Gate(
        GateLine(
            x0=camera.gate_px[0],
            y0=camera.gate_px[1],
            x1=camera.gate_px[2],
            y1=camera.gate_px[3],
            in_x=camera.in_normal_milli[0] / 1000,
            in_y=camera.in_normal_milli[1] / 1000,
        )
    )
    counter = Counter(detector, gate, sight=SceneTest())
    keeper = GateKeeper(
        signer,
        stream=camera.stream,
        settings=settings,
        seal_every_ms=seal_every_ms,
        detector=detector.name,
        detector_sha256=detector.sha256,
    )
    keeper.start()
    retry_s = FIRST_RETRY_S
    while not stop.is_set():
        source = open_source(camera.source, clock=signer.clock, pace=camera.pace is Pace.LIVE)
        if isinstance(source, Lost):
            log.warning("no camera stream=%s why=%s", camera.stream, source.why)
        else:
            with source:
                retry_s = FIRST_RETRY_S
                if _look(source, counter, keeper, stop):
                    log.info("the recording was read to its end stream=%s", camera.stream)
                    keeper.take(
                        [SightChange(at_ms=signer.clock.utc_ms(), sight=counting.Sight.BLIND, why="recording ended")]
                    )
                    _until(stop, keeper)
                    break
        _keep(keeper, counter.see(Lost(why="no camera", at_ms=signer.clock.utc_ms())))
        stop.wait(retry_s)
        retry_s = min(2 * retry_s, LONGEST_RETRY_S)
    keeper.seal(clean=True)


def _look(source: FrameSource, counter: Counter, keeper: GateKeeper, stop: Event) -> bool:
    """Count until the source is lost or `stop` is set; whether a recording was read to its end."""
    dropped = 0
    while not stop.is_set():
        what = source.read(wait_ms=PICTURE_WAIT_MS)
        if isinstance(what, Frame):
            keeper.window.frames_seen += 1
            keeper.window.frames_dropped += source.dropped - dropped
            dropped = source.dropped
        if what is not None:
            _keep(keeper, counter.see(what))
        else:
            _keep(keeper, ())
        if isinstance(what, Lost):
            return what.ended
    return False


def _until(stop: Event, keeper: GateKeeper) -> None:
    while not stop.wait(1.0):
        _keep(keeper, ())


def _keep(keeper: GateKeeper, events: Iterable[Seen | SightChange]) -> None:
    """A full disk costs nothing that fits in memory: the window waits, and is tried again."""
    try:
        keeper.take(events)
        keeper.step()
    except SpoolError as wrong:
        log.error("what the camera saw waits in memory: %s", wrong)  # noqa: TRY400 - the message is whole


def _encode_event(event: Crossing | tuple[int, Sight]) -> bytes:
    if isinstance(event, Crossing):
        return cbor.encode([event.at_ms, int(event.direction), event.label, event.confidence_permille, event.track])
    return cbor.encode([event[0], int(event[1])])


def _decode_event(row: bytes) -> Crossing | tuple[int, Sight]:
    match cbor.decode(row, at_most=_ROW_LIMIT):
        case [at_ms, direction, label, confidence, track]:
            return Crossing(
                at_ms=at_ms,
                direction=Direction(direction),
                label=label,
                confidence_permille=confidence,
                track=track,
            )
        case [at_ms, sight]:
            return at_ms, Sight(sight)
    raise SpoolError("the journal holds something else than a crossing or a change of sight")
