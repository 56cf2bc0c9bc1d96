"""Device profiles: what a meter's registers mean, as data, one TOML file a device (docs/profiles.md)."""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Final

REGISTERS_LIMIT: Final = 125
"""Registers of one read (MODBUS Application Protocol V1.1b3, 6.3 and 6.4)."""
BITS_LIMIT: Final = 2000
"""Coils or inputs of one read (the same, 6.1 and 6.2)."""


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
        return {"16": 1, "32": 2, "64": 4}.get(self.value[-2:], 1)

    @property
    def is_float(self) -> bool:
        """IEEE 754: can say NaN."""
        return self.value.startswith("float")


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
    """One value of a device: integer = round(raw * scale * 10**decimals), in `unit`."""

    name: str
    function: Function
    address: int
    """Protocol address, zero based."""
    type: PointType
    word_order: WordOrder = WordOrder.HIGH_FIRST
    scale: Fraction = Fraction(1)
    unit: str
    decimals: int
    kind: PointKind
    sentinels: frozenset[int] = frozenset()
    """Raw integers with which the device says "no value"; NaN and infinity always do."""

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.address + self.type.registers


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request to this device may ask."""

    registers: int = REGISTERS_LIMIT
    even_start: bool = False
    """Whether a read begins at an even address and takes an even number of registers."""
    gap: int = 16
    """Unwanted addresses that may be read along so as to save a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A device's register map."""

    id: str
    vendor: str
    model: str
    points: tuple[Point, ...]
    limits: Limits = field(default_factory=Limits)
    sha256: bytes
    """Of the file it was read from."""
