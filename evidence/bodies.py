"""What a statement can say: one frozen class a kind, checked completely when it is built (wire-format.md, "Bodies").

Facts first (what was asked, answered, seen), judgements second (spans, crossings). Integers everywhere: a
column's value is integer / 10**decimals in the named unit.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, lru_cache
from itertools import accumulate, chain, pairwise, repeat
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias, TypeVar

from evidence import cbor
from evidence.errors import MalformedError
from evidence.judge import RunState

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""Boxes, machines, gates."""

STREAM: Final = re.compile(r"box|(?:machine|meter|zone|gate|fire)/[a-z0-9][a-z0-9-]{0,39}")

ROWS_LIMIT: Final = 4096
"""Rows of one READINGS statement; the box seals before it is reached."""
COLUMNS_LIMIT: Final = 512
SPANS_LIMIT: Final = 4096
FRAMES_LIMIT: Final = 64
FRAME_LIMIT: Final = 1024
"""Bytes of one raw request or answer."""
CROSSINGS_LIMIT: Final = 4096
TEXT_LIMIT: Final = 200
"""UTF-8 bytes of a text."""
HEADS_LIMIT: Final = 1024
SETTINGS_LIMIT: Final = 32 * 1024
"""Bytes of encoded settings."""
MS_LIMIT: Final = 1 << 53


class Kind(IntEnum):
    """What a statement's body is; numbers are never reused."""

    READINGS = 1
    CROSSINGS = 2
    GAP = 8
    CONFIGURATION = 16
    COMMISSIONING = 17
    BOOT = 18
    SHUTDOWN = 19
    HEARTBEAT = 20
    CLOCK_STEP = 21


class Keep(IntEnum):
    """What of a point is kept."""

    EVERY = 0
    MINUTE = 1


class Aggregate(IntEnum):
    """What one value of a column stands for: a sample, or the samples of its minute."""

    SAMPLE = 0
    MEAN = 1
    MIN = 2
    MAX = 3
    LAST = 4


class Failure(IntEnum):
    """Why asking a device gave no value."""

    SILENT = 1
    LINE_DOWN = 2
    GARBLED = 3
    REFUSED = 4
    BUSY = 5
    NO_VALUE = 6
    RESTED = 7
    MISSED = 8


class Direction(IntEnum):
    """Which way goods went through a gate."""

    IN = 0
    OUT = 1


class Sight(IntEnum):
    """Whether a camera could see; BLIND is never a zero count."""

    BLIND = 0
    CLEAR = 1


class GapReason(IntEnum):
    """Why something was not recorded."""

    BOX_OFF = 1
    DISK_FULL = 2
    THINNED = 3
    CRASH = 4
    CLOCK = 5
    SOURCE_LOST = 6


class Column(NamedTuple):
    """One point's values, one a row; None where asking failed or the row has none.

    A named tuple, because a bank's laptop builds 150,000 of them for a machine's month.
    """

    point: str
    aggregate: Aggregate
    unit: str
    decimals: int
    values: list[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """A window of one machine, meter or fire sensor.

    `times_ms` are UTC, one a row, rising, inside the window: of the answer's arrival (every sample) or of the
    minute's first asking (per minute). `asked` and `answered` count per row when kept per minute, else they are empty.
    """

    kind: ClassVar = Kind.READINGS
    from_ms: int
    to_ms: int
    period_ms: int
    keep: Keep
    times_ms: list[int]
    columns: list[Column]
    asked: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    failures: list[tuple[int, Failure, int]] = field(default_factory=list)
    """(row, why, how often)."""
    spans: list[tuple[int, RunState]] = field(default_factory=list)
    """(from this UTC ms on, state); the first begins at from_ms; empty when nothing is judged."""
    frames: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    """(UTC ms, request, answer) of the last exchange of each block."""
    missed: int = 0
    """Cycles of the grid in which nothing was asked."""

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {
            0: self.from_ms,
            1: self.to_ms,
            2: self.period_ms,
            3: int(self.keep),
            4: _steps(self.times_ms, self.from_ms),
            5: [[c.point, int(c.aggregate), c.unit, c.decimals, c.values] for c in self.columns],
            6: self.asked,
            7: self.answered,
            8: [[row, int(why), times] for row, why, times in self.failures],
            9: [[at_ms - self.from_ms, int(state)] for at_ms, state in self.spans],
            10: [[at_ms - self.from_ms, request, answer] for at_ms, request, answer in self.frames],
            11: self.missed,
        }

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Readings":
        """Checks everything; raises MalformedError."""
        _keys(value, 12)
        from_ms, to_ms = _window(value[0], value[1])
        steps = _unsigneds(value[4], ROWS_LIMIT, "times")
        times_ms = _sums(steps, from_ms)
        if times_ms and times_ms[-1] >= to_ms:
            raise MalformedError("a row lies outside its window")
        rows = len(times_ms)
        keep = _enum(Keep, value[3])
        counted = rows if keep is Keep.MINUTE else 0
        asked = _unsigneds(value[6], counted, "asked", exactly=counted)
        answered = _unsigneds(value[7], counted, "answered", exactly=counted)
        if any(map(int.__gt__, answered, asked)):
            raise MalformedError("more answers than askings")
        return cls(
            from_ms=from_ms,
            to_ms=to_ms,
            period_ms=_between(value[2], 1, MS_LIMIT, "period_ms"),
            keep=keep,
            times_ms=times_ms,
            columns=_columns(value[5], rows, keep),
            asked=asked,
            answered=answered,
            failures=_failures(value[8], rows),
            spans=_spans(value[9], from_ms, to_ms, RunState),
            frames=_frames(value[10], from_ms, to_ms),
            missed=_between(value[11], 0, MS_LIMIT, "missed"),
        )


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
        _keys(value, 10)
        from_ms, to_ms = _window(value[0], value[1])
        sight = _spans(value[5], from_ms, to_ms, Sight)
        if not sight:
            raise MalformedError("a gate's window without sight")
        return cls(
            from_ms=from_ms,
            to_ms=to_ms,
            crossings=_crossings(value[2], from_ms, to_ms),
            total_in=_between(value[3], 0, MS_LIMIT, "total_in"),
            total_out=_between(value[4], 0, MS_LIMIT, "total_out"),
            sight=sight,
            frames_seen=_between(value[6], 0, MS_LIMIT, "frames_seen"),
            frames_dropped=_between(value[7], 0, MS_LIMIT, "frames_dropped"),
            detector=_text(value[8], "detector"),
            detector_sha256=_hash_or_empty(value[9], "detector_sha256"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What was not recorded, and why: silence that is said aloud."""

    kind: ClassVar = Kind.GAP
    from_ms: int
    to_ms: int
    reason: GapReason
    lost: int | None
    """Readings that were taken and not kept; None when nobody can know."""

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {0: self.from_ms, 1: self.to_ms, 2: int(self.reason), 3: self.lost}

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Gap":
        """Checks everything; raises MalformedError."""
        _keys(value, 4)
        from_ms, to_ms = _window(value[0], value[1])
        lost = None if value[3] is None else _between(value[3], 0, MS_LIMIT, "lost")
        return cls(from_ms=from_ms, to_ms=to_ms, reason=_enum(GapReason, value[2]), lost=lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """How this stream is measured and judged from here on; its hash stands in every later statement."""

    kind: ClassVar = Kind.CONFIGURATION
    settings: dict[str, Any]

    @property
    def encoded(self) -> bytes:
        """The settings' one encoding; its SHA-256 is the configuration's hash."""
        return cbor.encode(self.settings)

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {0: self.settings}

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Configuration":
        """Checks everything; raises MalformedError."""
        _keys(value, 1)
        settings = value[0]
        if type(settings) is not dict or not all(type(key) is str for key in settings):
            raise MalformedError("settings are not a map of text keys")
        cbor.decode(cbor.encode(settings), at_most=SETTINGS_LIMIT)  # integers, bytes, texts, arrays and maps alone
        return cls(settings=settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioning:
    """The first page of a box: whose it is, and the key it signs with."""

    kind: ClassVar = Kind.COMMISSIONING
    enterprise: str
    site: str
    public_key: bytes
    """COSE_Key of the key that signs this very statement."""
    software: str

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {0: self.enterprise, 1: self.site, 2: self.public_key, 3: self.software}

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Commissioning":
        """Checks everything; raises MalformedError."""
        _keys(value, 4)
        return cls(
            enterprise=_text(value[0], "enterprise"),
            site=_text(value[1], "site"),
            public_key=_bytes(value[2], 256, "public_key"),
            software=_text(value[3], "software"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """The box's software started; what it knows of when it last lived."""

    kind: ClassVar = Kind.BOOT
    software: str
    last_alive_ms: int | None
    last_boot: bytes
    """Boot id of the run before; this statement's own when only the software restarted; empty at the first."""

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {0: self.software, 1: self.last_alive_ms, 2: self.last_boot}

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Boot":
        """Checks everything; raises MalformedError."""
        _keys(value, 3)
        alive = None if value[1] is None else _between(value[1], 0, MS_LIMIT, "last_alive_ms")
        last_boot = _bytes(value[2], 16, "last_boot")
        if len(last_boot) not in (0, 16):
            raise MalformedError("last_boot has neither 0 nor 16 bytes")
        return cls(software=_text(value[0], "software"), last_alive_ms=alive, last_boot=last_boot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """The box was told to stop; without this page before a BOOT it was killed or lost its power."""

    kind: ClassVar = Kind.SHUTDOWN
    reason: str

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {0: self.reason}

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Shutdown":
        """Checks everything; raises MalformedError."""
        _keys(value, 1)
        return cls(reason=_text(value[0], "reason"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The box lives; the heads of all its streams, so that none can be withheld alone."""

    kind: ClassVar = Kind.HEARTBEAT
    heads: list[tuple[str, int, bytes]]
    """(stream, n, SHA-256 of statement n)."""
    unsent: int
    disk_free_bytes: int
    uptime_ms: int

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        heads = [list(head) for head in self.heads]
        return {0: heads, 1: self.unsent, 2: self.disk_free_bytes, 3: self.uptime_ms}

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Heartbeat":
        """Checks everything; raises MalformedError."""
        _keys(value, 4)
        heads = []
        for head in _list(value[0], HEADS_LIMIT, "heads"):
            stream, n, sha256 = _parts(head, 3, "head")
            heads.append((check_stream(stream), _between(n, 0, MS_LIMIT, "n"), _hash(sha256, "head")))
        return cls(
            heads=heads,
            unsent=_between(value[1], 0, MS_LIMIT, "unsent"),
            disk_free_bytes=_between(value[2], 0, MS_LIMIT, "disk_free_bytes"),
            uptime_ms=_between(value[3], 0, MS_LIMIT, "uptime_ms"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The wall clock was set: what it said, and what it said at the same instant afterwards."""

    kind: ClassVar = Kind.CLOCK_STEP
    before_ms: int
    after_ms: int

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {0: self.before_ms, 1: self.after_ms}

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "ClockStep":
        """Checks everything; raises MalformedError."""
        _keys(value, 2)
        return cls(
            before_ms=_between(value[0], 0, MS_LIMIT, "before_ms"),
            after_ms=_between(value[1], 0, MS_LIMIT, "after_ms"),
        )


Body: TypeAlias = Readings | Crossings | Gap | Configuration | Commissioning | Boot | Shutdown | Heartbeat | ClockStep

_BODIES: Final[dict[int, type[Body]]] = {
    body.kind: body
    for body in (
        Readings,
        Crossings,
        Gap,
        Configuration,
        Commissioning,
        Boot,
        Shutdown,
        Heartbeat,
        ClockStep,
    )
}


def body_from_value(kind: object, value: object) -> Body:
    """The typed body of a statement of this kind; raises MalformedError."""
    if type(kind) is not int or kind not in _BODIES:
        raise MalformedError(f"unknown kind of statement: {kind!r}")
    if type(value) is not dict:
        raise MalformedError("the body is not a map")
    return _BODIES[kind].from_value(value)


def check_stream(stream: object) -> str:
    """The stream's name, if it is one; raises MalformedError."""
    if type(stream) is not str or not STREAM.fullmatch(stream):
        raise MalformedError(f"no stream: {stream!r:.80}")
    return stream


# What every body is checked with.


def _keys(value: dict[Any, Any], count: int) -> None:
    if list(value) != list(range(count)) or set(map(type, value)) != {int}:  # True and 1.0 equal 1
        raise MalformedError(f"the keys are not exactly 0 to {count - 1}")


def _between(value: object, least: int, limit: int, what: str) -> int:
    if type(value) is not int or not least <= value < limit:
        raise MalformedError(f"{what} is no integer from {least} to below {limit}: {value!r:.80}")
    return value


def _window(from_ms: object, to_ms: object) -> tuple[int, int]:
    start = _between(from_ms, 0, MS_LIMIT, "from_ms")
    return start, _between(to_ms, start, MS_LIMIT, "to_ms")


def _list(value: object, at_most: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) > at_most:
        raise MalformedError(f"{what} is no array of at most {at_most}")
    return value


def _parts(value: object, count: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) != count:
        raise MalformedError(f"{what} is no array of {count}")
    return value


def _unsigneds(value: object, at_most: int, what: str, *, exactly: int | None = None) -> list[int]:
    numbers = _list(value, at_most, what)
    if exactly is not None and len(numbers) != exactly:
        raise MalformedError(f"{what} does not have one entry a row")
    if numbers and (set(map(type, numbers)) != {int} or min(numbers) < 0 or max(numbers) >= MS_LIMIT):
        raise MalformedError(f"{what} holds something else than unsigned integers")
    return numbers


def _text(value: object, what: str) -> str:
    if type(value) is not str or len(value) > TEXT_LIMIT or not _is_short_text(value):
        raise MalformedError(f"{what} is no printable text of at most {TEXT_LIMIT} bytes")
    return value


@lru_cache(maxsize=4096)
def _is_short_text(value: str) -> bool:
    """Whether the text may stand in a body; the names of points and units come again and again."""
    return len(value.encode()) <= TEXT_LIMIT and value.isprintable()


def _bytes(value: object, at_most: int, what: str) -> bytes:
    if type(value) is not bytes or len(value) > at_most:
        raise MalformedError(f"{what} is no byte string of at most {at_most}")
    return value


def _hash(value: object, what: str) -> bytes:
    if type(value) is not bytes or len(value) != 32:  # noqa: PLR2004 - SHA-256
        raise MalformedError(f"{what} is no SHA-256")
    return value


def _hash_or_empty(value: object, what: str) -> bytes:
    return b"" if value == b"" else _hash(value, what)


_Member = TypeVar("_Member", bound=IntEnum)


def _enum(members: type[_Member], value: object) -> _Member:
    by_number: dict[int, _Member] = _members(members)
    if type(value) is not int or value not in by_number:
        raise MalformedError(f"no {members.__name__}: {value!r:.80}")
    return by_number[value]


@cache
def _members(members: type[_Member]) -> dict[int, _Member]:
    """Four times faster than asking the enum itself, which a column does twice."""
    return {int(member): member for member in members}


def _steps(times_ms: list[int], from_ms: int) -> list[int]:
    return [after - before for before, after in pairwise([from_ms, *times_ms])]


def _sums(steps: list[int], from_ms: int) -> list[int]:
    if 0 in steps[1:]:
        raise MalformedError("two rows at one instant")
    return list(accumulate(steps, initial=from_ms))[1:]


_VALUE_TYPES: Final = frozenset((int, type(None)))


def _columns(value: object, rows: int, keep: Keep) -> list[Column]:
    """All columns at once: a month of a machine has 150,000 of them, and each look at one costs."""
    columns = _list(value, COLUMNS_LIMIT, "columns")
    if not columns:
        return []
    if set(map(type, columns)) != {list} or set(map(len, columns)) != {5}:
        raise MalformedError("a column is no array of 5")
    points, aggregates, units, decimals, values = zip(*columns, strict=True)
    if (
        set(map(type, values)) != {list}
        or set(map(len, values)) != {rows}
        or not _VALUE_TYPES.issuperset(map(type, chain.from_iterable(values)))
    ):
        raise MalformedError("a column does not hold one integer or null a row")
    try:
        heads = list(map(_column_head, points, aggregates, units, decimals, repeat(keep)))
    except TypeError as cause:  # an array or a map cannot be looked up
        raise MalformedError("a column's point, aggregate, unit or decimals are none") from cause
    return [tuple.__new__(Column, (*head, values)) for head, values in zip(heads, values, strict=True)]


@lru_cache(maxsize=4096, typed=True)
def _column_head(
    point: object, aggregate: object, unit: object, decimals: object, keep: Keep
) -> tuple[str, Aggregate, str, int]:
    """A column without its values; the same few come in every statement of a stream."""
    what = _enum(Aggregate, aggregate)
    if (what is Aggregate.SAMPLE) is not (keep is Keep.EVERY):
        raise MalformedError(f"a column of {what.name} where {keep.name} is kept")
    return _text(point, "point"), what, _text(unit, "unit"), _between(decimals, 0, 10, "decimals")


def _failures(value: object, rows: int) -> list[tuple[int, Failure, int]]:
    failures = []
    for failure in _list(value, ROWS_LIMIT * len(Failure), "failures"):
        row, why, times = _parts(failure, 3, "failure")
        failures.append((_between(row, 0, rows, "row"), _enum(Failure, why), _between(times, 1, MS_LIMIT, "times")))
    return failures


_State = TypeVar("_State", bound=IntEnum)


def _spans(value: object, from_ms: int, to_ms: int, members: type[_State]) -> list[tuple[int, _State]]:
    spans: list[tuple[int, _State]] = []
    for span in _list(value, SPANS_LIMIT, "spans"):
        offset_ms, state = _parts(span, 2, "span")
        at_ms = from_ms + _between(offset_ms, 0, max(1, to_ms - from_ms), "span offset")
        if at_ms <= spans[-1][0] if spans else at_ms != from_ms:
            raise MalformedError("spans do not begin at the window's start and rise")
        spans.append((at_ms, _enum(members, state)))
    return spans


def _frames(value: object, from_ms: int, to_ms: int) -> list[tuple[int, bytes, bytes]]:
    frames = []
    for frame in _list(value, FRAMES_LIMIT, "frames"):
        offset_ms, request, answer = _parts(frame, 3, "frame")
        at_ms = from_ms + _between(offset_ms, 0, max(1, to_ms - from_ms), "frame offset")
        frames.append((at_ms, _bytes(request, FRAME_LIMIT, "request"), _bytes(answer, FRAME_LIMIT, "answer")))
    return frames


def _crossings(value: object, from_ms: int, to_ms: int) -> list[Crossing]:
    crossings = []
    for crossing in _list(value, CROSSINGS_LIMIT, "crossings"):
        offset_ms, direction, label, confidence, track = _parts(crossing, 5, "crossing")
        crossings.append(
            Crossing(
                at_ms=from_ms + _between(offset_ms, 0, max(1, to_ms - from_ms), "crossing offset"),
                direction=_enum(Direction, direction),
                label=_text(label, "label"),
                confidence_permille=_between(confidence, 0, 1001, "confidence"),
                track=_between(track, 0, MS_LIMIT, "track"),
            )
        )
    return crossings
