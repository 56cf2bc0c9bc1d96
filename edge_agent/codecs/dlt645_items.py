"""What the data of a DL/T 645 answer say: fields of decimal digits, texts and instants, as exact values. Pure.

Rules (DL/T 645-2007, annex A and its notes):
1. Decimal digits, two a byte, low byte first; a half byte beyond 9 is FrameError bcd.
2. All bytes FF: the meter has no such value; None.
3. Where a field has a sign it is the top bit of its highest byte.
4. A measured value is a decimal as text, so that nothing is lost; a count is an integer.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final

from edge_agent.codecs.errors import FrameError, FrameFault

Value = str | int | None


class Shape(Enum):
    """How a field lies in its bytes."""

    NUMBER = "number"
    """Digits with a fixed point, as text."""
    COUNT = "count"
    """Digits, as an integer."""
    DIGITS = "digits"
    """Digits with their leading zeros: addresses and numbers of things."""
    INSTANT = "instant"
    """A date, a time, or both; all zero means that it never happened."""
    TEXT = "text"
    """ASCII, last letter first like every field; the frame's end may be its end."""
    BITS = "bits"
    """Bytes as they are, high byte first, in hexadecimal digits; width 0 takes what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value in an answer."""

    name: str
    shape: Shape
    format: str = ""
    """Of a number `XXX.X`, of an instant `YYMMDDhhmmss`; W is the day of the week."""
    octets: int
    signed: bool = False

    @property
    def decimals(self) -> int:
        """Digits after the point."""
        return len(self.format.partition(".")[2])

    def take(self, octets: bytes) -> Value:
        """The value of exactly this field's bytes, low byte first."""
        if octets and octets.count(0xFF) == len(octets):
            return None
        match self.shape:
            case Shape.NUMBER | Shape.COUNT:
                found = whole(octets, signed=self.signed)
                return found if self.shape is Shape.COUNT else fixed_point(found, self.decimals)
            case Shape.DIGITS:
                return digits(octets)
            case Shape.INSTANT:
                return _instant(self.format, digits(octets))
            case Shape.TEXT:
                return octets[::-1].strip(b"\0\xff ").decode("ascii", "backslashreplace")
            case Shape.BITS:
                return octets[::-1].hex().upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one data identifier gives: a record of fields, once or as often as there are bytes for."""

    kind: str
    """The quantity: `voltage` for every phase, `active_energy` for every direction and tariff."""
    name: str
    """This very item: `voltage_a`, `forward_active_energy_tariff_1`."""
    fields: tuple[Field, ...]
    """The one named `value` is what the item is about."""
    unit: str | None = None
    """Of the value; empty for a pure number, None for what is no number."""
    repeats: bool = False

    @property
    def octets(self) -> int:
        """Bytes of one record; one with an open end has 0 for that."""
        return sum(field.octets for field in self.fields)

    @property
    def is_open(self) -> bool:
        """Whether its last field takes what is left."""
        last = self.fields[-1]
        return last.octets == 0 or last.shape is Shape.TEXT


Record = tuple[Value, ...]
"""One record's values, in the order of the item's fields."""


def records_of(item: Item, octets: bytes) -> list[Record]:
    """The records in an answer's data (without its DI); FrameError length when they do not fill it exactly."""
    size = item.octets
    if item.is_open:
        if len(octets) < size - item.fields[-1].octets:
            raise FrameError(FrameFault.LENGTH, f"{len(octets)} bytes of {item.name}, which has at least {size}.")
        return [_record(item, octets)]
    octets = _without_separators(octets, size)
    if not octets or len(octets) % size or (len(octets) > size and not item.repeats):
        wanted = f"a multiple of {size}" if item.repeats else str(size)
        raise FrameError(FrameFault.LENGTH, f"{len(octets)} bytes of {item.name}, not {wanted}.")
    return [_record(item, octets[at : at + size]) for at in range(0, len(octets), size)]


def whole(octets: bytes, *, signed: bool = False) -> int:
    """Decimal digits, low byte first, as an integer."""
    negative = signed and bool(octets[-1] & 0x80)
    if negative:
        octets = octets[:-1] + bytes((octets[-1] & 0x7F,))
    value = int(digits(octets))
    return -value if negative else value


def digits(octets: bytes) -> str:
    """Decimal digits, low byte first, as text with the highest digit first."""
    text = octets[::-1].hex()
    if not text.isdecimal():
        raise FrameError(FrameFault.BCD, f"{text.upper()} where decimal digits stand.")
    return text


def fixed_point(value: int, decimals: int) -> str:
    """An integer of 10**-decimals as exact text."""
    if not decimals:
        return str(value)
    text = f"{abs(value):0{decimals + 1}d}"
    return f"{'-' if value < 0 else ''}{text[:-decimals]}.{text[-decimals:]}"


def number(fmt: str, *, name: str = "value", signed: bool = False) -> Field:
    """A measured value such as `XXX.X`; an odd digit has a byte of its own."""
    octets = (len(fmt) - fmt.count(".") + 1) // 2
    return Field(name=name, shape=Shape.NUMBER, format=fmt, octets=octets, signed=signed)


def count(octets: int, *, name: str = "value") -> Field:
    """How often, or how many."""
    return Field(name=name, shape=Shape.COUNT, octets=octets)


def plain_digits(octets: int, *, name: str = "value") -> Field:
    """An address or the number of a thing."""
    return Field(name=name, shape=Shape.DIGITS, octets=octets)


def instant(fmt: str, *, name: str = "value") -> Field:
    """When; such as `YYMMDDhhmmss`."""
    return Field(name=name, shape=Shape.INSTANT, format=fmt, octets=len(fmt) // 2)


def text(octets: int, *, name: str = "value") -> Field:
    """Letters; meters send fewer than the standard's number too."""
    return Field(name=name, shape=Shape.TEXT, octets=octets)


def bits(octets: int, *, name: str = "value") -> Field:
    """A word of flags; 0 takes what is left of the record."""
    return Field(name=name, shape=Shape.BITS, octets=octets)


def weekday_of(field: Field, octets: bytes) -> int | None:
    """The day of the week of an instant that has one, 0 for Sunday; None where it has none."""
    at = field.format.find("WW") // 2
    if field.shape is not Shape.INSTANT or "WW" not in field.format or octets.count(0xFF) == len(octets):
        return None
    return int(digits(octets)[2 * at : 2 * at + 2])


SEPARATOR: Final = 0xAA
"""What a 1997 meter may put between the parts of a set and at its end."""


def _without_separators(octets: bytes, size: int) -> bytes:
    if octets.endswith(bytes((SEPARATOR,))) and len(octets) % size == 1:
        return octets[:-1]
    return octets


def _record(item: Item, octets: bytes) -> Record:
    values, at = [], 0
    for field in item.fields:
        end = len(octets) if field is item.fields[-1] else at + field.octets
        values.append(field.take(octets[at:end]))
        at = end
    return tuple(values)


_HIGHEST: Final = {"hh": 23, "mm": 59, "ss": 59}


def _instant(fmt: str, found: str) -> str | None:
    """ISO 8601 as far as the format tells, years 2000 to 2099; None for a date of zeros."""
    part = {fmt[at : at + 2]: found[at : at + 2] for at in range(0, len(fmt), 2)}
    has_date = "DD" in part
    if has_date and not found.strip("0"):
        return None
    try:
        if has_date:
            date(2000 + int(part.get("YY", "00")), int(part["MM"]), int(part["DD"]))
    except ValueError as wrong:
        raise FrameError(FrameFault.VALUE, f"{found} is no {fmt}.") from wrong
    if any(int(part[key]) > highest for key, highest in _HIGHEST.items() if key in part):
        raise FrameError(FrameFault.VALUE, f"{found} is no {fmt}.")
    year = "20" + part["YY"] if "YY" in part else ""
    day = "-".join(filter(None, (year, part.get("MM"), part.get("DD"))))
    hour = ":".join(part[key] for key in _HIGHEST if key in part)
    return "T".join(filter(None, (day, hour)))
