"""The points of a profile, or of a machine by itself, read and checked completely."""

import struct
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from edge_agent.codecs.dlt645_frame import Edition
from edge_agent.codecs.dlt645_values import decoder_of
from edge_agent.codecs.dlt698_values import value_of
from edge_agent.codecs.gb26875_names import ANALOGUES
from edge_agent.codecs.mtconnect import Category
from edge_agent.config.plc import PLCS, RegisterError, place_of
from edge_agent.config.point_keys import COMPONENT, DATA_ITEM, INPUT, ITEMS, PLC, REGISTER
from edge_agent.config.points import (
    Component,
    DataItem,
    Input,
    Item,
    Limits,
    Point,
    PointKind,
    PointType,
    Protocol,
    Register,
    WordOrder,
)
from edge_agent.config.schema import (
    Reader,
    shown,
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
    for point in points:
        if point is not None:
            _check(reader, point, f"{within}point[{point.name}]")
    names = [point.name for point in points if point]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reader.complain(f"{within}point[{name}].name", "there twice", "a name of its own")
    return tuple(point for point in points if point)


def _check(reader: Reader, point: Point, where: str) -> None:
    """What holds for points of every protocol."""
    is_counter = point.kind is PointKind.COUNTER
    if point.modulus is not None and not is_counter:
        reader.complain(f"{where}.modulus", f"that of a {point.kind.value}", "one of a counter")
    if point.witness and not is_counter:
        reader.complain(f"{where}.witness", f"a {point.kind.value}", "a counter of what was done to the meter")
    if point.clock and (is_counter or point.unit != "s"):
        reader.complain(f"{where}.clock", f"a {point.kind.value} in {point.unit}", "a gauge in s")


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
    if point.identity and (point.type.is_float or point.decimals):
        reader.complain(f"{where}.identity", f"{point.type.value}, decimals {point.decimals}", "a whole number")
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
