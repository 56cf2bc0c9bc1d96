"""Keeping what a gate's camera sees: each crossing at once, a blind time never called clear (see eye_keeper.py)."""

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from edge_agent.eye.counting import SightChange
from edge_agent.eye.gate import Crossing as Seen
from edge_agent.keeping.eye_keeper import EyeKeeper
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import SpoolDamagedError
from evidence import cbor
from evidence.bodies import CROSSINGS_LIMIT, SPANS_LIMIT, Crossing, Crossings, Direction, Sight

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
    def has_news(self) -> bool:
        """Whether something crossed, or sight changed."""
        return bool(self.crossings or self.changes)

    @property
    def end_ms(self) -> int:
        """Just after the last thing told; where the window begins when there is none."""
        return self.from_ms if self.last_ms is None else self.last_ms + 1

    def seal(
        self,
        to_ms: int,
        *,
        detector: str,
        detector_sha256: bytes,
        other_sources: list[tuple[str, bytes]] | None = None,
    ) -> Crossings:
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
            other_sources=list(other_sources or ()),
        )

    def after(self, from_ms: int) -> "GateWindow":
        """The window that follows."""
        return GateWindow(from_ms=from_ms, sight=self.sight_now, total_in=self.total_in, total_out=self.total_out)

    def facts(self) -> bytes:
        """Totals and sight."""
        return cbor.encode([self.total_in, self.total_out, int(self.sight)])


class GateKeeper(EyeKeeper[GateWindow, Seen | SightChange]):
    """Keeps what one gate's camera sees. One thread."""

    def __init__(
        self,
        signer: Signer,
        *,
        stream: str,
        settings: dict[str, Any],
        seal_every_ms: int,
        detector: str,
        detector_sha256: bytes,
        other_sources: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Nothing is written before `start`. `other_sources`: name and model's hash of each witness."""
        self._detector, self._detector_sha256 = detector, detector_sha256
        self._other_sources = list(other_sources or ())
        super().__init__(signer, stream=stream, settings=settings, seal_every_ms=seal_every_ms)

    def _opened(self, from_ms: int, facts: bytes | None) -> GateWindow:
        total_in, total_out, sight = cbor.decode(facts, at_most=64) if facts else (0, 0, 0)
        return GateWindow(from_ms=from_ms, sight=Sight(sight), total_in=total_in, total_out=total_out)

    def _anew(self, from_ms: int, left: GateWindow) -> GateWindow:
        return GateWindow(from_ms=from_ms, sight=Sight.BLIND, total_in=left.total_in, total_out=left.total_out)

    def _body(self, window: GateWindow, to_ms: int) -> Crossings:
        return window.seal(
            to_ms,
            detector=self._detector,
            detector_sha256=self._detector_sha256,
            other_sources=self._other_sources,
        )

    def _row(self, event: Seen | SightChange, at_ms: int) -> bytes:
        match event:
            case Seen():
                direction = event.direction
                log.info("crossing stream=%s direction=%s", self._stream, direction.name)
                facts = [at_ms, int(direction), event.kind, event.confidence_permille, event.track]
                return cbor.encode([*facts, event.sources, event.uncertain])
            case SightChange():
                log.info("sight stream=%s is=%s why=%s", self._stream, event.sight.name, event.why)
                return self._marked(at_ms, event.sight)

    def _mark(self, at_ms: int) -> bytes:
        return self._marked(at_ms, self.window.sight_now)

    def _marked(self, at_ms: int, sight: Sight) -> bytes:
        return cbor.encode([at_ms, int(sight), self.window.frames_seen, self.window.frames_dropped])


def decode_event(row: bytes) -> Crossing | Mark:
    """What a row of a gate's journal says. Raises SpoolDamagedError."""
    match cbor.decode(row, at_most=_ROW_LIMIT):
        case [at_ms, direction, label, confidence, track, *doubt]:
            return Crossing(
                at_ms=at_ms,
                direction=Direction(direction),
                label=label,
                confidence_permille=confidence,
                track=track,
                sources=doubt[0] if doubt else 0,
                uncertain=doubt[1] if doubt else 0,
            )
        case [at_ms, sight, seen, dropped]:
            return Mark(at_ms=at_ms, sight=Sight(sight), frames_seen=seen, frames_dropped=dropped)
    raise SpoolDamagedError("the journal holds something else than a crossing or a mark")
