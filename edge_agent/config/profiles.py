"""Device profiles: what a meter's registers mean, as data, one TOML file a device (docs/profiles.md)."""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from edge_agent.codecs.gb26875_names import ANALOGUES
from edge_agent.config.schema import (
    Choice,
    Flag,
    Key,
    ListOf,
    Near,
    Reader,
    Text,
    UnfitError,
    Whole,
    shown,
)

OURS: Final = Path(__file__).parents[1] / "profiles"
"""The folder of the profiles that come with the program."""

REGISTERS_LIMIT: Final = 125
"""Registers of one read (MODBUS Application Protocol V1.1b3, 6.3 and 6.4)."""
BITS_LIMIT: Final = 2000
"""Coils or inputs of one read (the same, 6.1 and 6.2)."""


POINTS_LIMIT: Final = 128
"""Points of one device: a statement has at most 512 columns, and a point kept per minute takes four."""

UNITS: Final = (
    *("W", "kW", "VA", "var", "V", "A", "mA", "Hz", "deg", "Wh", "VAh", "varh"),
    *("ms", "s", "min", "h", "degC", "kPa", "m", "m/s", "m3", "m3/min", "L/s", "kg", "pct", "1", "raw"),
)
"""What a value may be counted in; `1` has no unit, `raw` is a register whose factor is not known."""


class Protocol(Enum):
    """What a device speaks; the points of its profile are named in that protocol's way."""

    MODBUS = "modbus"
    DLT645_2007 = "dlt645-2007"
    DLT645_1997 = "dlt645-1997"
    DLT698_45 = "dlt698.45"
    GB26875_3 = "gb26875.3"


class Function(IntEnum):
    """The four Modbus functions that only read; there are no others here."""

    COILS = 1
    DISCRETE_INPUTS = 2
    HOLDING_REGISTERS = 3
    INPUT_REGISTERS = 4

    @property
    def is_bits(self) -> bool:
        """Whether an address holds one bit, not 16."""
        return self <= Function.DISCRETE_INPUTS


class PointType(Enum):
    """How a value lies in registers, each 16 bits, high byte first."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BITFIELD = "bitfield"
    """One register as an unsigned integer; of a coil or an input, one bit."""

    @property
    def registers(self) -> int:
        """How many addresses the value takes."""
        return struct.calcsize(self.format) // 2

    @property
    def format(self) -> str:
        """The letter that `struct` has for it."""
        return _FORMATS[self.value]

    @property
    def is_float(self) -> bool:
        """IEEE 754: can say NaN."""
        return self.value.startswith("float")


_FORMATS: Final = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
    "bitfield": "H",
}


class WordOrder(Enum):
    """Which register of a longer value comes first."""

    HIGH_FIRST = "high_first"
    LOW_FIRST = "low_first"


class PointKind(Enum):
    """How a value moves: a gauge goes up and down, a counter only up until it rolls over, a state is a set of flags."""

    GAUGE = "gauge"
    COUNTER = "counter"
    STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a device: an integer with so many decimals, in `unit`."""

    name: str
    unit: str
    decimals: int
    kind: PointKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Point):
    """A point behind Modbus: integer = round(raw * scale * 10**decimals)."""

    function: Function
    address: int
    """Protocol address, zero based."""
    type: PointType
    word_order: WordOrder = WordOrder.HIGH_FIRST
    scale: Fraction = Fraction(1)
    sentinels: frozenset[float] = frozenset()
    """Raw values with which the device says "no value"; NaN and infinity always do."""

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.address + self.type.registers


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Point):
    """A point that its protocol has a number for: the DI of DL/T 645, the OAD of DL/T 698.45."""

    item: str
    """In capital hexadecimal, the highest byte first."""
    element: int | None = None
    """Which value of a block or an array, from 1; None where the item is one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component(Point):
    """A point of a fire alarm transmitter (GB/T 26875.3-2011): what None is not looked at.

    With `analogue` it is such a value of a component: integer = round(raw * scale * 10**decimals). Without, it is the
    state bits of the component, of the system when no component is named, of the transmitter when no system is either.
    """

    system_type: int | None = None
    system_address: int | None = None
    component_type: int | None = None
    component_address: str | None = None
    """8 hexadecimal digits, high byte first."""
    analogue: int | None = None
    """The kind of value: table 6 of the standard, or a maker's own from 128 on."""
    scale: Fraction | None = None
    """What one count is worth in `unit`; None for a state."""


def registers_of(points: Iterable[Point]) -> tuple[Register, ...]:
    """The points of a Modbus device, for which a profile has nothing but registers."""
    return tuple(point for point in points if isinstance(point, Register))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request to this device may ask."""

    registers: int = REGISTERS_LIMIT
    even_start: bool = False
    """Whether a read begins at an even address and takes an even number of registers."""
    gap: int = 16
    """Unwanted addresses that may be read along so as to save a request."""


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
    vendor: str
    model: str
    points: tuple[Point, ...]
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


@dataclass(frozen=True, slots=True)
class _Factor:
    """An exact factor other than 0."""

    wanted: str = "a number other than 0 between -1000000 and 1000000"

    def take(self, found: object, near: Near) -> Fraction:
        """See schema.Kind."""
        del near
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise UnfitError(shown(found))
        factor = Decimal(found)
        if not factor.is_finite() or not 0 < abs(factor) <= 1_000_000:  # noqa: PLR2004
            raise UnfitError(shown(found))
        return Fraction(factor)


def choice_of(options: Iterable[Enum]) -> Choice:
    """The members of an enum by their values."""
    return Choice({option.value: option for option in options})


def _hexadecimal(digits: int) -> Text:
    """So many capital hexadecimal digits."""
    return Text(f"{digits} digits of 0 to 9 and A to F", re.compile(f"[0-9A-F]{{{digits}}}"))


NAME: Final = Text("a name of a to z, 0 to 9 and _, at most 40 long", re.compile(r"[a-z][a-z0-9_]{0,39}"))

PROFILE: Final = (
    Key(name="id", kind=NAME),
    Key(name="vendor", kind=Text()),
    Key(name="model", kind=Text()),
    Key(name="protocol", kind=choice_of(Protocol), default="modbus"),
    Key(name="function", kind=choice_of(Function), default=None),
    Key(name="word_order", kind=choice_of(WordOrder), default="high_first"),
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
POINT: Final = (
    Key(name="name", kind=NAME),
    Key(name="unit", kind=Choice({unit: unit for unit in UNITS})),
    Key(name="decimals", kind=Whole(0, 9)),
    Key(name="kind", kind=choice_of(PointKind)),
)
REGISTER: Final = (
    *POINT,
    Key(name="address", kind=Whole(0, 0xFFFF)),
    Key(name="type", kind=choice_of(PointType)),
    Key(name="scale", kind=_Factor(), default=1),
    Key(name="function", kind=choice_of(Function), default=None),
    Key(name="word_order", kind=choice_of(WordOrder), default=None),
    Key(name="sentinels", kind=ListOf(Whole(0, (1 << 64) - 1), 1, 16), default=None),
)


_ELEMENT: Final = Key(name="element", kind=Whole(1, 64), default=None)
ITEMS: Final = {
    Protocol.DLT645_2007: (*POINT, Key(name="di", kind=_hexadecimal(8), inside="item"), _ELEMENT),
    Protocol.DLT645_1997: (*POINT, Key(name="di", kind=_hexadecimal(4), inside="item"), _ELEMENT),
    Protocol.DLT698_45: (*POINT, Key(name="oad", kind=_hexadecimal(8), inside="item"), _ELEMENT),
}
"""The keys of a point where the protocol numbers what can be asked."""
COMPONENT: Final = (
    *POINT,
    Key(name="system_type", kind=Whole(0, 255), default=None),
    Key(name="system_address", kind=Whole(0, 255), default=None),
    Key(name="component_type", kind=Whole(0, 255), default=None),
    Key(name="component_address", kind=_hexadecimal(8), default=None),
    Key(name="analogue", kind=Whole(1, 255), default=None),
    Key(name="scale", kind=_Factor(), default=None),
)
"""The keys of a point of a fire alarm transmitter."""


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
    if head["protocol"] is Protocol.MODBUS:
        points: list[Point | None] = [_register(reader, table, head, Limits(**limits)) for table in tables]
    elif head["protocol"] is Protocol.GB26875_3:
        points = [_component(reader, table) for table in tables]
    else:
        points = [_item(reader, table, head["protocol"]) for table in tables]
    names = [point.name for point in points if point]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reader.complain(f"point[{name}].name", "there twice", "a name of its own")
    return Profile(
        id=head["id"],
        protocol=head["protocol"],
        vendor=head["vendor"],
        model=head["model"],
        points=tuple(point for point in points if point),
        limits=Limits(**limits),
        serial=Serial(**serial) if serial else None,
        sha256=digest,
    )


def _item(reader: Reader, table: dict[str, Any], protocol: Protocol) -> Item | None:
    values = reader.section(table, ITEMS[protocol], f"point[{table.get('name', '?')}]")
    return None if values is None else Item(**values)


def _component(reader: Reader, table: dict[str, Any]) -> Component | None:
    where = f"point[{table.get('name', '?')}]"
    values = reader.section(table, COMPONENT, where)
    if values is None:
        return None
    before = len(reader.complaints)
    if values["kind"] is PointKind.STATE:
        if values["analogue"] is not None or values["scale"] is not None:
            reader.complain(f"{where}.kind", '"state" with an analogue value', '"gauge" or "counter"')
        return Component(**values) if len(reader.complaints) == before else None
    if values["component_address"] is None:
        reader.complain(f"{where}.component_address", "missing", "the component whose value it is")
    if values["analogue"] is None:
        reader.complain(f"{where}.analogue", "missing", 'the kind of its value, or the point\'s kind = "state"')
        return None
    if values["scale"] is None:
        kind = ANALOGUES.get(values["analogue"])
        factor = None if kind is None else _WORTH.get((kind.unit, values["unit"]))
        if kind is None or factor is None:
            found = "missing for a maker's own kind" if kind is None else f"missing, and {kind.en} is in {kind.unit}"
            reader.complain(f"{where}.scale", found, f"what a count is worth in {values['unit']}")
            return None
        values["scale"] = factor / 10**kind.decimals
    return Component(**values) if len(reader.complaints) == before else None


_WORTH: Final = {
    **{(unit, unit): Fraction(1) for unit in ("1", "m", "degC", "kPa", "s", "V", "A", "L/s", "m3/min", "m/s")},
    ("MPa", "kPa"): Fraction(1000),
    ("%LEL", "pct"): Fraction(1),
    ("A", "mA"): Fraction(1000),
}
"""How many of the second unit one of the first is: units of GB/T 26875.3 and of points."""


def _register(reader: Reader, table: dict[str, Any], head: dict[str, Any], limits: Limits) -> Register | None:
    where = f"point[{table.get('name', '?')}]"
    values = reader.section(table, REGISTER, where)
    if values is None:
        return None
    before = len(reader.complaints)
    if values["function"] is None and head["function"] is None:
        reader.complain(f"{where}.function", "missing", "the function of this point, or of the whole profile")
        return None
    values["function"] = values["function"] or head["function"]
    values["word_order"] = values["word_order"] or head["word_order"]
    patterns = values.pop("sentinels") or ()
    point = Register(**values)
    if point.function.is_bits and point.type is not PointType.BITFIELD:
        reader.complain(f"{where}.type", shown(point.type.value), '"bitfield" with function 1 or 2')
    if point.end > 0x10000 or point.type.registers > limits.registers:  # noqa: PLR2004
        reader.complain(f"{where}.address", f"{point.address} with {point.type.registers} registers", "room for them")
    if any(pattern >= 1 << 16 * point.type.registers for pattern in patterns):
        reader.complain(f"{where}.sentinels", shown(patterns), f"patterns that fit {point.type.value}")
    if len(reader.complaints) > before:
        return None
    return replace(point, sentinels=frozenset(_meaning(point.type, pattern) for pattern in patterns))


def _meaning(kind: PointType, pattern: int) -> float:
    """What a bit pattern is as a value of that type."""
    octets = pattern.to_bytes(2 * kind.registers, "big")
    value: float = struct.unpack(f">{kind.format}", octets)[0]
    return value
