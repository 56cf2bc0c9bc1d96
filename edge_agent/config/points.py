"""The points of a device: one value each, and where its protocol keeps it. Profiles are made of them (profiles.py)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Final

from edge_agent.codecs.mtconnect import Category

REGISTERS_LIMIT: Final = 125
"""Registers of one read (MODBUS Application Protocol V1.1b3, 6.3 and 6.4)."""
BITS_LIMIT: Final = 2000
"""Coils or inputs of one read (the same, 6.1 and 6.2)."""


POINTS_LIMIT: Final = 128
"""Points of one device: a statement has at most 512 columns, and a point kept per minute takes four."""

UNITS: Final = (
    *("W", "kW", "VA", "var", "V", "A", "mA", "Hz", "deg", "Wh", "VAh", "varh", "rpm"),
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
    DIGITAL = "digital"
    MTCONNECT = "mtconnect"


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
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    """Decimal digits, four a register; no value where a half byte is beyond 9."""
    BITFIELD = "bitfield"
    """One register as an unsigned integer, or some of its bits; of a coil or an input, one bit."""

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

    @property
    def is_bcd(self) -> bool:
        """Binary coded decimal."""
        return self.value.startswith("bcd")


_FORMATS: Final = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
    "bcd16": "H",
    "bcd32": "I",
    "bitfield": "H",
}


class WordOrder(Enum):
    """Which register of a longer value comes first."""

    HIGH_FIRST = "high_first"
    LOW_FIRST = "low_first"


class ByteOrder(Enum):
    """Which byte of a register comes first; high first is the standard's way."""

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
    modulus: int | None = None
    """Of a counter: the integer at which it begins anew from 0."""
    witness: bool = False
    """Whether it counts what was done to the meter itself: a WITNESS event tells of every change."""
    clock: bool = False
    """Whether it is the device's own clock, or one of the values that make it together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Point):
    """A point behind Modbus: integer = round(raw * scale * 10**decimals)."""

    function: Function
    address: int
    """Protocol address, zero based."""
    type: PointType
    word_order: WordOrder = WordOrder.HIGH_FIRST
    byte_order: ByteOrder = ByteOrder.HIGH_FIRST
    bits: tuple[int, int] | None = None
    """The lowest and the highest bit that are meant, of a bitfield in a register; None means all."""
    scale: Fraction = Fraction(1)
    sentinels: frozenset[float] = frozenset()
    """Raw values with which the device says "no value"; NaN and infinity always do."""
    called: str | None = None
    """What the PLC calls this register, where the profile does too."""
    identity: bool = False
    """Whether it is the device's number, asked to know who answers, and no reading."""

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
    digits: str | None = None
    """Of a DL/T 645 item that the standard does not have: how its maker writes it, such as XXX.X."""
    signed: bool = False
    """Of such an item: whether its top bit is a sign."""
    scale: Fraction = Fraction(1)
    """What 1 of the value as the meter shows it is worth, beyond the protocol's own units."""


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


class Bias(Enum):
    """What the chip itself ties an open input to."""

    AS_IS = "as_is"
    PULL_UP = "pull_up"
    PULL_DOWN = "pull_down"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Point):
    """A digital input: a state is its level, 0 or 1; a counter counts its pulses, each worth `pulse` in `unit`."""

    line: int | str
    """Its number, counted from the machine's `first_line`, or the name that the chip has for it."""
    active_low: bool = False
    """Whether low counts as 1, so that a pulse begins where the line falls."""
    bias: Bias = Bias.AS_IS
    debounce_ms: int = 0
    pulse: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataItem(Point):
    """A data item of an MTConnect agent: integer = round(number * scale * 10**decimals), or the word's in `states`."""

    category: Category
    data_item: str | None = None
    """Its id, or its name."""
    type: str | None = None
    """In place of it: the type of which the device has one, such as EXECUTION."""
    sub_type: str | None = None
    states: tuple[tuple[str, int], ...] = ()
    """Of an event: what its words count as. Empty where it is a number."""
    scale: Fraction = Fraction(1)


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
