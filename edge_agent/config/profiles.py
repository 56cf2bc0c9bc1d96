"""Device profiles: what a meter's registers mean, as data, one TOML file a device (docs/profiles.md)."""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from edge_agent.codecs.dlt645_frame import Edition
from edge_agent.codecs.dlt645_values import decoder_of
from edge_agent.codecs.dlt698_values import value_of
from edge_agent.codecs.gb26875_names import ANALOGUES
from edge_agent.codecs.mtconnect import Category
from edge_agent.config.plc import PLCS, RegisterError, place_of
from edge_agent.config.points import (
    BITS_LIMIT,
    POINTS_LIMIT,
    REGISTERS_LIMIT,
    UNITS,
    Bias,
    ByteOrder,
    Component,
    DataItem,
    Function,
    Input,
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
    UnfitError,
    Whole,
    shown,
)

__all__ = [
    "BAUDS",
    "BITS_LIMIT",
    "COMPONENT",
    "ITEMS",
    "LIMITS",
    "NAME",
    "OURS",
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
]

OURS: Final = Path(__file__).parents[1] / "profiles"
"""The folder of the profiles that come with the program."""

WORDS_LIMIT: Final = 64
"""Words of one state."""
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

    wanted: str = 'a number other than 0 between -1000000 and 1000000, or a fraction such as "1/3600"'

    def take(self, found: object, near: Near) -> Fraction:
        """See schema.Kind."""
        del near
        if isinstance(found, str) and re.fullmatch(r"-?[1-9][0-9]{0,6}/[1-9][0-9]{0,6}", found):
            return Fraction(found)
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise UnfitError(shown(found))
        factor = Decimal(found)
        if not factor.is_finite() or not 0 < abs(factor) <= 1_000_000:  # noqa: PLR2004
            raise UnfitError(shown(found))
        return Fraction(factor)


@dataclass(frozen=True, slots=True)
class _Pulse:
    """What one pulse is worth, as the meter's plate says it: an amount, its unit, and of how many pulses."""

    wanted: str = 'what pulses are worth, such as "1 kWh/1000", "10 L" or "1"'

    def take(self, found: object, near: Near) -> tuple[Fraction, str | None]:
        """See schema.Kind. The unit is None where it is the point's."""
        del near
        fits = _PULSE.fullmatch(found) if isinstance(found, str) else None
        if fits is None:
            raise UnfitError(shown(found))
        amount = Fraction(fits[1])
        if not 0 < amount <= 1_000_000:  # noqa: PLR2004
            raise UnfitError(shown(found))
        return amount / int(fits[3] or 1), fits[2]


_PULSE: Final = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)(?: ([A-Za-z][A-Za-z0-9]{0,4}))?(?:/([1-9][0-9]{0,6}))?")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a chip."""

    wanted: str = "a whole number from 0 to 1023, or the name of a line"

    def take(self, found: object, near: Near) -> int | str:
        """See schema.Kind."""
        number, name = Whole(0, 1023), Text(pattern=re.compile(r"[^\s]{1,40}"))
        return name.take(found, near) if isinstance(found, str) else number.take(found, near)


@dataclass(frozen=True, slots=True)
class _Words:
    """What words count as."""

    wanted: str = f"a table of 1 to {WORDS_LIMIT} words, each with a whole number from 0 to 65535"

    def take(self, found: object, near: Near) -> tuple[tuple[str, int], ...]:
        """See schema.Kind."""
        if not isinstance(found, dict) or not 1 <= len(found) <= WORDS_LIMIT:
            raise UnfitError(shown(found))
        word, number = Text(pattern=re.compile(r".{1,40}")), Whole(0, 0xFFFF)
        return tuple((word.take(key, near), number.take(value, near)) for key, value in found.items())


def choice_of(options: Iterable[Enum]) -> Choice:
    """The members of an enum by their values."""
    return Choice({option.value: option for option in options})


def _hexadecimal(digits: int) -> Text:
    """So many capital hexadecimal digits."""
    return Text(f"{digits} digits of 0 to 9 and A to F", re.compile(f"[0-9A-F]{{{digits}}}"))


NAME: Final = Text("a name of a to z, 0 to 9 and _, at most 40 long", re.compile(r"[a-z][a-z0-9_]{0,39}"))

PLC: Final = Choice({name: name for name in PLCS})

PROFILE: Final = (
    Key(name="id", kind=NAME),
    Key(name="vendor", kind=Text()),
    Key(name="model", kind=Text()),
    Key(name="protocol", kind=choice_of(Protocol), default="modbus"),
    Key(name="function", kind=choice_of(Function), default=None),
    Key(name="plc", kind=PLC, default=None),
    Key(name="word_order", kind=choice_of(WordOrder), default=None),
    Key(name="byte_order", kind=choice_of(ByteOrder), default="high_first"),
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
_REGISTER: Final = Text("a PLC's register such as D100, M0 or X17", re.compile(r"[A-Z]{1,3}[0-9]{1,5}(\.[0-7])?"))
REGISTER: Final = (
    *POINT,
    Key(name="address", kind=Whole(0, 0xFFFF), default=None),
    Key(name="register", kind=_REGISTER, default=None),
    Key(name="type", kind=choice_of(PointType)),
    Key(name="bits", kind=ListOf(Whole(0, 15), 1, 2), default=None),
    Key(name="scale", kind=_Factor(), default=1),
    Key(name="function", kind=choice_of(Function), default=None),
    Key(name="word_order", kind=choice_of(WordOrder), default=None),
    Key(name="byte_order", kind=choice_of(ByteOrder), default=None),
    Key(name="sentinels", kind=ListOf(Whole(0, (1 << 64) - 1), 1, 16), default=None),
)


_ELEMENT: Final = Key(name="element", kind=Whole(1, 64), default=None)
_SCALE: Final = Key(name="scale", kind=_Factor(), default=1)
_DIGITS: Final = (
    Key(name="digits", kind=Text("X for a digit, as in XXXXXX.XX", re.compile(r"X{1,12}(\.X{1,8})?")), default=None),
    Key(name="signed", kind=Flag(), default=False),
    _SCALE,
)
ITEMS: Final = {
    Protocol.DLT645_2007: (*POINT, Key(name="di", kind=_hexadecimal(8), inside="item"), _ELEMENT, *_DIGITS),
    Protocol.DLT645_1997: (*POINT, Key(name="di", kind=_hexadecimal(4), inside="item"), _ELEMENT, *_DIGITS),
    Protocol.DLT698_45: (*POINT, Key(name="oad", kind=_hexadecimal(8), inside="item"), _ELEMENT, _SCALE),
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
INPUT: Final = (
    *POINT,
    Key(name="line", kind=_Line()),
    Key(name="active_low", kind=Flag(), default=False),
    Key(name="bias", kind=choice_of(Bias), default="as_is"),
    Key(name="debounce_ms", kind=Whole(0, 1000), default=None),
    Key(name="pulse", kind=_Pulse(), default=None),
)
"""The keys of a digital input."""
DATA_ITEM: Final = (
    *POINT,
    Key(name="category", kind=choice_of(Category)),
    Key(name="data_item", kind=Text(), default=None),
    Key(name="type", kind=Text("a type such as EXECUTION", re.compile(r"[A-Z][A-Z0-9_]{0,59}")), default=None),
    Key(name="sub_type", kind=Text("a sub-type such as ACTUAL", re.compile(r"[A-Z][A-Z0-9_]{0,59}")), default=None),
    Key(name="states", kind=_Words(), default=None),
    Key(name="scale", kind=_Factor(), default=1),
)
"""The keys of a data item of MTConnect."""


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
    points = read_points(reader, tables, head, Limits(**limits))
    return Profile(
        id=head["id"],
        protocol=head["protocol"],
        plc=head["plc"],
        vendor=head["vendor"],
        model=head["model"],
        points=points,
        limits=Limits(**limits),
        serial=Serial(**serial) if serial else None,
        sha256=digest,
    )


def read_points(
    reader: Reader, tables: Iterable[dict[str, Any]], head: dict[str, Any], limits: Limits, *, within: str = ""
) -> tuple[Point, ...]:
    """The points of the tables [[point]]; `head` has what holds for those that do not say otherwise."""
    points: list[Point | None] = []
    for table in tables:
        where = f"{within}point[{table.get('name', '?')}]"
        match head["protocol"]:
            case Protocol.MODBUS:
                points.append(_register(reader, table, head, limits, where))
            case Protocol.GB26875_3:
                points.append(_component(reader, table, where))
            case Protocol.DIGITAL:
                points.append(_input(reader, table, where))
            case Protocol.MTCONNECT:
                points.append(_data_item(reader, table, where))
            case protocol:
                points.append(_item(reader, table, protocol, where))
    names = [point.name for point in points if point]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reader.complain(f"{within}point[{name}].name", "there twice", "a name of its own")
    return tuple(point for point in points if point)


def _item(reader: Reader, table: dict[str, Any], protocol: Protocol, where: str) -> Item | None:
    values = reader.section(table, ITEMS[protocol], where)
    if values is None:
        return None
    point = Item(**values)
    if point.signed and point.digits is None:
        reader.complain(f"{where}.signed", "true", "digits beside it, of an item that the standard does not have")
    if protocol in EDITIONS:
        try:
            decoder_of(EDITIONS[protocol], [point])
        except ValueError as wrong:
            wanted = "a number in the point's unit, one element of a block, or its maker's digits"
            reader.complain(f"{where}.di", str(wrong), wanted)
            return None
    elif protocol is Protocol.DLT698_45:
        try:
            value_of(point)
        except ValueError as wrong:
            reader.complain(f"{where}.unit", str(wrong), "the object's unit, or one that it can be had in")
            return None
    return point


EDITIONS: Final = {Protocol.DLT645_2007: Edition.E2007, Protocol.DLT645_1997: Edition.E1997}


def _component(reader: Reader, table: dict[str, Any], where: str) -> Component | None:
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


DEBOUNCE_MS: Final = {PointKind.STATE: 0, PointKind.COUNTER: 10}
"""An S0 pulse lasts 30 ms at least (EN 62053-31), and a contact stops bouncing long before."""


def _input(reader: Reader, table: dict[str, Any], where: str) -> Input | None:
    values = reader.section(table, INPUT, where)
    if values is None:
        return None
    if values["kind"] is PointKind.GAUGE:
        reader.complain(f"{where}.kind", '"gauge"', '"state" for a level, "counter" for pulses')
        return None
    if values["debounce_ms"] is None:
        values["debounce_ms"] = DEBOUNCE_MS[values["kind"]]
    amount, unit = values.pop("pulse") or (Fraction(1), None if values["unit"] in {"1", "raw"} else "")
    worth = Fraction(1) if unit in {None, values["unit"]} else _PULSES.get((unit, values["unit"]))
    if values["kind"] is PointKind.STATE:
        if "pulse" in table:
            reader.complain(f"{where}.pulse", "there for a state", 'none, or kind = "counter"')
            return None
        worth = Fraction(1)
    if worth is None:
        found = f"in {unit}" if unit else "missing"
        reader.complain(f"{where}.pulse", found, f'what one pulse is worth in {values["unit"]}, such as "1 kWh/1000"')
        return None
    return Input(**values, pulse=amount * worth)


_PULSES: Final = {
    ("kWh", "Wh"): Fraction(1000),
    ("kvarh", "varh"): Fraction(1000),
    ("kVAh", "VAh"): Fraction(1000),
    ("L", "m3"): Fraction(1, 1000),
    ("t", "kg"): Fraction(1000),
    ("g", "kg"): Fraction(1, 1000),
}
"""How many of the second unit one of the first is: units of plates and of points."""


def _data_item(reader: Reader, table: dict[str, Any], where: str) -> DataItem | None:
    values = reader.section(table, DATA_ITEM, where)
    if values is None:
        return None
    before = len(reader.complaints)
    values["states"] = values["states"] or ()
    if (values["data_item"] is None) == (values["type"] is None):
        found = "missing" if values["type"] is None else "beside type"
        reader.complain(f"{where}.data_item", found, "an id, a name, or in place of it a type")
    if values["states"] and (values["category"] is not Category.EVENT or values["scale"] != 1):
        reader.complain(f"{where}.states", "there", "none but for the words of an EVENT, without a scale")
    is_state = bool(values["states"]) or values["category"] is Category.CONDITION
    if is_state is not (values["kind"] is PointKind.STATE):
        wanted = '"state" for a CONDITION or words, else "gauge" or "counter"'
        reader.complain(f"{where}.kind", shown(values["kind"].value), wanted)
    elif is_state and values["decimals"]:
        reader.complain(f"{where}.decimals", str(values["decimals"]), "0 for a state")
    return DataItem(**values) if len(reader.complaints) == before else None


def _register(
    reader: Reader, table: dict[str, Any], head: dict[str, Any], limits: Limits, where: str
) -> Register | None:
    values = reader.section(table, REGISTER, where)
    if values is None or not _placed(reader, values, head, where):
        return None
    before = len(reader.complaints)
    plc = PLCS.get(head["plc"])
    values["word_order"] = (
        values["word_order"] or head["word_order"] or (plc.word_order if plc else WordOrder.HIGH_FIRST)
    )
    values["byte_order"] = values["byte_order"] or head["byte_order"]
    patterns, bits = values.pop("sentinels") or (), values.pop("bits")
    point = Register(**values, bits=(bits[0], bits[-1]) if bits else None)
    if point.function.is_bits and point.type is not PointType.BITFIELD:
        reader.complain(f"{where}.type", shown(point.type.value), '"bitfield" with function 1 or 2')
    if point.end > 0x10000 or point.type.registers > limits.registers:  # noqa: PLR2004
        reader.complain(f"{where}.address", f"{point.address} with {point.type.registers} registers", "room for them")
    if any(pattern >= 1 << 16 * point.type.registers for pattern in patterns):
        reader.complain(f"{where}.sentinels", shown(list(patterns)), f"patterns that fit {point.type.value}")
    if point.bits and (point.type is not PointType.BITFIELD or point.function.is_bits):
        reader.complain(f"{where}.bits", shown(list(bits)), 'no bits, or type = "bitfield" with function 3 or 4')
    if point.bits and point.bits[0] > point.bits[1]:
        reader.complain(f"{where}.bits", shown(list(bits)), "the lowest bit first")
    if len(reader.complaints) > before:
        return None
    return replace(point, sentinels=frozenset(_meaning(point.type, pattern) for pattern in patterns))


def _placed(reader: Reader, values: dict[str, Any], head: dict[str, Any], where: str) -> bool:
    """Give the point its function and its address; whether that could be done."""
    register, plc = values.pop("register"), PLCS.get(head["plc"])
    if register is None:
        values["function"] = values["function"] or head["function"]
        for key, wanted in (("address", "the protocol address"), ("function", "1 to 4, here or for the whole profile")):
            if values[key] is None:
                reader.complain(f"{where}.{key}", "missing", wanted)
                return False
        return True
    if values["address"] is not None or values["function"] is not None:
        reader.complain(f"{where}.register", f"{shown(register)} beside address or function", "one or the other")
    elif plc is None:
        reader.complain(f"{where}.register", f"{shown(register)} without `plc`", "plc = " + PLC.wanted)
    else:
        try:
            values["function"], values["address"] = place_of(plc, register)
        except RegisterError as wrong:
            reader.complain(f"{where}.register", shown(register), str(wrong))
            return False
        values["called"] = register
        return True
    return False


def _meaning(kind: PointType, pattern: int) -> float:
    """What a bit pattern is as a value of that type."""
    octets = pattern.to_bytes(2 * kind.registers, "big")
    value: float = struct.unpack(f">{kind.format}", octets)[0]
    return value
