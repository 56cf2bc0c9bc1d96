"""What went through a gate."""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, ClassVar, Final

from evidence.bodies.checks import (
    CROSSINGS_LIMIT,
    MS_LIMIT,
    SOURCES_LIMIT,
    array,
    between,
    hash_or_empty,
    keys,
    member,
    parts,
    spans,
    text,
    window,
)
from evidence.bodies.kinds import Kind
from evidence.errors import MalformedError


class Direction(IntEnum):
    """Which way goods went through a gate."""

    IN = 0
    OUT = 1


class Sight(IntEnum):
    """Whether a camera could see; BLIND is never a zero count."""

    BLIND = 0
    CLEAR = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One thing that went through a gate."""

    at_ms: int
    direction: Direction
    label: str
    """What it was taken for: goods, carton, person …"""
    confidence_permille: int
    track: int
    sources: int = 0
    """Who saw it: bit 0 the detector, bit 1 the first of `other_sources`, and so on; 0 where nobody noted it."""
    uncertain: int = 0
    """How many more items may be in this load; they count in no total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """A window of one gate. Totals run from the stream's commissioning and include this window."""

    kind: ClassVar = Kind.CROSSINGS
    from_ms: int
    to_ms: int
    crossings: list[Crossing]
    total_in: int
    total_out: int
    sight: list[tuple[int, Sight]]
    """(from this UTC ms on, sight); the first begins at from_ms."""
    frames_seen: int
    frames_dropped: int
    detector: str
    detector_sha256: bytes = b""
    """Of the model file; empty for a detector that has none."""
    other_sources: list[tuple[str, bytes]] = field(default_factory=list)
    """(name, SHA-256 or empty) of what else looked, beside the detector."""

    @property
    def says_sources(self) -> bool:
        """Whether it says of its crossings who saw them and what is doubtful: whether it has the keys 10 and 11."""
        return bool(self.other_sources) or any(c.sources or c.uncertain for c in self.crossings)

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        value: dict[int, Any] = {
            0: self.from_ms,
            1: self.to_ms,
            2: [
                [c.at_ms - self.from_ms, int(c.direction), c.label, c.confidence_permille, c.track]
                for c in self.crossings
            ],
            3: self.total_in,
            4: self.total_out,
            5: [[at_ms - self.from_ms, int(sight)] for at_ms, sight in self.sight],
            6: self.frames_seen,
            7: self.frames_dropped,
            8: self.detector,
            9: self.detector_sha256,
        }
        if self.says_sources:
            value[10] = [list(source) for source in self.other_sources]
            value[11] = [[c.sources, c.uncertain] for c in self.crossings]
        return value

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Crossings":
        """Checks everything; raises MalformedError."""
        has_sources = len(value) > _WITHOUT_SOURCES
        keys(value, _WITH_SOURCES if has_sources else _WITHOUT_SOURCES)
        from_ms, to_ms = window(value[0], value[1])
        others = _sources(value[10]) if has_sources else []
        sight = spans(value[5], from_ms, to_ms, Sight)
        if not sight:
            raise MalformedError("a gate's window without sight")
        crossings = _crossings(value[2], from_ms, to_ms)
        if has_sources:
            crossings = _with_doubts(crossings, value[11], 1 << (1 + len(others)))
        body = cls(
            from_ms=from_ms,
            to_ms=to_ms,
            crossings=crossings,
            total_in=between(value[3], 0, MS_LIMIT, "total_in"),
            total_out=between(value[4], 0, MS_LIMIT, "total_out"),
            sight=sight,
            frames_seen=between(value[6], 0, MS_LIMIT, "frames_seen"),
            frames_dropped=between(value[7], 0, MS_LIMIT, "frames_dropped"),
            detector=text(value[8], "detector"),
            detector_sha256=hash_or_empty(value[9], "detector_sha256"),
            other_sources=others,
        )
        if body.says_sources is not has_sources:
            raise MalformedError("sources and doubts that say nothing")
        return body


_WITHOUT_SOURCES: Final = 10
_WITH_SOURCES: Final = 12
"""Keys of the body."""


def _sources(value: object) -> list[tuple[str, bytes]]:
    sources = []
    for source in array(value, SOURCES_LIMIT, "other sources"):
        name, sha256 = parts(source, 2, "source")
        sources.append((text(name, "source"), hash_or_empty(sha256, "source")))
    return sources


def _with_doubts(crossings: list[Crossing], value: object, bits: int) -> list[Crossing]:
    doubted = []
    for crossing, doubt in zip(crossings, parts(value, len(crossings), "doubts"), strict=True):
        sources, uncertain = parts(doubt, 2, "doubt")
        doubted.append(
            replace(
                crossing,
                sources=between(sources, 0, bits, "sources"),
                uncertain=between(uncertain, 0, MS_LIMIT, "uncertain"),
            )
        )
    return doubted


def _crossings(value: object, from_ms: int, to_ms: int) -> list[Crossing]:
    crossings = []
    for crossing in array(value, CROSSINGS_LIMIT, "crossings"):
        offset_ms, direction, label, confidence, track = parts(crossing, 5, "crossing")
        crossings.append(
            Crossing(
                at_ms=from_ms + between(offset_ms, 0, max(1, to_ms - from_ms), "crossing offset"),
                direction=member(Direction, direction),
                label=text(label, "label"),
                confidence_permille=between(confidence, 0, 1001, "confidence"),
                track=between(track, 0, MS_LIMIT, "track"),
            )
        )
    return crossings
