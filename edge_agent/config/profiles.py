"""Device profiles: what a meter's registers mean, as data, one TOML file a device (docs/profiles.md)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from edge_agent.config.point_keys import COMPONENT, DATA_ITEM, INPUT, ITEMS, NAME, PLC, POINT, REGISTER, choice_of
from edge_agent.config.point_reading import read_points
from edge_agent.config.points import (
    BITS_LIMIT,
    POINTS_LIMIT,
    REGISTERS_LIMIT,
    UNITS,
    ByteOrder,
    Component,
    Function,
    Item,
    Limits,
    Point,
    PointKind,
    PointType,
    Protocol,
    Register,
    WordOrder,
    registers_of,
)
from edge_agent.config.schema import (
    Choice,
    Flag,
    Key,
    ListOf,
    Near,
    Reader,
    Text,
    Thousandths,
    Whole,
    shown,
)

__all__ = [
    "BAUDS",
    "BITS_LIMIT",
    "COMPONENT",
    "DATA_ITEM",
    "INPUT",
    "ITEMS",
    "LIMITS",
    "NAME",
    "OURS",
    "PERIOD",
    "PLC",
    "POINT",
    "POINTS_LIMIT",
    "PROFILE",
    "REGISTER",
    "REGISTERS_LIMIT",
    "SERIAL",
    "UNITS",
    "ByteOrder",
    "Component",
    "Function",
    "Item",
    "Limits",
    "Parity",
    "Point",
    "PointKind",
    "PointType",
    "Profile",
    "Protocol",
    "Register",
    "Serial",
    "WordOrder",
    "choice_of",
    "known_profiles",
    "load_profile",
    "read_points",
    "registers_of",
    "told_apart",
]

OURS: Final = Path(__file__).parents[1] / "profiles"
"""The folder of the profiles that come with the program."""

PERIOD: Final = Thousandths("0.05", "86400", "seconds")
"""Between two askings of one machine."""
BAUDS: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


class Parity(Enum):
    """Of a serial line."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """How the device's serial port is set when it leaves the factory; what counts is the bus in box.toml."""

    baud: int
    parity: Parity
    stopbits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a kind of device can be asked for."""

    id: str
    protocol: Protocol = Protocol.MODBUS
    plc: str | None = None
    """The family whose registers its points may name (plc.py)."""
    vendor: str
    model: str
    points: tuple[Point, ...]
    identity: tuple[Register, ...] = ()
    """Of a Modbus device: its number, in as many parts; asked to know who answers, and no reading."""
    period_ms: int | None = None
    """How often a machine of this profile is asked that does not say so itself; None: as the bus says."""
    limits: Limits = field(default_factory=Limits)
    serial: Serial | None = None
    sha256: bytes
    """Of the file it was read from."""


def known_profiles(folder: Path | None) -> dict[str, Path]:
    """Every profile's file by its id: ours, and the installer's in `folder`, which come first."""
    folders = (OURS,) if folder is None else (OURS, folder)
    return {file.stem: file for each in folders for file in sorted(each.glob("*.toml"))}


def load_profile(file: Path) -> Profile:
    """Read one profile completely; ConfigurationError with every complaint when something is wrong with it."""
    reader = Reader(file=file, near=Near(folder=file.parent, credentials=None))
    try:
        text = file.read_bytes()
    except OSError as wrong:
        reader.complain("the file", f"unreadable ({wrong.strerror})", "a profile")
        text = b""
    profile = _profile(reader, reader.parse(text), sha256(text).digest())
    reader.finish()
    assert profile is not None  # noqa: S101  # or finish() would have raised
    return profile


def told_apart(points: Iterable[Point]) -> tuple[tuple[Point, ...], tuple[Register, ...]]:
    """(what is read, the device's number)."""
    points = tuple(points)
    identity = tuple(point for point in registers_of(points) if point.identity)
    return tuple(point for point in points if point not in identity), identity


PROFILE: Final = (
    Key(name="id", kind=NAME),
    Key(name="vendor", kind=Text()),
    Key(name="model", kind=Text()),
    Key(name="protocol", kind=choice_of(Protocol), default="modbus"),
    Key(name="function", kind=choice_of(Function), default=None),
    Key(name="plc", kind=PLC, default=None),
    Key(name="word_order", kind=choice_of(WordOrder), default=None),
    Key(name="byte_order", kind=choice_of(ByteOrder), default="high_first"),
    Key(name="period_s", kind=PERIOD, default=None, inside="period_ms"),
    Key(name="source", kind=ListOf(Text(), 1, 20)),
    Key(name="notes", kind=ListOf(Text(), 0, 20), default=[]),
)
SERIAL: Final = (
    Key(name="baud", kind=Choice({rate: rate for rate in BAUDS})),
    Key(name="parity", kind=choice_of(Parity), default="N"),
    Key(name="stopbits", kind=Whole(1, 2), default=1),
)
LIMITS: Final = (
    Key(name="registers", kind=Whole(1, REGISTERS_LIMIT, "registers"), default=REGISTERS_LIMIT),
    Key(name="even_start", kind=Flag(), default=False),
    Key(name="gap", kind=Whole(0, REGISTERS_LIMIT, "registers"), default=16),
)


def _profile(reader: Reader, root: dict[str, Any], digest: bytes) -> Profile | None:
    head = reader.section(root, PROFILE, "profile", also=("serial", "limits", "point"))
    limits = reader.section(reader.table(root, "limits") or {}, LIMITS, "limits")
    serial_table = reader.table(root, "serial")
    serial = reader.section(serial_table, SERIAL, "serial") if serial_table is not None else None
    tables = reader.tables(root, "point", at_most=POINTS_LIMIT)
    if not tables:
        reader.complain("point", "missing", "at least one [[point]]")
    if head is None or limits is None:
        return None
    if head["id"] != reader.file.stem:
        reader.complain("profile.id", shown(head["id"]), f'the file\'s own name, "{reader.file.stem}"')
    points, identity = told_apart(read_points(reader, tables, head, Limits(**limits)))
    if identity and not points:
        reader.complain("point", "only the device's number", "at least one [[point]] without `identity`")
    return Profile(
        id=head["id"],
        protocol=head["protocol"],
        plc=head["plc"],
        vendor=head["vendor"],
        model=head["model"],
        points=points,
        identity=identity,
        period_ms=head["period_ms"],
        limits=Limits(**limits),
        serial=Serial(**serial) if serial else None,
        sha256=digest,
    )
