"""The one TOML file of a box, checked completely: after `load`, every name resolves and every number is in range.

Times are whole milliseconds and powers whole milliwatts inside, whatever unit the file's key names
(docs/configuration.md).
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edge_agent.clock import CatchUp
from edge_agent.profiles import Point, Profile
from evidence.bodies import Keep
from evidence.judge import Threshold


class Parity(Enum):
    """Of a serial line."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


class Pace(Enum):
    """How fast a camera's pictures are taken: as they come, or a file's as fast as they can be looked at."""

    LIVE = "live"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Who this box is and how it keeps what it sees."""

    id: str
    enterprise: str
    site: str
    signing_key: Path
    spool: Path
    seal_every_ms: int
    heartbeat_every_ms: int
    commit_every_ms: int
    disk_quota_bytes: int
    keep: Keep
    profiles: Path | None
    """A directory with the installer's own profiles, beside those that come with the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """Where statements go."""

    host: str
    port: int
    ca: Path
    cert: Path
    key: Path
    receiver_key: Path
    """The receiver's public key, which signs receipts."""
    keepalive_s: int
    backlog_statements_per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpBus:
    """One Modbus TCP host."""

    name: str
    host: str
    port: int
    timeout_ms: int
    """How long an answer may take."""
    period_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RtuBus:
    """One serial line with Modbus RTU."""

    name: str
    device: str
    baud: int
    parity: Parity
    stopbits: int
    timeout_ms: int
    """How long a device may be silent, beyond the time that request and answer need on the wire."""
    period_ms: int


Bus = TcpBus | RtuBus


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine or meter on a bus."""

    name: str
    title: str
    stream: str
    bus: Bus
    unit: int
    profile: Profile
    points: tuple[Point, ...]
    """What is asked, in the order of the file's `points`, or else the profile's."""
    period_ms: int
    keep: Keep
    run_state: Threshold | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One camera with one counting line; its stream is gate/<name>."""

    name: str
    title: str
    stream: str
    source: str
    gate_px: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels of the source, origin top left."""
    in_normal_milli: tuple[int, int]
    """The direction that counts as in, x and y, in thousandths."""
    item_px: int | None
    """About how long an item's shorter side is in the picture."""
    pace: Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    file: Path
    box: Box
    uplink: Uplink | None
    """None: statements leave by `edge-agent export` only."""
    buses: tuple[Bus, ...]
    machines: tuple[Machine, ...]
    cameras: tuple[Camera, ...]
    clock: CatchUp | None
    """None: the machine's own clock."""

    def machines_on(self, bus: Bus) -> tuple[Machine, ...]:
        """In the file's order."""
        return tuple(machine for machine in self.machines if machine.bus.name == bus.name)
