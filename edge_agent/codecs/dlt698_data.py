"""DL/T 698.45 data types: A-XDR bytes become values, and nothing else (DL/T 698.45, 8.3; A-XDR: DL/T 790.6).

A value has the tag's type: null None, numbers int or float, bool bool, bit strings text of 0 and 1 with bit 0 first,
octet strings bytes, text str, dates ISO 8601 text (None where a part is not stated), arrays and structures tuples of
`Data`, and what selects or names objects a mapping of plain values. Depth and counts are bounded.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import IntEnum
from typing import Final, TypeAlias

from edge_agent.codecs.errors import FrameError, FrameFault

DEPTH_LIMIT: Final = 8
"""Arrays and structures within each other."""
ELEMENTS_LIMIT: Final = 4096
"""Elements of all arrays, structures and lists of one APDU."""

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
"""What JSON can say."""
Value: TypeAlias = "bool | int | float | str | bytes | tuple[Data, ...] | dict[str, Plain] | None"


class Kind(IntEnum):
    """The tag of a value."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOL = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DATE_TIME_S = 28
    OI = 80
    OAD = 81
    ROAD = 82
    OMD = 83
    TI = 84
    TSA = 85
    MAC = 86
    RN = 87
    REGION = 88
    SCALER_UNIT = 89
    RSD = 90
    CSD = 91
    MS = 92
    SID = 93
    SID_MAC = 94
    COMDCB = 95
    RCSD = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One value with its type."""

    kind: Kind
    value: Value


class Reader:
    """Takes fields from the front of an APDU; FrameError (length) where it ends too soon."""

    def __init__(self, apdu: bytes) -> None:
        self._apdu = apdu
        self._at = 0
        self._elements = 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._apdu) - self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise FrameError(FrameFault.LENGTH, f"{count} more bytes are stated and {self.left} are there")
        self._at += count
        return self._apdu[self._at - count : self._at]

    def number(self, size: int, *, signed: bool = False) -> int:
        """The next `size` bytes as an integer, high byte first."""
        return int.from_bytes(self.take(size), "big", signed=signed)

    def length(self) -> int:
        """A variable length (DL/T 790.6, 6.1): one byte below 80, else that many bytes after it."""
        first = self.number(1)
        if first < 0x80:  # noqa: PLR2004  the standard's own bound
            return first
        if first not in {0x81, 0x82}:
            raise FrameError(FrameFault.LIMIT, f"a length of {first - 0x80} bytes; two are the most taken")
        return self.number(first - 0x80)

    def count(self) -> int:
        """A number of elements to follow, within ELEMENTS_LIMIT for the whole APDU."""
        count = self.length()
        self._elements += count
        if self._elements > ELEMENTS_LIMIT:
            raise FrameError(FrameFault.LIMIT, f"more than {ELEMENTS_LIMIT} elements")
        return count

    def choice(self, *known: int) -> int:
        """The next byte, which must be one of `known`."""
        chosen = self.number(1)
        if chosen not in known:
            raise FrameError(FrameFault.VALUE, f"choice {chosen} is none of {known}")
        return chosen

    def hex(self, size: int) -> str:
        """The next bytes as an identifier is written: upper-case hex."""
        return self.take(size).hex().upper()


def read_data(reader: Reader, depth: int = 0) -> Data:
    """The next value with its tag. Raises FrameError for an unknown tag, a bad value, or one beyond the limits."""
    tag = reader.number(1)
    try:
        kind = Kind(tag)
    except ValueError as error:
        raise FrameError(FrameFault.VALUE, f"data type {tag} does not exist") from error
    return Data(kind=kind, value=_READERS[kind](reader, depth))


def plain(data: Data) -> Plain:
    """The value as JSON can say it: octet strings as hex, an infinite or undefined float as None."""
    match data.value:
        case tuple() as elements:
            return [plain(element) for element in elements]
        case bytes() as octets:
            return octets.hex()
        case float() as number if not math.isfinite(number):
            return None
        case value:
            return value


def read_date_time_s(reader: Reader) -> str | None:
    """Year, month, day, hour, minute, second; None where one is not stated or there is no such moment."""
    year, *rest = struct.unpack(">H5B", reader.take(7))
    return _moment(year, *rest)


def read_date_time(reader: Reader) -> str | None:
    """As date_time_s, with day of the week and milliseconds."""
    year, month, day, _, hour, minute, second, milliseconds = struct.unpack(">H6BH", reader.take(10))
    return _moment(year, month, day, hour, minute, second, milliseconds=milliseconds)


def read_csd(reader: Reader, _depth: int = 0) -> Plain:
    """A column: an OAD, or an OAD with the OADs of its parts."""
    return _road(reader, 0) if reader.choice(0, 1) else reader.hex(4)


def read_rcsd(reader: Reader, _depth: int = 0) -> list[Plain]:
    """The columns of a record."""
    return [read_csd(reader) for _ in range(reader.count())]


def read_rsd(reader: Reader, depth: int = 0) -> dict[str, Plain]:
    """Which rows of a record are meant: selector 0 to 10."""
    selector = reader.choice(*range(11))
    fields: dict[str, Plain] = {"selector": selector}
    match selector:
        case 1:
            fields |= {"oad": reader.hex(4), "equals": plain(_deeper(reader, depth))}
        case 2:
            fields |= _range(reader, depth)
        case 3:
            fields["ranges"] = [_range(reader, depth) for _ in range(reader.count())]
        case 4 | 5:
            fields |= {"at": read_date_time_s(reader), "meters": _ms(reader, depth)}
        case 6 | 7 | 8:
            fields |= {"from": read_date_time_s(reader), "to": read_date_time_s(reader)}
            fields |= {"every": _ti(reader, 0), "meters": _ms(reader, depth)}
        case 9:
            fields["last"] = reader.number(1)
        case 10:
            fields |= {"last": reader.number(1), "meters": _ms(reader, depth)}
        case _:
            pass
    return fields


def _deeper(reader: Reader, depth: int) -> Data:
    if depth >= DEPTH_LIMIT:
        raise FrameError(FrameFault.LIMIT, f"values nested deeper than {DEPTH_LIMIT}")
    return read_data(reader, depth + 1)


def _elements(reader: Reader, depth: int) -> tuple[Data, ...]:
    return tuple(_deeper(reader, depth) for _ in range(reader.count()))


def _number(size: int, *, signed: bool = False) -> Callable[[Reader, int], int]:
    return lambda reader, _depth: reader.number(size, signed=signed)


def _hex(size: int) -> Callable[[Reader, int], str]:
    return lambda reader, _depth: reader.hex(size)


def _bits(reader: Reader, _depth: int) -> str:
    count = reader.length()
    octets = reader.take((count + 7) // 8)
    return "".join(f"{octet:08b}" for octet in octets)[:count]


def _octets(reader: Reader, _depth: int) -> bytes:
    return reader.take(reader.length())


def _octets_hex(reader: Reader, _depth: int) -> str:
    return reader.hex(reader.length())


def _text(reader: Reader, _depth: int) -> str:
    return reader.take(reader.length()).decode("utf-8", "replace")


def _float(form: str) -> Callable[[Reader, int], float]:
    size = struct.calcsize(form)
    return lambda reader, _depth: float(struct.unpack(form, reader.take(size))[0])


def _moment(year: int, *rest: int, milliseconds: int | None = None) -> str | None:
    try:
        whole = datetime(year, *rest, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc,arg-type]
        return whole.isoformat() if milliseconds is None else f"{whole.isoformat()}.{milliseconds:03d}"
    except ValueError:
        return None


def _date(reader: Reader, _depth: int) -> str | None:
    year, month, day, _ = struct.unpack(">H3B", reader.take(5))
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _time(reader: Reader, _depth: int) -> str | None:
    hour, minute, second = reader.take(3)
    try:
        return time(hour, minute, second).isoformat()
    except ValueError:
        return None


def _road(reader: Reader, _depth: int) -> dict[str, Plain]:
    return {"oad": reader.hex(4), "parts": [reader.hex(4) for _ in range(reader.count())]}


def _ti(reader: Reader, _depth: int) -> dict[str, Plain]:
    unit = ("second", "minute", "hour", "day", "month", "year")[reader.choice(*range(6))]
    return {"unit": unit, "count": reader.number(2)}


def _region(reader: Reader, depth: int) -> dict[str, Plain]:
    """Bounds: 0 [a, b), 1 (a, b], 2 [a, b], 3 (a, b)."""
    bounds = reader.choice(0, 1, 2, 3)
    return {"bounds": bounds, "from": plain(_deeper(reader, depth)), "to": plain(_deeper(reader, depth))}


def _range(reader: Reader, depth: int) -> dict[str, Plain]:
    oad = reader.hex(4)
    first, last, step = (plain(_deeper(reader, depth)) for _ in range(3))
    return {"oad": oad, "from": first, "to": last, "every": step}


def _ms(reader: Reader, depth: int) -> Plain:
    """A set of meters: none, all, user types, addresses, configuration numbers, or regions of these."""
    chosen = reader.choice(*range(8))
    if chosen < 2:  # noqa: PLR2004  the standard's numbers: 0 none, 1 all
        return ("none", "all")[chosen]
    name = ("types", "addresses", "numbers", "type_regions", "address_regions", "number_regions")[chosen - 2]
    readers: tuple[Callable[[Reader, int], Plain], ...] = (_number(1), _octets_hex, _number(2))
    one = readers[chosen - 2] if chosen - 2 < len(readers) else _region
    return {name: [one(reader, depth) for _ in range(reader.count())]}


def _sid(reader: Reader, _depth: int) -> dict[str, Plain]:
    return {"sid": reader.hex(4), "added": _octets_hex(reader, 0)}


_READERS: Final[dict[Kind, Callable[[Reader, int], Value]]] = {
    Kind.NULL: lambda _reader, _depth: None,
    Kind.ARRAY: _elements,
    Kind.STRUCTURE: _elements,
    Kind.BOOL: lambda reader, _depth: reader.number(1) != 0,
    Kind.BIT_STRING: _bits,
    Kind.DOUBLE_LONG: _number(4, signed=True),
    Kind.DOUBLE_LONG_UNSIGNED: _number(4),
    Kind.OCTET_STRING: _octets,
    Kind.VISIBLE_STRING: _text,
    Kind.UTF8_STRING: _text,
    Kind.INTEGER: _number(1, signed=True),
    Kind.LONG: _number(2, signed=True),
    Kind.UNSIGNED: _number(1),
    Kind.LONG_UNSIGNED: _number(2),
    Kind.LONG64: _number(8, signed=True),
    Kind.LONG64_UNSIGNED: _number(8),
    Kind.ENUM: _number(1),
    Kind.FLOAT32: _float(">f"),
    Kind.FLOAT64: _float(">d"),
    Kind.DATE_TIME: lambda reader, _depth: read_date_time(reader),
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.DATE_TIME_S: lambda reader, _depth: read_date_time_s(reader),
    Kind.OI: _hex(2),
    Kind.OAD: _hex(4),
    Kind.ROAD: _road,
    Kind.OMD: _hex(4),
    Kind.TI: _ti,
    Kind.TSA: _octets_hex,
    Kind.MAC: _octets_hex,
    Kind.RN: _octets_hex,
    Kind.REGION: _region,
    Kind.SCALER_UNIT: lambda reader, _depth: {"scaler": reader.number(1, signed=True), "unit": reader.number(1)},
    Kind.RSD: read_rsd,
    Kind.CSD: lambda reader, _depth: {"column": read_csd(reader)},
    Kind.MS: lambda reader, depth: {"meters": _ms(reader, depth)},
    Kind.SID: _sid,
    Kind.SID_MAC: lambda reader, _depth: _sid(reader, 0) | {"mac": _octets_hex(reader, 0)},
    Kind.COMDCB: lambda reader, _depth: dict(
        zip(("baud", "parity", "data_bits", "stop_bits", "flow"), reader.take(5), strict=True)
    ),
    Kind.RCSD: lambda reader, _depth: {"columns": read_rcsd(reader)},
}
