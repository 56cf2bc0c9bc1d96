"""What the page asks of the store: ten questions, answered with plain values.

An answer holds only streams that the reader may see; the page itself decides nothing about permission.
Methods are called from several threads at once, and may block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from cloud_sync.levels import Width
from cloud_sync.reports import Span
from cloud_sync.stock import Stand
from cloud_sync.store import Pictures, Slot
from evidence.bodies import Acceptance, Direction, Event, GapReason, Stock
from evidence.judging.gates import is_contested
from evidence.judging.judge import Threshold
from evidence.judging.limits import Limit
from evidence.statement import ClockQuality

NO_PICTURES: Final = Pictures(newest=(), count=0, here=0)


class Subject(Enum):
    """What a stream on the page witnesses."""

    MACHINE = "machine"
    FIRE = "fire"
    """A fire sensor or fire alarm transmitter."""
    METER = "meter"
    GATE = "gate"
    ZONE = "zone"


class Trouble(Enum):
    """What can be wrong with a chain."""

    GAP = "gap"
    """The box signed that it did not record this time."""
    MISSING = "missing"
    """Statements with numbers between others that the receiver does not hold."""
    FORK = "fork"
    """Two different signed statements with one number: a restored or cloned box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enterprise:
    """An enterprise; `name` stands in addresses, `title` is for people."""

    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value that is measured: `value / 10**decimals` in `unit`."""

    name: str
    unit: str
    decimals: int
    counts: bool = False
    """A counter: it only rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event, and the point whose value and limit it tells; None: it is about something else."""

    event: Event
    point: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """The events of a window."""

    newest: Sequence[Happening] = ()
    """Newest first, at most as many as were asked for."""
    count: int = 0
    """All of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """What was measured of one point in a window."""

    point: Point
    limits: Sequence[Limit]
    slots: Sequence[Slot]
    """In time order; none where nothing was measured."""
    last_ms: int
    """When it was measured last, in the window or before it."""
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """What a fire sensor or meter told in a window."""

    measured: Sequence[Measuring] = ()
    """As it is to be shown: what has a limit first."""
    heard: Sequence[Span] = ()
    """When it answered, each span RUNNING for want of another state; all other time is no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A machine, sensor, gate or zone and the stream that witnesses it. All times are UTC milliseconds."""

    key: str
    """Stands in addresses ([a-z0-9.-]); unique among the enterprise's streams of one subject."""
    subject: Subject
    title: str
    box: str
    stream: str
    """As signed: machine/loom-01."""
    first_ms: int | None
    """When its first statement was signed; None: none yet."""
    received_ms: int | None
    """When the receiver stored its last statement, by the receiver's clock."""
    gaps: int = 0
    """Open gaps and missing statements of its chain."""
    forks: int = 0
    simulated: bool = False
    """A statement of it was signed under a simulated clock."""
    alarms: Sequence[Happening] = ()
    """What is raised and not cleared: of the newest some, since when, with what was said last."""
    alarmed: int = 0
    """All that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One item through a gate."""

    at_ms: int
    direction: Direction
    what: str
    confidence_permille: int
    sources: Sequence[str] = ()
    """What saw it, where that was noted,"""
    looked: int = 0
    """of how many that looked."""
    uncertain: int = 0
    """How many more items may be in this load."""

    @property
    def is_contested(self) -> bool:
        """Whether it is doubtful."""
        return is_contested(self.confidence_permille, self.uncertain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """A time in which a gate's camera saw well enough to count, by one undisputed statement."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """What a gate's camera witnessed in a window, in time order."""

    crossings: Sequence[Crossing] = ()
    clear: Sequence[Clear] = ()
    """All other time since the first statement is blind, so that silence is never a zero count."""
    pictures: Pictures = NO_PICTURES
    """Those that end in the window."""
    certificate: Acceptance | None = None
    """The last one before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneView:
    """What a zone's camera witnessed in a window."""

    stands: Sequence[Stand] = ()
    """In time order, each instant once, not cut at the window; what is absent is no data."""
    last: Stock | None = None
    """What was signed last before its end."""
    pictures: Pictures = NO_PICTURES
    certificate: Acceptance | None = None
    absolute: bool | None = None
    """Whether the settings claim the count itself, and not only how it changes; None where they do not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that left the box, as it was signed."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a chain; what is not known is None."""

    trouble: Trouble
    first_n: int | None = None
    last_n: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    reason: GapReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How much of a stream is signed and held."""

    first_n: int
    first_ms: int
    last_n: int
    last_ms: int
    held: int
    """Statements stored."""
    clock: ClockQuality
    """Of the last statement."""
    clock_error_ms: int | None
    threshold: Threshold | None
    """What the machine is judged with now; None: not by power."""
    settings_sha256: bytes
    problems: Sequence[Problem] = ()
    """Oldest first."""


class PageView(Protocol):
    """What a store must answer for the page."""

    def enterprises(self) -> Sequence[Enterprise]:
        """Every enterprise that the reader may see, in the order of the page."""
        ...

    def watched(self, enterprise: str) -> Sequence[Watched]:
        """All that is watched, in the order of the page; nothing for an enterprise that is not known."""
        ...

    def spans(self, enterprise: str, from_ms: int, to_ms: int) -> Mapping[str, Sequence[Span]]:
        """By machine key: the spans that touch the window. Missing time may be UNKNOWN or absent: both are no data."""
        ...

    def gate(self, enterprise: str, key: str, from_ms: int, to_ms: int) -> GateView:
        """What a gate saw from from_ms up to to_ms."""
        ...

    def zone(self, enterprise: str, key: str, from_ms: int, to_ms: int) -> ZoneView:
        """What stood in a zone from from_ms up to to_ms."""
        ...

    def image(self, enterprise: str, key: str, subject: Subject, digest: bytes) -> Image | None:
        """The picture of a gate or zone with this SHA-256, out of its signed statement; None where it did not leave."""
        ...

    def sensed(
        self, enterprise: str, watched: Sequence[Watched], from_ms: int, to_ms: int, width: Width
    ) -> Mapping[tuple[Subject, str], Sensed]:
        """By subject and key: what these fire sensors and meters told, in slots that touch the window."""
        ...

    def eventful(self, enterprise: str, from_ms: int, to_ms: int) -> Mapping[tuple[Subject, str], int]:
        """By subject and key: how many events there were from from_ms up to to_ms, where there were any."""
        ...

    def happened(self, enterprise: str, watched: Watched, from_ms: int, to_ms: int, at_most: int) -> Happened:
        """What happened to a machine, sensor, gate or zone from from_ms up to to_ms."""
        ...

    def record(self, enterprise: str, key: str, subject: Subject) -> Record | None:
        """How much of its stream is signed; None before its first statement."""
        ...
