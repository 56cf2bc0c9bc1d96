"""What went through a gate."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

from evidence.bodies.checks import (
    CROSSINGS_LIMIT,
    MS_LIMIT,
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

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {
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

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Crossings":
        """Checks everything; raises MalformedError."""
        keys(value, 10)
        from_ms, to_ms = window(value[0], value[1])
        sight = spans(value[5], from_ms, to_ms, Sight)
        if not sight:
            raise MalformedError("a gate's window without sight")
        return cls(
            from_ms=from_ms,
            to_ms=to_ms,
            crossings=_crossings(value[2], from_ms, to_ms),
            total_in=between(value[3], 0, MS_LIMIT, "total_in"),
            total_out=between(value[4], 0, MS_LIMIT, "total_out"),
            sight=sight,
            frames_seen=between(value[6], 0, MS_LIMIT, "frames_seen"),
            frames_dropped=between(value[7], 0, MS_LIMIT, "frames_dropped"),
            detector=text(value[8], "detector"),
            detector_sha256=hash_or_empty(value[9], "detector_sha256"),
        )


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
