"""The data units of GB/T 26875.3-2011 (clause 8): a type, how many objects, and the objects one after the other.

What a transmitter tells (types 1 to 28) and what a monitoring centre may ask of it (61 to 91) can be read; none can be
built. Texts are GB 18030.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final, NamedTuple

from edge_agent.codecs.errors import FrameError, FrameFault
from edge_agent.codecs.gb26875_names import (
    ANALOGUES,
    COMPONENT_STATES,
    COMPONENT_TYPES,
    SYSTEM_OPERATIONS,
    SYSTEM_STATES,
    SYSTEM_TYPES,
    TRANSMITTER_OPERATIONS,
    TRANSMITTER_STATES,
    UNIT_TYPES,
    Name,
    named_bits,
)


class UnitType(IntEnum):
    """What a transmitter tells (8.1, table 3)."""

    SYSTEM_STATE = 1
    COMPONENT_STATE = 2
    ANALOGUE = 3
    OPERATION = 4
    VERSION = 5
    SYSTEM_CONFIGURATION = 6
    COMPONENT_CONFIGURATION = 7
    SYSTEM_TIME = 8
    TRANSMITTER_STATE = 21
    TRANSMITTER_OPERATION = 24
    TRANSMITTER_VERSION = 25
    TRANSMITTER_CONFIGURATION = 26
    TRANSMITTER_TIME = 28


NESTED: Final = {
    1: "system",
    2: "component",
    3: "analog",
    4: "operation",
    6: "configuration",
    7: "configuration",
    8: "clock",
    21: "transmitter",
    24: "operation",
    26: "configuration",
    28: "clock",
}
"""What the first object of a unit is called in the description of a frame."""
OF_THE_UNIT: Final = frozenset({"type", "type_name", "type_name_zh", "objects", "items", "rest"})
"""Of a description: what is not the first object's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One object of a data unit; what its type does not have is None."""

    system_type: int | None = None
    system_address: int | None = None
    component_type: int | None = None
    component_address: str | None = None
    """8 hexadecimal digits, high byte first."""
    state: int | None = None
    analogue: int | None = None
    raw: int | None = None
    """An analogue value as it was sent, signed."""
    operation: int | None = None
    operator: int | None = None
    version: str | None = None
    text: str | None = None
    count: int | None = None
    """Of a request: how many records; of a duty check: minutes."""
    at: datetime | None = None
    """By the transmitter's or the plant's clock; None also when that is no time."""


class Unit(NamedTuple):
    """A data unit as far as it could be read."""

    type: int
    announced: int
    """How many objects it says it has."""
    told: tuple[Told, ...]
    """Those that are whole; none when the type is not known."""
    rest: bytes
    """What stands behind them."""


def read_unit(octets: bytes) -> Unit:
    """Read a data unit; FrameError SHORT when it has no type and number of objects.

    Some transmitters leave out the time of every object: that is seen by the length.
    """
    if len(octets) < _ID:
        raise FrameError(FrameFault.SHORT, "a data unit begins with its type and its number of objects")
    type_, announced, rest = octets[0], octets[1], octets[_ID:]
    layout = _LAYOUTS.get(type_)
    if layout is None:
        return Unit(type_, announced, (), rest)
    if _TIME in layout and len(rest) == announced * sum(part.size for part in layout if part is not _TIME):
        layout = tuple(part for part in layout if part is not _TIME)
    told: list[Told] = []
    while len(told) < announced and (object_ := _read(layout, rest)) is not None:
        told.append(object_[0])
        rest = rest[object_[1] :]
    return Unit(type_, announced, tuple(told), rest)


def describe(octets: bytes) -> dict[str, Any]:
    """What a data unit says: the fields of its first object, and of several each in `items`.

    FrameError SHORT when it ends before its objects do.
    """
    unit = read_unit(octets)
    items = [_described(unit.type, told) for told in unit.told]
    if unit.type in _LAYOUTS and len(items) < unit.announced:
        raise FrameError(FrameFault.SHORT, f"{unit.announced} objects announced, {len(items)} there")
    described: dict[str, Any] = items[0].copy() if items else {}
    described |= {"type": unit.type, "objects": unit.announced} | ({"items": items} if len(items) > 1 else {})
    described |= _both("type_name", unit.type, UNIT_TYPES)
    return described | ({"rest": unit.rest.hex()} if unit.rest else {})


def is_written(key: str) -> bool:
    """Whether a described field says something by itself, rather than what another one means."""
    return key not in _MEANINGS and not key.endswith(("_name", "_zh"))


_MEANINGS: Final = ("states", "operations", "operation_flag", "analog_type", "in_range")


def time_of(octets: bytes) -> datetime | None:
    """Second, minute, hour, day, month, year since 2000 (8.2.2), without a zone; None when that is no time."""
    second, minute, hour, day, month, year = octets
    try:
        return datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001  # the frame names no zone
    except ValueError:
        return None


def text_of(octets: bytes) -> str:
    """GB 18030 up to the first NUL: what stands behind it is often left over from another text."""
    return octets.split(b"\0", 1)[0].decode("gb18030", errors="replace").strip()


def states_of(type_: int, state: int) -> tuple[Name, ...]:
    """What the set bits of a state mean in a unit of this type."""
    return named_bits(state, _STATES[type_])


def operations_of(type_: int, operation: int) -> tuple[Name, ...]:
    """What the set bits of an operation mean in a unit of this type."""
    return named_bits(operation, _OPERATIONS[type_])


class _Part(NamedTuple):
    """Some bytes of an object, and what they say."""

    size: int
    read: Callable[[bytes], dict[str, Any]]
    counted: bool = False
    """Whether `size` is 1 and this byte says how many follow."""


_ID: Final = 2
_SYSTEM: Final = _Part(2, lambda octets: {"system_type": octets[0], "system_address": octets[1]})
_COMPONENT_TYPE: Final = _Part(1, lambda octets: {"component_type": octets[0]})
_COMPONENT_ADDRESS: Final = _Part(4, lambda octets: {"component_address": octets[::-1].hex().upper()})
_STATE: Final = _Part(2, lambda octets: {"state": int.from_bytes(octets, "little")})
_STATE_1: Final = _Part(1, lambda octets: {"state": octets[0]})
_ANALOGUE: Final = _Part(
    3, lambda octets: {"analogue": octets[0], "raw": int.from_bytes(octets[1:], "little", signed=True)}
)
_OPERATION: Final = _Part(2, lambda octets: {"operation": octets[0], "operator": octets[1]})
_VERSION: Final = _Part(2, lambda octets: {"version": f"{octets[0]}.{octets[1]}"})
_TEXT_31: Final = _Part(31, lambda octets: {"text": text_of(octets)})
_TEXT: Final = _Part(1, lambda octets: {"text": text_of(octets[1:])}, counted=True)
_TIME: Final = _Part(6, lambda octets: {"at": time_of(octets)})
_COUNT: Final = _Part(1, lambda octets: {"count": octets[0]})
_SPARE: Final = _Part(1, lambda _: {})
_COMPONENT: Final = (_SYSTEM, _COMPONENT_TYPE, _COMPONENT_ADDRESS)

_LAYOUTS: Final[dict[int, tuple[_Part, ...]]] = {
    1: (_SYSTEM, _STATE, _TIME),
    2: (*_COMPONENT, _STATE, _TEXT_31, _TIME),
    3: (*_COMPONENT, _ANALOGUE, _TIME),
    4: (_SYSTEM, _OPERATION, _TIME),
    5: (_SYSTEM, _VERSION),
    6: (_SYSTEM, _TEXT),
    7: (*_COMPONENT, _TEXT_31),
    8: (_SYSTEM, _TIME),
    21: (_STATE_1, _TIME),
    24: (_OPERATION, _TIME),
    25: (_VERSION,),
    26: (_TEXT,),
    28: (_TIME,),
    61: (_SYSTEM,),
    62: (_SYSTEM, _COMPONENT_ADDRESS),
    63: (_SYSTEM, _COMPONENT_ADDRESS),
    64: (_SYSTEM, _COUNT, _TIME),
    65: (_SYSTEM,),
    66: (_SYSTEM,),
    67: (_SYSTEM, _COMPONENT_ADDRESS),
    68: (_SYSTEM,),
    81: (_SPARE,),
    84: (_COUNT, _TIME),
    85: (_SPARE,),
    86: (_SPARE,),
    88: (_SPARE,),
    89: (_SPARE,),
    90: (_TIME,),
    91: (_COUNT,),
}
"""8.3.1 and 8.3.2."""

_STATES: Final = {1: SYSTEM_STATES, 2: COMPONENT_STATES, 21: TRANSMITTER_STATES}
_OPERATIONS: Final = {4: SYSTEM_OPERATIONS, 24: TRANSMITTER_OPERATIONS}


def _read(layout: tuple[_Part, ...], octets: bytes) -> tuple[Told, int] | None:
    """The object that `octets` begin with, and how many bytes it takes; None when they end before it does."""
    fields: dict[str, Any] = {}
    at = 0
    for part in layout:
        size = part.size
        if part.counted and at < len(octets):
            size += octets[at]
        if at + size > len(octets):
            return None
        fields |= part.read(octets[at : at + size])
        at += size
    return Told(**fields), at


def _described(type_: int, told: Told) -> dict[str, Any]:
    """An object's fields under their public names, each number with its meaning."""
    has_time = _TIME in _LAYOUTS[type_]
    described: dict[str, Any] = {
        "system_type": told.system_type,
        "system_address": told.system_address,
        "component_type": told.component_type,
        "component_address": told.component_address,
        "operator": told.operator,
        "version": told.version,
        "description": told.text,
        "count": told.count,
    }
    described = {key: value for key, value in described.items() if value is not None}
    if has_time:
        described["time"] = None if told.at is None else told.at.isoformat()
    if told.system_type is not None:
        described |= _both("system_name", told.system_type, SYSTEM_TYPES)
    if told.component_type is not None:
        described |= _both("component_name", told.component_type, COMPONENT_TYPES)
    if told.state is not None:
        described["flag" if type_ == UnitType.TRANSMITTER_STATE else "state"] = told.state
        described |= _listed("states", states_of(type_, told.state))
    if told.operation is not None:
        described |= {"flag": told.operation, "operation_flag": told.operation}
        described |= _listed("operations", operations_of(type_, told.operation))
    return described | _analogue(told)


def _analogue(told: Told) -> dict[str, Any]:
    if told.analogue is None or told.raw is None:
        return {}
    described: dict[str, Any] = {"analog_type": told.analogue, "raw": told.raw}
    if (kind := ANALOGUES.get(told.analogue)) is not None:
        described |= {"analog": kind.en, "analog_zh": kind.zh, "value": told.raw / 10**kind.decimals, "unit": kind.unit}
        described["in_range"] = kind.least <= told.raw <= kind.most
    return described


def _both(key: str, number: int, names: dict[int, Name]) -> dict[str, str]:
    name = names.get(number)
    return {} if name is None else {key: name.en, f"{key}_zh": name.zh}


def _listed(key: str, names: tuple[Name, ...]) -> dict[str, list[str]]:
    return {key: [name.en for name in names], f"{key}_zh": [name.zh for name in names]}
