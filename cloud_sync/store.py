"""What the receiver keeps, behind one interface; tests/cloud/store_contract.py says what every store must do.

Methods block and may be called from several threads at once. What `take` returned is on the disk: only then may
anything be acknowledged or receipted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

from cloud_sync.accept import Accepted, Refused, Repeated
from cloud_sync.derive import Span
from cloud_sync.errors import CloudSyncError
from cloud_sync.levels import Measure, Width
from cloud_sync.stock import Stand
from evidence.bodies import Acceptance, Direction, Event, GapReason, Kind, PictureKind
from evidence.chain import Segment
from evidence.keys import PublicKey
from evidence.receipt import Refusal, StreamReceipt
from evidence.roster import Enrolled
from evidence.statement import Statement

QUARANTINE_PER_BOX: Final = 256
"""Refused pieces kept of one box, at most: the newest; the rest are counted in the log when they go."""
QUARANTINE_BODY_LIMIT: Final = 64 * 1024
"""Bytes kept of one refused piece, at most; its hash and length are of the whole."""


class StoreError(CloudSyncError):
    """The store cannot be opened, read or written now; nothing was half done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Bytes that were refused on the topic of `box`, and why."""

    box: str
    sha256: bytes
    reason: str
    for_good: bool
    body: bytes
    """Cut off at QUARANTINE_BODY_LIMIT."""
    length: int
    first_ms: int = 0
    last_ms: int = 0
    times: int = 1
    id: int = 0


Verdict: TypeAlias = Accepted | Repeated | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A bank (or any other reader of the feed) and the key that checks its tokens."""

    bank: str
    key: PublicKey
    added_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a bank may pull: the streams of `box` that `pattern` covers, from `from_ms` on.

    A pattern is a stream, a subject with an asterisk (machine/*), or an asterisk alone.
    """

    id: int
    bank: str
    box: str
    pattern: str
    from_ms: int
    granted_ms: int
    revoked_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream, and how much of it is held."""

    id: int
    box: str
    stream: str
    simulated: bool
    segments: tuple[Segment, ...]
    forks: tuple[int, ...]
    gaps: int
    """GAP statements: time that the box signed it did not record."""
    alarms: int
    """What is raised and not cleared."""
    first_ms: int
    """When its earliest held statement was signed."""
    received_ms: int
    """When its last statement was stored."""

    @property
    def mark(self) -> int | None:
        """Every statement from 0 up to this n is held; None when 0 is not."""
        return max((s.last for s in self.segments if s.first == 0), default=None)

    @property
    def held(self) -> int:
        """Statements held."""
        return sum(s.last - s.first + 1 for s in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Which statements of a stream a feed shows: those whose window ended after `from_ms`, up to `until_ms`."""

    from_ms: int = 0
    until_ms: int | None = None
    settings: bool = True
    """Also its CONFIGURATION and COMMISSIONING of any time: without them nobody can judge again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One statement in commit order, verbatim."""

    seq: int
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingRow:
    """One crossing of a gate, as derived."""

    at_ms: int
    direction: Direction
    label: str
    confidence_permille: int
    sources: tuple[str, ...] = ()
    """What saw it, where that was noted,"""
    looked: int = 0
    """of how many that looked."""
    uncertain: int = 0
    """How many more items may be in this load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRow:
    """A picture of a gate or zone, without its bytes."""

    from_ms: int
    to_ms: int
    what: PictureKind
    media_type: str
    width: int
    height: int
    length: int
    sha256: bytes
    marks: int
    """How many."""
    is_here: bool
    """Whether its bytes are in a statement: it left the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Pictures of a window."""

    newest: tuple[PictureRow, ...]
    """Newest first, as many as were asked for."""
    count: int
    """All of them,"""
    here: int
    """and those that left the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """What a box signed that it did not record."""

    n: int
    from_ms: int
    to_ms: int
    reason: GapReason
    lost: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Events of a window."""

    newest: tuple[Event, ...]
    """Newest first, as many as were asked for."""
    count: int
    """All of them."""


class Slot(NamedTuple):
    """The least and the most of some time."""

    from_ms: int
    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a fire sensor or meter measured of one point."""

    slots: Sequence[Slot]
    """In time order; where nothing was measured there is none."""
    last_ms: int
    """Before the end of the window, be it before its beginning."""
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """How deriving one stream again went."""

    statements: int
    broken: tuple[tuple[int, str], ...] = ()
    """(seq, what is wrong with its bytes or its row)."""


class Store(Protocol):
    """Everything the receiver asks of its database. Every method may raise StoreError."""

    # The roster.

    def enrol(self, enrolled: Enrolled) -> bool:
        """Let this key speak for this box from now on; whether that is new. A known pair keeps its first entry."""
        ...

    def roster(self) -> tuple[Enrolled, ...]:
        """Every box with its keys, in order of box and time."""
        ...

    # Intake.

    def take(
        self, statements: Sequence[Statement], refused: Sequence[Quarantined] = (), *, received_ms: int
    ) -> tuple[Verdict, ...]:
        """Accept and store, all in one durable step; one verdict a statement, in order.

        Derived rows are written in the same step, and only for what is new. What `accept` refuses is quarantined
        beside `refused`. After StoreError nothing of it is stored, and it may be tried again.
        """
        ...

    # Receipts.

    def held(self, box: str, streams: Collection[str] | None = None) -> tuple[StreamReceipt, ...]:
        """What is held of these streams of a box (all: None), as a receipt says it."""
        ...

    def refusals(self, box: str) -> tuple[Refusal, ...]:
        """What was refused for good of a box, the newest first, as many as a receipt holds."""
        ...

    # The feed.

    def add_bank(self, bank: Bank) -> None:
        """Let this bank in, or give it a new key."""
        ...

    def banks(self) -> tuple[Bank, ...]:
        """All banks, by name."""
        ...

    def grant(self, *, bank: str, box: str, pattern: str, from_ms: int, at_ms: int) -> Grant:
        """Show these streams to a bank; the same grant given again is the one that stands."""
        ...

    def revoke(self, *, bank: str, box: str, pattern: str, at_ms: int) -> int:
        """Show no more of what was granted with exactly this box and pattern; how many grants that ended."""
        ...

    def grants(self, bank: str | None = None) -> tuple[Grant, ...]:
        """The grants that stand, of one bank or of all, oldest first."""
        ...

    def commits(
        self, shown: Mapping[int, Shown], *, after: int, up_to: int, at_most: int, at_most_bytes: int
    ) -> tuple[Commit, ...]:
        """Statements of these streams (by id) with after < seq <= up_to, in commit order.

        At most so many, and so many bytes, but at least one when there is one.
        """
        ...

    def last_commit(self) -> int:
        """The highest seq; 0 when nothing is stored."""
        ...

    def hash_of_commit(self, seq: int) -> bytes | None:
        """SHA-256 of the statement with this seq."""
        ...

    def names(self) -> tuple[tuple[int, str, str], ...]:
        """(id, box, stream) of every stream: what a feed's patterns are matched with."""
        ...

    # People.

    def streams(self, box: str | None = None) -> tuple[Stream, ...]:
        """Every stream, or those of one box, by box and name."""
        ...

    def newest(self, stream: int, kind: Kind | None = None) -> bytes | None:
        """The bytes of the statement with the highest n, of any kind or of one kind from 16 on."""
        ...

    def spans(self, streams: Collection[int], from_ms: int, to_ms: int) -> Mapping[int, Sequence[Span]]:
        """By stream: the painted spans that touch the window, in time order, not cut."""
        ...

    def hours(self, stream: int, from_ms: int, to_ms: int) -> Mapping[int, Mapping[str, int]]:
        """By start of the hour, in time order: the sums of `derive.SUMMED`, of hours that begin in the window."""
        ...

    def days(self, stream: int, from_ms: int, to_ms: int) -> Mapping[int, Mapping[str, int]]:
        """The same by day of Asia/Shanghai."""
        ...

    def crossings(self, stream: int, from_ms: int, to_ms: int) -> tuple[CrossingRow, ...]:
        """Of a gate, in the window, in time order."""
        ...

    def stock(self, stream: int, from_ms: int, to_ms: int) -> tuple[Stand, ...]:
        """What was said of a zone in the time that touches the window, in time order, each instant once."""
        ...

    def last_stock(self, stream: int, before_ms: int) -> bytes | None:
        """The bytes of the zone's last statement of stock that begins before then."""
        ...

    def pictures(self, stream: int, from_ms: int, to_ms: int, at_most: int) -> Pictures:
        """The pictures of a gate or zone that end in the window, the newest first, each once."""
        ...

    def picture(self, stream: int, digest: bytes) -> bytes | None:
        """The bytes of a statement that holds the picture with this hash; None where it stayed on the box."""
        ...

    def certificate(self, stream: int, before_ms: int) -> Acceptance | None:
        """The last certificate of a gate or zone before then."""
        ...

    def gaps(self, stream: int, at_most: int = 1000) -> tuple[GapRow, ...]:
        """What its box signed that it did not record; the newest, in time order."""
        ...

    def alarms(self, streams: Collection[int], at_most: int) -> Mapping[int, tuple[Event, ...]]:
        """What is raised and not cleared, the newest first, at most so many of each stream.

        An alarm is the event that raised it first, with what was said of it last.
        """
        ...

    def event_counts(self, streams: Collection[int], from_ms: int, to_ms: int) -> Mapping[int, int]:
        """How many events each of these streams tells of in the window."""
        ...

    def events(self, stream: int, from_ms: int, to_ms: int, at_most: int) -> Told:
        """What happened in the window, the newest first."""
        ...

    def levels(
        self, streams: Collection[int], from_ms: int, to_ms: int, width: Width
    ) -> Mapping[int, Mapping[Measure, Measured]]:
        """What fire sensors and meters measured, in slots of this width that begin in the window.

        What was measured before the window only has no slots.
        """
        ...

    def quarantine(self, box: str | None = None) -> tuple[Quarantined, ...]:
        """What was refused, oldest first."""
        ...

    # Care.

    def rebuild(self, stream: int) -> Rebuilt:
        """Verify every statement of a stream again and derive its rows anew, in one durable step."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...
