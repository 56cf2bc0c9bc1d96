"""What stands in a zone, as far as a camera sees its front."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple

from evidence.bodies.checks import (
    DECLARED_LIMIT,
    ITEMS_LIMIT,
    LOOKS_LIMIT,
    MS_LIMIT,
    SIDE_LIMIT,
    array,
    between,
    hash_or_empty,
    keys,
    member,
    parts,
    text,
    window,
)
from evidence.bodies.kinds import Kind
from evidence.errors import MalformedError


class Verdict(IntEnum):
    """Whether a look at a zone gave a count; BLIND is never a zero count."""

    BLIND = 0
    """The camera cannot see."""
    COUNTED = 1
    OCCLUDED = 2
    """Somebody or something stands before the goods: the count is the last one."""
    DISAGREED = 3
    """The frames do not agree: the count is the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at a zone gave; it holds until the next one."""

    at_ms: int
    verdict: Verdict
    count: int | None
    """Visible front items; of a look that is not COUNTED the last count; None where nothing was ever counted."""
    uncertain: int = 0
    """How many more, or fewer, it may be."""


class Item(NamedTuple):
    """One item that was counted, and where in the picture (pixels)."""

    x0: int
    y0: int
    x1: int
    y1: int
    score_permille: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """A window of one zone."""

    kind: ClassVar = Kind.STOCK
    from_ms: int
    to_ms: int
    looks: list[Look]
    """The first at from_ms, then one at each change."""
    counted_at_ms: int | None
    """When the items were last really counted; None: never."""
    frames_seen: int
    frames_dropped: int
    detector: str
    detector_sha256: bytes = b""
    """Of the model file; empty for a detector that has none."""
    items: list[Item]
    """Of the last count."""
    declared: tuple[int, int] | None = None
    """(depth, rows) that the installer declared to stand behind and above what is seen; nobody measured them."""

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {
            0: self.from_ms,
            1: self.to_ms,
            2: [[look.at_ms - self.from_ms, int(look.verdict), look.count, look.uncertain] for look in self.looks],
            3: self.counted_at_ms,
            4: self.frames_seen,
            5: self.frames_dropped,
            6: self.detector,
            7: self.detector_sha256,
            8: [list(item) for item in self.items],
            9: None if self.declared is None else list(self.declared),
        }

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Stock":
        """Checks everything; raises MalformedError."""
        keys(value, 10)
        from_ms, to_ms = window(value[0], value[1])
        counted_at_ms = None if value[3] is None else between(value[3], 0, MS_LIMIT, "counted_at_ms")
        looks = _looks(value[2], from_ms, to_ms)
        _check_counts(looks, counted_at_ms)
        return cls(
            from_ms=from_ms,
            to_ms=to_ms,
            looks=looks,
            counted_at_ms=counted_at_ms,
            frames_seen=between(value[4], 0, MS_LIMIT, "frames_seen"),
            frames_dropped=between(value[5], 0, MS_LIMIT, "frames_dropped"),
            detector=text(value[6], "detector"),
            detector_sha256=hash_or_empty(value[7], "detector_sha256"),
            items=[_item(item) for item in array(value[8], ITEMS_LIMIT, "items")],
            declared=_declared(value[9]),
        )


def _looks(value: object, from_ms: int, to_ms: int) -> list[Look]:
    looks: list[Look] = []
    for look in array(value, LOOKS_LIMIT, "looks"):
        offset_ms, verdict, count, uncertain = parts(look, 4, "look")
        at_ms = from_ms + between(offset_ms, 0, max(1, to_ms - from_ms), "look offset")
        if at_ms <= looks[-1].at_ms if looks else at_ms != from_ms:
            raise MalformedError("looks do not begin at the window's start and rise")
        looks.append(
            Look(
                at_ms=at_ms,
                verdict=member(Verdict, verdict),
                count=None if count is None else between(count, 0, MS_LIMIT, "count"),
                uncertain=between(uncertain, 0, MS_LIMIT, "uncertain"),
            )
        )
    if not looks:
        raise MalformedError("a zone's window without a look")
    return looks


def _check_counts(looks: list[Look], counted_at_ms: int | None) -> None:
    """A count stands where one was made and goes on from there; where none ever was, there is none, and no zero.

    The first look says how the window found it, so it may have been counted before.
    """
    if counted_at_ms is None and any(look.count is not None for look in looks):
        raise MalformedError("a count, and it was never counted")
    before: Look | None = None
    for look in looks:
        if look.verdict is Verdict.COUNTED:
            if look.count is None:
                raise MalformedError("counted, and no count")
            if before is not None and counted_at_ms is not None and counted_at_ms < look.at_ms:
                raise MalformedError("counted after it was last counted")
        elif before is not None and look.count != before.count:
            raise MalformedError("another count where nothing was counted")
        before = look


def _item(value: object) -> Item:
    x0, y0, x1, y1, score, label = parts(value, 6, "item")
    left, top = between(x0, 0, SIDE_LIMIT, "x0"), between(y0, 0, SIDE_LIMIT, "y0")
    return Item(
        left,
        top,
        between(x1, left + 1, SIDE_LIMIT, "x1"),
        between(y1, top + 1, SIDE_LIMIT, "y1"),
        between(score, 0, 1001, "score"),
        text(label, "label"),
    )


def _declared(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    depth, rows = parts(value, 2, "declared")
    return between(depth, 1, DECLARED_LIMIT, "depth"), between(rows, 1, DECLARED_LIMIT, "rows")
