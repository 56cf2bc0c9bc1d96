"""From a DL/T 645 meter's answer to the integers of a profile's points. Pure.

value = round(digits * what the last one is worth in the point's unit * 10**decimals). What an item is made of, and its
unit, the standard says; for an item that only its maker knows the profile does. None where the meter says "no value"
(all FF), where a block has no such element, or where a number is larger than a statement carries.

A date and time is in seconds since 1970, the meter's own time taken as China's (UTC+8), where all such meters are set
to it; a date alone is its midnight, a time alone the seconds since midnight. An address or number is that number.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta, timezone
from fractions import Fraction
from typing import Final

from edge_agent.codecs import dlt645_items
from edge_agent.codecs.dlt645 import item_of
from edge_agent.codecs.dlt645_frame import Edition
from edge_agent.codecs.dlt645_items import Field, Record, Shape, Value, number, records_of
from edge_agent.config.points import Item

VALUE_LIMIT: Final = 1 << 53
"""As for Modbus: beyond it no reader of a statement need hold an integer exactly."""
CHINA: Final = timezone(timedelta(hours=8))
"""Where such meters hang; without summer time since 1991."""

_WORTH: Final = {
    ("kWh", "Wh"): Fraction(1000),
    ("kvarh", "varh"): Fraction(1000),
    ("kVAh", "VAh"): Fraction(1000),
    ("kW", "W"): Fraction(1000),
    ("kvar", "var"): Fraction(1000),
    ("kVA", "VA"): Fraction(1000),
    ("A", "mA"): Fraction(1000),
    ("min", "s"): Fraction(60),
    ("%", "pct"): Fraction(1),
    ("", "1"): Fraction(1),
}
"""One of the standard's unit in the point's, where they differ."""

Decoder = Callable[[bytes], list[int | None]]
"""Takes an answer's data without the DI, gives a value a point; FrameError where it is not such an item's."""


def decoder_of(edition: Edition, points: Sequence[Item]) -> Decoder:
    """How the values of points with one and the same DI are had. Raises ValueError for a point that cannot be had."""
    item = item_for(edition, points[0])
    pickers = [_picker(item, point) for point in points]

    def decode(data: bytes) -> list[int | None]:
        records = records_of(item, data)
        return [pick(records) for pick in pickers]

    return decode


def item_for(edition: Edition, point: Item) -> dlt645_items.Item:
    """What the point's DI stands for: its profile's word first, then the standard's. ValueError without either."""
    if point.digits is not None:
        field = number(point.digits, signed=point.signed)
        repeats = point.element is not None
        return dlt645_items.Item(kind=point.name, name=point.name, fields=(field,), repeats=repeats)
    item = item_of(edition, point.item)
    if item is None:
        raise ValueError(f"{point.item}, which DL/T 645-{edition.value} does not have or which is not known here")
    return item


def _picker(item: dlt645_items.Item, point: Item) -> Callable[[list[Record]], int | None]:
    place = next(at for at, field in enumerate(item.fields) if field.name == "value")
    field, factor = item.fields[place], _factor(item, point)
    if item.repeats == (point.element is None):
        found = "a block, and no element" if item.repeats else f"one value, and element {point.element}"
        raise ValueError(f"{point.item} ({item.name}), {found}")
    element = (point.element or 1) - 1

    def pick(records: list[Record]) -> int | None:
        found = _whole(field, records[element][place]) if element < len(records) else None
        if found is None:
            return None
        exact = round(found * factor)
        return exact if -VALUE_LIMIT < exact < VALUE_LIMIT else None

    return pick


def _factor(item: dlt645_items.Item, point: Item) -> Fraction | int:
    """What one of the value's last digit is in the last decimal of the point."""
    field = next(field for field in item.fields if field.name == "value")
    if field.shape is Shape.TEXT or field.octets == 0:
        raise ValueError(f"{point.item} ({item.name}), a text")
    if field.shape is Shape.INSTANT and "DD" in field.format and "YY" not in field.format:
        raise ValueError(f"{point.item} ({item.name}), a date without a year")
    unit = "s" if field.shape is Shape.INSTANT else item.unit or ""
    worth = Fraction(1)
    if point.digits is None and point.unit not in {unit, "raw"}:
        if (unit, point.unit) not in _WORTH:
            raise ValueError(f"{point.item} ({item.name}) in {unit or 'no unit'}, and the point in {point.unit}")
        worth = _WORTH[unit, point.unit]
    factor = worth * point.scale * Fraction(10) ** (point.decimals - field.decimals)
    return factor.numerator if factor.denominator == 1 else factor


def _whole(field: Field, value: Value) -> int | None:
    """The field's value as an integer of its last digit."""
    if value is None or isinstance(value, int):
        return value
    match field.shape:
        case Shape.BITS:
            return int(value, 16)
        case Shape.INSTANT:
            return _seconds(value)
        case _:
            return int(value.replace(".", ""))


def _seconds(value: str) -> int:
    if "-" not in value:
        at = time.fromisoformat(value)
        return at.hour * 3600 + at.minute * 60 + at.second
    return int(datetime.fromisoformat(value).replace(tzinfo=CHINA).timestamp())
