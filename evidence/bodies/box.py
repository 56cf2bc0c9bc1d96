"""What the box says of itself and of a stream: gaps, settings, its life and its clock."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

from evidence import cbor
from evidence.bodies.checks import (
    HEADS_LIMIT,
    MS_LIMIT,
    SETTINGS_LIMIT,
    array,
    between,
    check_stream,
    hash_of,
    keys,
    member,
    octets,
    parts,
    text,
    window,
)
from evidence.bodies.kinds import Kind
from evidence.errors import MalformedError


class GapReason(IntEnum):
    """Why something was not recorded."""

    BOX_OFF = 1
    DISK_FULL = 2
    THINNED = 3
    CRASH = 4
    CLOCK = 5
    SOURCE_LOST = 6


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
        keys(value, 4)
        from_ms, to_ms = window(value[0], value[1])
        lost = None if value[3] is None else between(value[3], 0, MS_LIMIT, "lost")
        return cls(from_ms=from_ms, to_ms=to_ms, reason=member(GapReason, value[2]), lost=lost)


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
        keys(value, 1)
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
        keys(value, 4)
        return cls(
            enterprise=text(value[0], "enterprise"),
            site=text(value[1], "site"),
            public_key=octets(value[2], 256, "public_key"),
            software=text(value[3], "software"),
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
        keys(value, 3)
        alive = None if value[1] is None else between(value[1], 0, MS_LIMIT, "last_alive_ms")
        last_boot = octets(value[2], 16, "last_boot")
        if len(last_boot) not in (0, 16):
            raise MalformedError("last_boot has neither 0 nor 16 bytes")
        return cls(software=text(value[0], "software"), last_alive_ms=alive, last_boot=last_boot)


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
        keys(value, 1)
        return cls(reason=text(value[0], "reason"))


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
        keys(value, 4)
        heads = []
        for head in array(value[0], HEADS_LIMIT, "heads"):
            stream, n, sha256 = parts(head, 3, "head")
            heads.append((check_stream(stream), between(n, 0, MS_LIMIT, "n"), hash_of(sha256, "head")))
        return cls(
            heads=heads,
            unsent=between(value[1], 0, MS_LIMIT, "unsent"),
            disk_free_bytes=between(value[2], 0, MS_LIMIT, "disk_free_bytes"),
            uptime_ms=between(value[3], 0, MS_LIMIT, "uptime_ms"),
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
        keys(value, 2)
        return cls(
            before_ms=between(value[0], 0, MS_LIMIT, "before_ms"),
            after_ms=between(value[1], 0, MS_LIMIT, "after_ms"),
        )
