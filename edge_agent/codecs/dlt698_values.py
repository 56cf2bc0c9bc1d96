"""From a DL/T 698.45 meter's answer to integers with decimals. Pure.

value = round(raw * what one count is worth in the point's unit * 10**decimals). Where `dlt698_items` knows the object,
that worth is the standard's, times the profile's scale; elsewhere the raw integer, times that scale, has the point's
decimals already. None where the meter says "no value": null, all ones, the ends of a signed range, an unset date, or a
number no statement could carry.

A clock is in seconds since 1970, the meter's own time taken as China's (UTC+8), where all such meters are set to it.
A number of digits (address, meter number) is that number. An event's value is how often it happened, in all.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from math import isfinite
from typing import Final

from edge_agent.codecs.dlt698_data import Data, Kind
from edge_agent.codecs.dlt698_items import EVENTS, item_of
from edge_agent.config.points import Item

VALUE_LIMIT: Final = 1 << 53
"""As for Modbus: beyond it no reader of a statement need hold an integer exactly."""
CHINA: Final = timezone(timedelta(hours=8))

_NO_VALUE: Final = {
    Kind.DOUBLE_LONG: (0x7FFFFFFF, -0x80000000),
    Kind.DOUBLE_LONG_UNSIGNED: (0xFFFFFFFF,),
    Kind.LONG: (0x7FFF, -0x8000),
    Kind.LONG_UNSIGNED: (0xFFFF,),
    Kind.LONG64: (0x7FFFFFFFFFFFFFFF, -0x8000000000000000),
    Kind.LONG64_UNSIGNED: (0xFFFFFFFFFFFFFFFF,),
}
_TIMES: Final = 2
"""Members of an event's entry: source, (times, seconds)."""

ValueOf = Callable[[Data], int | None]


def value_of(point: Item) -> ValueOf:
    """How the point's value is had from its object's data. Raises ValueError when its unit does not fit the object."""
    worth = worth_of(point)
    if int(point.item[:4], 16) in EVENTS:
        return lambda data: _times(data, point.element)
    return lambda data: _value(_picked(data, point.element), worth)


def worth_of(point: Item) -> Fraction:
    """What one raw count is in the last decimal of the point. Raises ValueError when the unit does not fit."""
    item = item_of(point.item)
    if item is None:
        return point.scale
    worth = item.worth_in(point.unit)
    if worth is None:
        raise ValueError(f"{point.item} is {item.name} in {item.unit or 'no unit'}, not in {point.unit}")
    return worth * point.scale * Fraction(10) ** point.decimals


def _picked(data: Data, element: int | None) -> Data | None:
    """The element of an array or structure, from 1; without an element the value itself."""
    if element is None:
        return data
    members = data.value
    if isinstance(members, tuple) and element <= len(members):
        return members[element - 1]
    return None


def _value(data: Data | None, worth: Fraction) -> int | None:
    if data is None or data.value in _NO_VALUE.get(data.kind, ()):
        return None
    match data.value:
        case int() | float() as raw if isfinite(raw):
            value = round(Fraction(raw) * worth)
        case bytes() as octets if octets.hex().isdecimal():
            value = int(octets.hex())
        case str() as text if data.kind in {Kind.DATE_TIME_S, Kind.DATE_TIME}:
            value = round(Fraction(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp()) * worth)
        case str() as text if text.isdecimal():
            value = int(text)
        case _:
            return None
    return value if -VALUE_LIMIT < value < VALUE_LIMIT else None


def _times(data: Data, element: int | None) -> int | None:
    """How often an event happened: of one source, or of all together."""
    entries: tuple[Data | None, ...] = (data if element is None else _picked(data, element),)
    if element is None and data.kind is Kind.ARRAY and isinstance(data.value, tuple):
        entries = data.value
    counts = [_entry_times(entry) for entry in entries]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _entry_times(entry: Data | None) -> int | None:
    if entry is None or not isinstance(entry.value, tuple) or len(entry.value) != _TIMES:
        return None
    times = entry.value[1].value
    return _value(times[0], Fraction(1)) if isinstance(times, tuple) and times else None
