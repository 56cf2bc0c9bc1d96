"""The sections of a box's file: what each is inside, and every key it may have with its unit, range and default.

docs/configuration.md lists the same for people. Times are whole milliseconds and powers whole milliwatts inside,
whatever unit the file's key names.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Final, cast

from edge_agent.config import profiles
from edge_agent.config.box import KEEP, NAME
from edge_agent.config.points import Input
from edge_agent.config.profiles import Parity, Point, Profile, Protocol
from edge_agent.config.schema import Choice, FileReference, Flag, Key, ListOf, Text, Thousandths, Whole
from evidence import bodies
from evidence.bodies import Keep
from evidence.judging.judge import Rule
from evidence.judging.limits import Limit
from evidence.judging.signature import Signature

BUSES_LIMIT: Final = 256
MACHINES_LIMIT: Final = 256
CAMERAS_LIMIT: Final = 16

HOST: Final = Text("a host name or an address", re.compile(r"[A-Za-z0-9._:-]{1,200}"))
PORT: Final = Whole(1, 0xFFFF)
PERIOD: Final = profiles.PERIOD
PIXELS: Final = Whole(0, 16384, "pixels")


class Pace(Enum):
    """How fast a camera's pictures are taken: as they come, or a file's as fast as they can be looked at."""

    LIVE = "live"
    FILE = "file"


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


UPLINK: Final = (
    Key(name="host", kind=HOST),
    Key(name="port", kind=PORT, default=8883),
    Key(name="ca", kind=FileReference()),
    Key(name="cert", kind=FileReference()),
    Key(name="key", kind=FileReference()),
    Key(name="receiver_key", kind=FileReference()),
    Key(name="keepalive_s", kind=Whole(5, 30, "seconds"), default=20),
    Key(name="backlog_statements_per_s", kind=Whole(1, 10_000, "statements per second"), default=20),
)


class BusKind(Enum):
    """How a bus's devices are asked."""

    MODBUS_TCP = "modbus-tcp"
    MODBUS_RTU = "modbus-rtu"
    DLT645_2007 = "dlt645-2007"
    DLT645_1997 = "dlt645-1997"
    DLT698_45 = "dlt698.45"
    GB26875_3 = "gb26875.3"
    """Fire alarm transmitters; the box listens, they come."""
    DIGITAL = "digital"
    """Inputs of a GPIO chip of this box."""
    MTCONNECT = "mtconnect"
    REPLAY = "replay"
    """A recording, played; no measurement."""

    @property
    def shares_line(self) -> bool:
        """Whether devices of another protocol may be on the same pair of wires."""
        return self in (BusKind.MODBUS_RTU, BusKind.DLT645_2007, BusKind.DLT645_1997, BusKind.DLT698_45)

    @property
    def protocol(self) -> Protocol | None:
        """What its devices' profiles are written for; None where any will do."""
        if self is BusKind.REPLAY:
            return None
        return Protocol.MODBUS if self in (BusKind.MODBUS_TCP, BusKind.MODBUS_RTU) else Protocol(self.value)


BITS_BEHIND_A_SERVER: Final = 11
"""Of a byte, with parity: how the server's port is set is not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpPort:
    """Where a host listens: a device that speaks TCP itself, a serial server with a line behind it, or the box."""

    host: str
    port: int
    baud: int | None = None
    """Of the line behind a serial server."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def byte_s(self) -> float:
        """Seconds that one byte takes on the line behind it; 0 where there is none."""
        return 0.0 if self.baud is None else BITS_BEHIND_A_SERVER / self.baud


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPort:
    """A serial port of this box and how it is set; always 8 data bits."""

    device: str
    baud: int
    parity: Parity
    stopbits: int

    def __str__(self) -> str:
        return f"{self.device} at {self.baud} baud, 8{self.parity.value}{self.stopbits}"

    @property
    def byte_s(self) -> float:
        """Seconds that one byte takes on the wire."""
        return (9 + (self.parity is not Parity.NONE) + self.stopbits) / self.baud


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPort:
    """A GPIO chip of this box."""

    chip: str

    def __str__(self) -> str:
        return self.chip


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPort:
    """An MTConnect agent."""

    host: str
    port: int
    path: str
    """Before the device's name, or with it; without slashes at its ends."""
    sampled: bool
    """Whether all observations since the last asking are fetched, not only the newest."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPort:
    """A recording that is played."""

    file: Path
    loop: bool
    """Whether it begins again at its end."""

    def __str__(self) -> str:
        return str(self.file)


Port = TcpPort | SerialPort | ChipPort | AgentPort | RecordingPort


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """One line with devices on it; one question at a time is on its way there."""

    name: str
    kind: BusKind
    port: Port
    timeout_ms: int
    """How long an answer may take; on a serial line beyond the time that request and answer need on the wire. Where
    the box listens: how long a connection may be quiet. 0 where nobody is waited for."""
    period_ms: int

    @property
    def wire(self) -> TcpPort | SerialPort:
        """The port of a bus with bytes on a line; that it has one, its kind's keys see to."""
        assert isinstance(self.port, TcpPort | SerialPort)  # noqa: S101  # BUS_KEYS
        return self.port

    @property
    def place(self) -> str:
        """The device, host and port, chip or file; buses of several protocols may share the place of one line."""
        return self.port.device if isinstance(self.port, SerialPort) else str(self.port)


BUS_KIND: Final = (Key(name="kind", kind=profiles.choice_of(BusKind)),)
_TIMEOUT: Final = Thousandths("0.02", "30", "seconds")


_ANY_BUS: Final = (
    Key(name="name", kind=NAME),
    *BUS_KIND,
    Key(name="period_s", kind=PERIOD, default=1, inside="period_ms"),
)


def _bus_keys(timeout_s: str, *port: Key) -> tuple[Key, ...]:
    return (*_ANY_BUS, *port, Key(name="timeout_s", kind=_TIMEOUT, default=Decimal(timeout_s), inside="timeout_ms"))


_DEVICE: Final = Text(
    "a device such as /dev/ttyUSB0, or usb:VID:PID or usb:VID:PID:SERIAL of its adapter",
    re.compile(r"/[^\s]{1,150}|usb:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(:[^\s]{1,100})?"),
)


def _line_keys(timeout_s: str, *, baud: int, parity: str) -> tuple[Key, ...]:
    """Of a line on a serial port of this box, or behind a serial server."""
    return _bus_keys(
        timeout_s,
        Key(name="device", kind=_DEVICE, default=None),
        Key(name="baud", kind=Choice({rate: rate for rate in profiles.BAUDS}), default=baud),
        Key(name="parity", kind=profiles.choice_of(profiles.Parity), default=parity),
        Key(name="stopbits", kind=Whole(1, 2), default=1),
        Key(name="host", kind=HOST, default=None),
        Key(name="port", kind=PORT, default=None),
    )


_URL: Final = re.compile(
    r"http://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,200})(?::([0-9]{1,5}))?((?:/[^\s/?#@]{1,80}){0,4})/?"
)
MTCONNECT_PORT: Final = 5000
"""Where agents listen unless they are told otherwise."""


def agent_port(url: str, *, sampled: bool) -> AgentPort:
    """The agent that a bus's `url` names. Raises ValueError for a port that is none."""
    fits = _URL.fullmatch(url)
    port = int(fits[2] or MTCONNECT_PORT) if fits else 0
    if fits is None or not 1 <= port <= 0xFFFF:  # noqa: PLR2004  # TCP
        raise ValueError(f"{url} has no port from 1 to 65535")
    return AgentPort(host=fits[1].strip("[]"), port=port, path=fits[3].strip("/"), sampled=sampled)


BUS_KEYS: Final = {
    BusKind.MODBUS_TCP: _bus_keys("1", Key(name="host", kind=HOST), Key(name="port", kind=PORT, default=502)),
    BusKind.MODBUS_RTU: _line_keys("0.3", baud=9600, parity="N"),
    BusKind.DLT645_2007: _line_keys("0.7", baud=2400, parity="E"),
    BusKind.DLT645_1997: _line_keys("0.7", baud=1200, parity="E"),
    BusKind.DLT698_45: _line_keys("0.5", baud=9600, parity="E"),
    BusKind.GB26875_3: (
        *_ANY_BUS,
        Key(name="host", kind=HOST, default="0.0.0.0"),  # noqa: S104  # transmitters come from outside
        Key(name="port", kind=PORT, default=26875),
        Key(name="idle_s", kind=Thousandths("1", "86400", "seconds"), default=600, inside="timeout_ms"),
    ),
    BusKind.DIGITAL: (
        *_ANY_BUS,
        Key(name="chip", kind=Text("a chip such as /dev/gpiochip0", re.compile(r"/[^\s]{1,150}"))),
    ),
    BusKind.MTCONNECT: _bus_keys(
        "2",
        Key(name="url", kind=Text('an address such as "http://192.168.1.60:5000/Mill-1"', _URL)),
        Key(name="ask", kind=Choice({"current": False, "sample": True}), default="current", inside="sampled"),
    ),
    BusKind.REPLAY: (
        *_ANY_BUS,
        Key(name="file", kind=FileReference()),
        Key(name="loop", kind=Flag(), default=False),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which device was commissioned; None what is not pinned, or what a device does not say."""

    meter_number: str | None = None
    asset_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine, meter or fire sensor on a bus."""

    name: str
    title: str
    stream: str
    bus: Bus
    unit: int | str
    """The Modbus unit id, or the address as the device's protocol writes it; empty where it needs none."""
    profile: Profile
    points: tuple[Point, ...]
    """What is asked, in the order of the file's `points`, or else the profile's and then the machine's own."""
    period_ms: int
    keep: Keep
    run_state: Rule | None
    limits: tuple[Limit, ...] = ()
    signature: Signature | None = None
    rated_w: int | None = None
    """What it can draw at most: a counter that rises faster is not believed."""
    silent_after_ms: int | None = None
    """Of a transmitter that comes by itself: how long it may send nothing before it counts as silent."""
    plc: str | None = None
    """The family whose registers the machine's own points may name; the profile may name another for its points."""
    identity: Identity | None = None
    """Which device must answer; another one's readings are no data."""
    clock_off_ms: int = 300_000
    """A clock of the device's own that is off by more is told of."""


def lined(point: Input, machine: Machine) -> int | str:
    """The line of a machine's digital input, as the chip has it."""
    return point.line if isinstance(point.line, str) else point.line + cast("int", machine.unit)


STREAM_KINDS: Final = ("machine", "meter", "fire")
_DIGITS: Final = Text("12 digits", re.compile(r"[0-9]{12}"))
ADDRESSES: Final = {
    Protocol.MODBUS: Key(name="unit", kind=Whole(0, 255), default=1),
    Protocol.DLT645_2007: Key(name="address", kind=_DIGITS, inside="unit"),
    Protocol.DLT645_1997: Key(name="address", kind=_DIGITS, inside="unit"),
    Protocol.DLT698_45: Key(name="address", kind=_DIGITS, inside="unit"),
    Protocol.GB26875_3: Key(
        name="address", kind=Text("12 digits of 0 to 9 and A to F", re.compile(r"[0-9A-F]{12}")), inside="unit"
    ),
    Protocol.DIGITAL: Key(name="first_line", kind=Whole(0, 1023), default=0, inside="unit"),
    Protocol.MTCONNECT: Key(
        name="device", kind=Text("a device's name or uuid", re.compile(r"[^\s/?#]{1,100}")), default=None, inside="unit"
    ),
}
"""How a device on a bus is told from the others there."""
SILENT_AFTER: Final = Key(
    name="silent_after_s", kind=Thousandths("1", "86400", "seconds"), default=300, inside="silent_after_ms"
)
_NUMBER: Final = Text("the device's number, 1 to 64 characters without spaces, in quotes", re.compile(r"[!-~]{1,64}"))
METER_NUMBER: Final = Key(name="meter_number", kind=_NUMBER, default=None)
ASSET_NUMBER: Final = Key(name="asset_number", kind=_NUMBER, default=None)
MACHINE_ALSO: Final = {
    Protocol.GB26875_3: (SILENT_AFTER,),
    Protocol.MODBUS: (Key(name="plc", kind=profiles.PLC, default=None), METER_NUMBER),
    Protocol.DLT645_2007: (METER_NUMBER, ASSET_NUMBER),
    Protocol.DLT645_1997: (METER_NUMBER, ASSET_NUMBER),
    Protocol.DLT698_45: (METER_NUMBER, ASSET_NUMBER),
    Protocol.MTCONNECT: (METER_NUMBER,),
}
"""Further keys of a machine that speaks this."""
MACHINE: Final = (
    Key(name="name", kind=NAME),
    Key(name="title", kind=Text()),
    Key(name="stream_kind", kind=Choice({kind: kind for kind in STREAM_KINDS}), default="machine"),
    Key(name="bus", kind=NAME),
    Key(name="profile", kind=profiles.NAME, default=None),
    Key(name="points", kind=ListOf(profiles.NAME, 1, profiles.POINTS_LIMIT, distinct=True), default=None),
    Key(name="period_s", kind=PERIOD, default=None, inside="period_ms"),
    Key(name="keep", kind=KEEP, default=None),
    Key(name="rated_w", kind=Whole(1, 1_000_000_000, "watts"), default=None),
    Key(name="clock_off_s", kind=Thousandths("1", "86400", "seconds"), default=300, inside="clock_off_ms"),
)


class SlitUse(Enum):
    """What becomes of a gate's slit-scans: none are made, they stay on the box, or they travel in their statements."""

    OFF = "off"
    KEEP = "keep"
    SEND = "send"


class Way(Enum):
    """What goods come on: a belt that runs under the gate, or through a door by people, trolleys and forklifts."""

    BELT = "belt"
    DOOR = "door"


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
    item_px: tuple[int, int] | None
    """About how wide and high an item is in the picture."""
    speed_px_per_s: int | None
    """About how fast items pass the gate."""
    way: Way | None
    frames_per_s_milli: int | None
    """What was reached when the camera was commissioned."""
    slit: SlitUse
    slit_every_ms: int
    pictures_keep_days: int
    pictures_at_most_mb: int
    pace: Pace


CAMERA: Final = (
    Key(name="name", kind=NAME),
    Key(name="title", kind=Text()),
    Key(name="source", kind=Text("a film's path, /dev/video0 or rtsp://…")),
    Key(name="gate", kind=ListOf(PIXELS, 4, 4), inside="gate_px"),
    Key(
        name="in_normal",
        kind=ListOf(Thousandths("-1000", "1000", "direction"), 2, 2),
        inside="in_normal_milli",
    ),
    Key(name="item_px", kind=ListOf(Whole(2, 4096, "pixels"), 2, 2), default=None),
    Key(name="speed_px_per_s", kind=Whole(1, 100_000, "pixels a second"), default=None),
    Key(name="way", kind=Choice({way.value: way for way in Way}), default=None),
    Key(
        name="frames_per_s",
        kind=Thousandths("0.1", "240", "frames a second"),
        default=None,
        inside="frames_per_s_milli",
    ),
    Key(name="slit", kind=Choice({use.value: use for use in SlitUse}), default="keep"),
    Key(name="slit_every_s", kind=Thousandths("10", "86400", "seconds"), default=3600, inside="slit_every_ms"),
    Key(name="pictures_keep_days", kind=Whole(1, 3660, "days"), default=30),
    Key(name="pictures_at_most_mb", kind=Whole(1, 100_000, "megabytes"), default=256),
    Key(
        name="pace",
        kind=Choice({pace.value: pace for pace in Pace}),
        default="live",
    ),
)

CLOCK_KIND: Final = (Key(name="kind", kind=Choice({kind: kind for kind in ("system", "catch-up")}), default="system"),)
CATCH_UP: Final = (
    *CLOCK_KIND,
    Key(name="started_at_ms", kind=Whole(0, bodies.MS_LIMIT, "milliseconds since 1970")),
    Key(name="back_s", kind=Thousandths("0", "31622400", "seconds"), inside="back_ms"),
    Key(name="rate", kind=Whole(1, 100_000)),
)
CLOCK_KEYS: Final = {"system": CLOCK_KIND, "catch-up": CATCH_UP}
