"""Keeping what a zone's camera sees: each look that says something new at once, a blind time never a count.

A look that says the same as the one before costs a mark of a few bytes; its items stand in the journal once. What is
lost with the power is at most one look (see eye_keeper.py).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from edge_agent.eye.stock import Looked, Standing
from edge_agent.eye.track import Box
from edge_agent.keeping.eye_keeper import EyeKeeper
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import Spool, SpoolDamagedError
from evidence import cbor
from evidence.bodies import ITEMS_LIMIT, LOOKS_LIMIT, SIDE_LIMIT, Item, Look, Stock, Verdict

LOOKS_FULL: Final = LOOKS_LIMIT - 96
"""At this many changes the window is sealed whatever the time."""
FACTS_LIMIT: Final = 256 * 1024
"""Bytes of a standing with all its items, as it is kept."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is said of the zone at an instant: of a Standing what a statement says."""

    verdict: Verdict = Verdict.BLIND
    count: int | None = None
    uncertain: int = 0
    counted_at_ms: int | None = None
    items: tuple[Item, ...] = ()

    def says_as(self, other: "Kept") -> bool:
        """Whether both would stand in a statement as the same look."""
        return (self.verdict, self.count, self.uncertain) == (other.verdict, other.count, other.uncertain)

    def to_value(self) -> list[Any]:
        """For the journal."""
        items = [list(item) for item in self.items]
        return [int(self.verdict), self.count, self.uncertain, self.counted_at_ms, items]

    @classmethod
    def from_value(cls, value: Sequence[Any]) -> "Kept":
        """The opposite."""
        verdict, count, uncertain, counted_at_ms, items = value
        return cls(
            verdict=Verdict(verdict),
            count=count,
            uncertain=uncertain,
            counted_at_ms=counted_at_ms,
            items=tuple(Item(*item) for item in items),
        )


@dataclass(slots=True)
class ZoneWindow:
    """What was said of one zone since `from_ms`. Pure; ZoneKeeper keeps it."""

    from_ms: int
    first: Kept
    """At from_ms."""
    now: Kept
    changes: list[tuple[int, Kept]] = field(default_factory=list)
    frames_seen: int = 0
    frames_dropped: int = 0
    last_ms: int | None = None
    counted_ms: int | None = None
    """When this window last told a new count."""

    def add(self, row: bytes) -> None:
        """Take in a row: a look that says something new, or that the last is still true."""
        match cbor.decode(row, at_most=FACTS_LIMIT):
            case [int(at_ms), [*said]]:
                self._say(max(at_ms, self.from_ms), Kept.from_value(said))
            case [int(at_ms), counted_at_ms, int(seen), int(dropped)]:
                self.frames_seen, self.frames_dropped = seen, dropped
                self._say(max(at_ms, self.from_ms), _counted_at(self.now, counted_at_ms))
            case _:
                raise SpoolDamagedError("the journal holds something else than a look or a mark")

    def _say(self, at_ms: int, said: Kept) -> None:
        if said.verdict is not Verdict.COUNTED:  # only counting moves a count, its time and its items
            last = self.now
            said = replace(said, count=last.count, counted_at_ms=last.counted_at_ms, items=last.items)
        if not said.says_as(self.now):
            at_ms = max(at_ms, (self.changes[-1][0] if self.changes else self.from_ms) + 1)
            if said.verdict is Verdict.COUNTED:
                self.counted_ms = at_ms
            self.changes.append((at_ms, said))
        if said.verdict is Verdict.COUNTED:  # two looks of one instant stand one behind the other
            said = _counted_at(said, max(self.counted_ms or 0, said.counted_at_ms or 0))
        self.now = said
        self.last_ms = at_ms if self.last_ms is None else max(self.last_ms, at_ms)

    @property
    def is_full(self) -> bool:
        """Whether it must be sealed now, whatever the time."""
        return len(self.changes) >= LOOKS_FULL

    @property
    def has_news(self) -> bool:
        """Whether anything changed."""
        return bool(self.changes)

    @property
    def end_ms(self) -> int:
        """Just after the last thing told; where the window begins when there is none."""
        return self.from_ms if self.last_ms is None else self.last_ms + 1

    def seal(self, to_ms: int, *, detector: str, detector_sha256: bytes, declared: tuple[int, int] | None) -> Stock:
        """The window's body; it holds everything that was added, so `to_ms` is at least `end_ms`."""
        looks = [_look(self.from_ms, self.first), *(_look(at_ms, said) for at_ms, said in self.changes)]
        return Stock(
            from_ms=self.from_ms,
            to_ms=to_ms,
            looks=looks,
            counted_at_ms=self.now.counted_at_ms,
            frames_seen=self.frames_seen,
            frames_dropped=self.frames_dropped,
            detector=detector,
            detector_sha256=detector_sha256,
            items=list(self.now.items),
            declared=declared,
        )

    def after(self, from_ms: int) -> "ZoneWindow":
        """The window that follows."""
        return ZoneWindow(from_ms=from_ms, first=self.now, now=self.now)

    def facts(self) -> bytes:
        """What was said last."""
        return cbor.encode(self.now.to_value())


class ZoneKeeper(EyeKeeper[ZoneWindow, Looked]):
    """Keeps what one zone's camera sees. One thread."""

    def __init__(
        self,
        signer: Signer,
        *,
        stream: str,
        settings: dict[str, Any],
        seal_every_ms: int,
        detector: str,
        detector_sha256: bytes,
        declared: tuple[int, int] | None = None,
    ) -> None:
        """Nothing is written before `start`."""
        self._detector, self._detector_sha256, self._declared = detector, detector_sha256, declared
        super().__init__(signer, stream=stream, settings=settings, seal_every_ms=seal_every_ms)

    def standing(self) -> Standing:
        """What the last run had counted: where this one begins. After `start`."""
        now = self.window.now
        return Standing(
            verdict=now.verdict,
            count=now.count,
            uncertain=now.uncertain,
            counted_at_ms=now.counted_at_ms,
            items=tuple(_box(item) for item in now.items),
        )

    def _opened(self, from_ms: int, facts: bytes | None) -> ZoneWindow:
        kept = Kept.from_value(cbor.decode(facts, at_most=FACTS_LIMIT)) if facts else Kept()
        return ZoneWindow(from_ms=from_ms, first=kept, now=kept)

    def _anew(self, from_ms: int, left: ZoneWindow) -> ZoneWindow:
        """Nobody looked since: the last count goes on, as one that nobody sees."""
        now = left.now
        blind = Kept(count=now.count, uncertain=now.uncertain, counted_at_ms=now.counted_at_ms, items=now.items)
        return ZoneWindow(from_ms=from_ms, first=blind, now=blind)

    def _body(self, window: ZoneWindow, to_ms: int) -> Stock:
        return window.seal(
            to_ms, detector=self._detector, detector_sha256=self._detector_sha256, declared=self._declared
        )

    def _row(self, event: Looked, at_ms: int) -> bytes:
        said = kept_of(event.standing, at_ms=at_ms, looked_ms=event.at_ms)
        if said.says_as(self.window.now) and said.items == self.window.now.items:
            return self._marked(at_ms, said.counted_at_ms)
        log.info(
            "zone stream=%s is=%s count=%s uncertain=%d", self._stream, said.verdict.name, said.count, said.uncertain
        )
        return cbor.encode([at_ms, said.to_value()])

    def _mark(self, at_ms: int) -> bytes:
        return self._marked(at_ms, self.window.now.counted_at_ms)

    def _marked(self, at_ms: int, counted_at_ms: int | None) -> bytes:
        return cbor.encode([at_ms, counted_at_ms, self.window.frames_seen, self.window.frames_dropped])


def last_said(spool: Spool, stream: str) -> Kept:
    """What is said of a zone now, as the spool has it. Reads only."""
    facts = spool.kept(f"zone {stream}")
    if facts is None:
        return Kept()
    kept = Kept.from_value(cbor.decode(facts, at_most=FACTS_LIMIT))
    window = ZoneWindow(from_ms=0, first=kept, now=kept)
    for _, _, rows in spool.read_journal(f"watch {stream}"):
        for _, row in rows:
            window.add(row)
    return window.now


def kept_of(standing: Standing, *, at_ms: int, looked_ms: int) -> Kept:
    """What a statement says of it. A count of this look was made `at_ms`, whatever the clock said when it began."""
    counted_at_ms = at_ms if standing.counted_at_ms == looked_ms else standing.counted_at_ms
    return Kept(
        verdict=standing.verdict,
        count=standing.count,
        uncertain=standing.uncertain,
        counted_at_ms=counted_at_ms,
        items=tuple(map(_item, standing.items[:ITEMS_LIMIT])),
    )


def _counted_at(kept: Kept, counted_at_ms: int | None) -> Kept:
    return replace(kept, counted_at_ms=counted_at_ms)


def _look(at_ms: int, said: Kept) -> Look:
    return Look(at_ms=at_ms, verdict=said.verdict, count=said.count, uncertain=said.uncertain)


def _item(box: Box) -> Item:
    """To whole pixels, at least one wide and high."""
    x0, y0 = max(0, round(box.x0)), max(0, round(box.y0))
    x1, y1 = max(x0 + 1, round(box.x1)), max(y0 + 1, round(box.y1))
    return Item(x0, y0, min(x1, SIDE_LIMIT - 1), min(y1, SIDE_LIMIT - 1), round(1000 * box.score), box.kind)


def _box(item: Item) -> Box:
    x0, y0, x1, y1, score, label = item
    return Box(x0=x0, y0=y0, x1=x1, y1=y1, score=score / 1000, kind=label)
