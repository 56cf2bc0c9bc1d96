"""Where a PLC keeps its registers behind Modbus: `D100`, `M0`, `X17` become a function and a protocol address.

What is known of each family stands in `PLCS`, with its sources. A family that is not `checked` was written down from
one unproven source: `edge-agent check` says so, and its values are to be compared with the PLC's own screen. A family
that is not here is read by `address` alone, as every Modbus device can be.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from edge_agent.config.points import Function, WordOrder


class Numbering(Enum):
    """How the number behind a register's letters counts."""

    DECIMAL = "decimal"
    OCTAL = "octal"
    """X7 is followed by X10."""
    BYTE_AND_BIT = "byte.bit"
    """I0.7 is followed by I1.0."""
    EVEN_BYTES = "even bytes"
    """VW0 is followed by VW2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Registers of one kind that lie side by side."""

    names: tuple[str, ...]
    """The letters; several where the same register is named by its width."""
    function: Function
    base: int
    """Protocol address of the register 0 of these letters, or of `first`."""
    first: int = 0
    last: int
    """Counted in registers, not in the PLC's way of writing them."""
    numbering: Numbering = Numbering.DECIMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Plc:
    """A family of PLCs."""

    vendor: str
    model: str
    checked: bool
    word_order: WordOrder
    """Of values that take two registers, unless the profile says otherwise."""
    areas: tuple[Area, ...]
    note: str = ""
    source: tuple[str, ...]


class RegisterError(ValueError):
    """The PLC has no such register; the message says what it has."""


def place_of(plc: Plc, register: str) -> tuple[Function, int]:
    """The function that reads a register and its protocol address. Raises RegisterError."""
    written = re.fullmatch(r"([A-Z]{1,3})([0-9]{1,5})(?:\.([0-7]))?", register)
    areas = [area for area in plc.areas if written and written[1] in area.names]
    if written is None or not areas:
        raise RegisterError(f"registers of the {plc.model} as {_examples(plc)}")
    number = _number(areas[0].numbering, written[2], written[3])
    for area in areas:
        if number is not None and area.first <= number <= area.last:
            return area.function, area.base + number - area.first
    raise RegisterError(", or ".join(f"{_written(area, area.first)} to {_written(area, area.last)}" for area in areas))


def _number(numbering: Numbering, digits: str, bit: str | None) -> int | None:
    """Counted in registers from 0; None when it is not written in the PLC's way."""
    match numbering:
        case Numbering.BYTE_AND_BIT:
            return None if bit is None else 8 * int(digits) + int(bit)
        case Numbering.OCTAL if bit is None:
            return int(digits, 8) if not set(digits) & {"8", "9"} else None
        case Numbering.EVEN_BYTES if bit is None and int(digits) % 2 == 0:
            return int(digits) // 2
        case Numbering.DECIMAL if bit is None:
            return int(digits)
    return None


def _written(area: Area, number: int) -> str:
    """A register as the PLC writes it."""
    match area.numbering:
        case Numbering.OCTAL:
            return f"{area.names[0]}{number:o}"
        case Numbering.BYTE_AND_BIT:
            return f"{area.names[0]}{number // 8}.{number % 8}"
        case Numbering.EVEN_BYTES:
            return f"{area.names[0]}{2 * number}"
    return f"{area.names[0]}{number}"


def _examples(plc: Plc) -> str:
    return ", ".join(dict.fromkeys(_written(area, min(area.last, 10)) for area in plc.areas if area.first == 0))


_COILS, _INPUTS = Function.COILS, Function.DISCRETE_INPUTS
_HOLDING, _ANALOG = Function.HOLDING_REGISTERS, Function.INPUT_REGISTERS
_LOW, _HIGH = WordOrder.LOW_FIRST, WordOrder.HIGH_FIRST
_OCTAL = Numbering.OCTAL

PLCS: Final = {
    "delta_dvp": Plc(
        vendor="Delta",
        model="DVP ES/SS/SA/EH",
        checked=True,
        word_order=_LOW,
        areas=(
            Area(names=("S",), function=_COILS, base=0x0000, last=1023),
            Area(names=("X",), function=_INPUTS, base=0x0400, last=255, numbering=_OCTAL),
            Area(names=("Y",), function=_COILS, base=0x0500, last=255, numbering=_OCTAL),
            Area(names=("M",), function=_COILS, base=0x0800, last=1535),
            Area(names=("M",), function=_COILS, base=0xB000, first=1536, last=4095),
            Area(names=("T",), function=_HOLDING, base=0x0600, last=255),
            Area(names=("C",), function=_HOLDING, base=0x0E00, last=199),
            Area(names=("D",), function=_HOLDING, base=0x1000, last=4095),
            Area(names=("D",), function=_HOLDING, base=0x9000, first=4096, last=9999),
        ),
        note="T and C are read as their present values.",
        source=(
            "github:GitYonglin/KVM2018 MODBUS/PLC.Address.cs",
            "github:dathlin/HslCommunication HslCommunicationDemo/PLC/Delta/Helper.cs",
            "a library for the DVP10SX (D 0x1000, M 0x0800, X 0x0400, Y 0x0500)",
        ),
    ),
    "inovance_h3u": Plc(
        vendor="Inovance",
        model="H3U/XP",
        checked=True,
        word_order=_LOW,
        areas=(
            Area(names=("M",), function=_COILS, base=0x0000, last=8511),
            Area(names=("SM",), function=_COILS, base=0x2400, last=1023),
            Area(names=("S",), function=_COILS, base=0xE000, last=4095),
            Area(names=("X",), function=_COILS, base=0xF800, last=255, numbering=_OCTAL),
            Area(names=("Y",), function=_COILS, base=0xFC00, last=255, numbering=_OCTAL),
            Area(names=("D",), function=_HOLDING, base=0x0000, last=8511),
            Area(names=("SD",), function=_HOLDING, base=0x2400, last=1023),
            Area(names=("R",), function=_HOLDING, base=0x3000, last=32767),
            Area(names=("T",), function=_HOLDING, base=0xF000, last=511),
            Area(names=("C",), function=_HOLDING, base=0xF400, last=199),
        ),
        note="The inputs X are read as coils. T and C are read as their present values.",
        source=("github:dathlin/HslCommunication Profinet/Inovance/InovanceHelper.cs, PraseInovanceH3UAddress",),
    ),
    "xinje_xc": Plc(
        vendor="Xinje",
        model="XC",
        checked=False,
        word_order=_LOW,
        areas=(
            Area(names=("M",), function=_COILS, base=0x0000, last=7999),
            Area(names=("M",), function=_COILS, base=0x6000, first=8000, last=8511),
            Area(names=("X",), function=_COILS, base=0x4000, last=1023, numbering=_OCTAL),
            Area(names=("Y",), function=_COILS, base=0x4800, last=1023, numbering=_OCTAL),
            Area(names=("S",), function=_COILS, base=0x5000, last=1023),
            Area(names=("D",), function=_HOLDING, base=0x0000, last=7999),
            Area(names=("D",), function=_HOLDING, base=0x4000, first=8000, last=8511),
            Area(names=("T",), function=_HOLDING, base=0x3000, last=618),
            Area(names=("C",), function=_HOLDING, base=0x3800, last=634),
        ),
        source=("github:dathlin/HslCommunication Profinet/XINJE/XinJEHelper.cs, PraseXinJEXCAddress",),
    ),
    "xinje_xd": Plc(
        vendor="Xinje",
        model="XD/XL",
        checked=False,
        word_order=_LOW,
        areas=(
            Area(names=("M",), function=_COILS, base=0x0000, last=20479),
            Area(names=("X",), function=_COILS, base=0x5000, last=63, numbering=_OCTAL),
            Area(names=("Y",), function=_COILS, base=0x6000, last=63, numbering=_OCTAL),
            Area(names=("S",), function=_COILS, base=0x7000, last=7999),
            Area(names=("SM",), function=_COILS, base=0x9000, last=4095),
            Area(names=("HM",), function=_COILS, base=0xC100, last=6143),
            Area(names=("D",), function=_HOLDING, base=0x0000, last=20479),
            Area(names=("SD",), function=_HOLDING, base=0x7000, last=4095),
            Area(names=("TD",), function=_HOLDING, base=0x8000, last=4095),
            Area(names=("CD",), function=_HOLDING, base=0x9000, last=4095),
            Area(names=("HD",), function=_HOLDING, base=0xA080, last=6143),
        ),
        note="X and Y of the base unit; those of expansion modules by address.",
        source=("github:dathlin/HslCommunication Profinet/XINJE/XinJEHelper.cs, PraseXinJEXD1XD2XD3XL1XL3Address",),
    ),
    "mitsubishi_fx5u": Plc(
        vendor="Mitsubishi",
        model="FX5U",
        checked=False,
        word_order=_LOW,
        areas=(
            Area(names=("X",), function=_INPUTS, base=0x0000, last=1023, numbering=_OCTAL),
            Area(names=("Y",), function=_COILS, base=0x0000, last=1023, numbering=_OCTAL),
            Area(names=("M",), function=_COILS, base=0x2000, last=7679),
            Area(names=("D",), function=_HOLDING, base=0x0000, last=7999),
        ),
        note="The default of its MODBUS device assignment, which the PLC's program may change.",
        source=("general knowledge",),
    ),
    "siemens_s7_200_smart": Plc(
        vendor="Siemens",
        model="S7-200 SMART with MBUS_SLAVE",
        checked=True,
        word_order=_HIGH,
        areas=(
            Area(names=("Q",), function=_COILS, base=0, last=255, numbering=Numbering.BYTE_AND_BIT),
            Area(names=("I",), function=_INPUTS, base=0, last=255, numbering=Numbering.BYTE_AND_BIT),
            Area(names=("AIW",), function=_ANALOG, base=0, last=55, numbering=Numbering.EVEN_BYTES),
            Area(names=("VW", "VD", "V"), function=_HOLDING, base=0, last=9999, numbering=Numbering.EVEN_BYTES),
        ),
        note="V is counted from HoldStart, which the PLC's program names; what is said here is right where it is &VB0.",
        source=("S7-200 SMART System Manual V2.3 (A5E03822230-AF), table 9-1",),
    ),
    "haiwell_like": Plc(
        vendor="Haiwell, as far as is known",
        model="whose Y begins at 1536",
        checked=False,
        word_order=_LOW,
        areas=(
            Area(names=("X",), function=_INPUTS, base=0x0000, last=1023),
            Area(names=("Y",), function=_COILS, base=0x0600, last=1023),
            Area(names=("M",), function=_COILS, base=0x0C00, last=12287),
            Area(names=("SM",), function=_COILS, base=0x4200, last=215),
            Area(names=("S",), function=_COILS, base=0x7000, last=2047),
        ),
        source=("a quick reference without the vendor's name",),
    ),
}
"""By the name that a profile's `plc` gives."""
