"""What the page asks of the store: five questions, answered with plain values.

An answer holds only streams that the reader may see; the page itself decides nothing about permission.
Methods are called from several threads at once, and may block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cloud_sync.reports import Span
from evidence.bodies import Direction, GapReason
from evidence.judge import Threshold
from evidence.statement import ClockQuality


class Subject(Enum):
    """What a stream on the page witnesses."""

    MACHINE = "machine"
    GATE = "gate"


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
class Watched:
    """A machine or a gate and the stream that witnesses it. All times are UTC milliseconds."""

    key: str
    """Stands in addresses ([a-z0-9.-]); unique among the enterprise's machines, and among its gates."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One item through a gate."""

    at_ms: int
    direction: Direction
    what: str
    confidence_permille: int


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
        """Its machines and gates, in the order of the page; none for an enterprise that is not known."""
        ...

    def spans(self, enterprise: str, from_ms: int, to_ms: int) -> Mapping[str, Sequence[Span]]:
        """By machine key: the spans that touch the window. Missing time may be UNKNOWN or absent: both are no data."""
        ...

    def gate(self, enterprise: str, key: str, from_ms: int, to_ms: int) -> GateView:
        """What a gate saw from from_ms up to to_ms."""
        ...

    def record(self, enterprise: str, key: str, subject: Subject) -> Record | None:
        """How much of a machine's or gate's stream is signed; None before its first statement."""
        ...
