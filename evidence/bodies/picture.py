"""A picture of a gate or zone: its hash while it stays on the box, itself where it left."""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Any, ClassVar, Final, NamedTuple

from evidence.bodies.checks import (
    MARKS_LIMIT,
    MS_LIMIT,
    PICTURE_LIMIT,
    PICTURE_MS_LIMIT,
    SIDE_LIMIT,
    array,
    between,
    hash_of,
    keys,
    member,
    octets,
    parts,
    window,
)
from evidence.bodies.crossings import Direction
from evidence.bodies.kinds import Kind
from evidence.errors import MalformedError


class PictureKind(IntEnum):
    """What a picture shows."""

    SLIT = 1
    """The gate's line over time: each crossing is one figure in it."""
    VIEW = 2
    """What the camera sees."""
    CROP = 3
    """A part of what it sees."""


class Mark(NamedTuple):
    """A crossing, or an item, and where it stands in the picture (pixels)."""

    at_ms: int
    x: int
    y: int
    direction: Direction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture, what it shows and when."""

    kind: ClassVar = Kind.PICTURE
    from_ms: int
    to_ms: int
    what: PictureKind
    media_type: str
    """image/webp, image/jpeg or image/png."""
    width: int
    height: int
    sha256: bytes
    length: int
    """Bytes."""
    data: bytes = b""
    """Its bytes; empty where it stays on the box."""
    marks: list[Mark]

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {
            0: self.from_ms,
            1: self.to_ms,
            2: int(self.what),
            3: self.media_type,
            4: self.width,
            5: self.height,
            6: self.sha256,
            7: self.length,
            8: self.data,
            9: [[m[0] - self.from_ms, m[1], m[2], None if m[3] is None else int(m[3])] for m in self.marks],
        }

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Picture":
        """Checks everything; raises MalformedError."""
        keys(value, 10)
        from_ms, to_ms = window(value[0], value[1])
        between(to_ms - from_ms, 0, PICTURE_MS_LIMIT, "a picture's time")
        width, height = between(value[4], 1, SIDE_LIMIT, "width"), between(value[5], 1, SIDE_LIMIT, "height")
        picture = cls(
            from_ms=from_ms,
            to_ms=to_ms,
            what=member(PictureKind, value[2]),
            media_type=_media_type(value[3]),
            width=width,
            height=height,
            sha256=hash_of(value[6], "sha256"),
            length=between(value[7], 1, MS_LIMIT, "length"),
            data=octets(value[8], PICTURE_LIMIT, "data"),
            marks=_marks(value[9], from_ms, to_ms, width, height),
        )
        picture._check_data()
        return picture

    def _check_data(self) -> None:
        if not self.data:
            return
        if len(self.data) != self.length:
            raise MalformedError(f"a picture of {len(self.data)} bytes that says it has {self.length}")
        if sha256(self.data).digest() != self.sha256:
            raise MalformedError("a picture whose bytes have another hash")
        if not all(self.data[at : at + len(begin)] == begin for at, begin in _FIRST_BYTES[self.media_type]):
            raise MalformedError(f"a picture that does not begin like {self.media_type}")


_FIRST_BYTES: Final = {
    "image/webp": ((0, b"RIFF"), (8, b"WEBP")),
    "image/jpeg": ((0, b"\xff\xd8\xff"),),
    "image/png": ((0, b"\x89PNG\r\n\x1a\n"),),
}
"""(offset, bytes) that a picture of each media type has."""


def _media_type(value: object) -> str:
    if type(value) is not str or value not in _FIRST_BYTES:
        raise MalformedError(f"no media type of a picture: {value!r:.80}")
    return value


def _marks(value: object, from_ms: int, to_ms: int, width: int, height: int) -> list[Mark]:
    marks = []
    for mark in array(value, MARKS_LIMIT, "marks"):
        offset_ms, x, y, direction = parts(mark, 4, "mark")
        marks.append(
            Mark(
                from_ms + between(offset_ms, 0, max(1, to_ms - from_ms), "mark offset"),
                between(x, 0, width, "x"),
                between(y, 0, height, "y"),
                None if direction is None else member(Direction, direction),
            )
        )
    return marks
