"""The data identifiers of DL/T 645-2007, by families: what DI3.DI2.DI1.DI0 stands for (annex A, tables A.1 to A.6).

    00 energy              DI2 which, DI1 tariff (00 total, FF all), DI0 settlement period back (00 now, FF all)
    01 maximum demand      likewise, each with the minute in which it was reached
    02 what flows now      DI2 quantity, DI1 phase (00 sum, 01 to 03, FF all); 80 has the rest
    03 events              DI2 which; counters, and the last ten of each
    04 parameters          one by one
    05 frozen values       DI2 why, DI1 what, DI0 how many freezes back
    1D, 1E                 opening and closing of the load switch (State Grid's supplement)

The curves of family 06 and the parameters that only set a meter up are not told apart: their bytes stay as they are.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from edge_agent.codecs.dlt645_items import Field, Item, bits, count, instant, number, plain_digits, text

ALL: Final = 0xFF
PHASES: Final = ("", "_a", "_b", "_c")
_TARIFFS: Final = 63
_PERIODS: Final = 12
_LAST: Final = 10
"""Events that are remembered one by one."""

_ENERGY: Final = "XXXXXX.XX"
_POWER: Final = "XX.XXXX"
_SECOND: Final = "YYMMDDhhmmss"
_MINUTE: Final = "YYMMDDhhmm"


def item_2007(di: str) -> Item | None:
    """The item of a data identifier, 8 hexadecimal digits with DI3 first; None when it is not told apart."""
    family, *rest = bytes.fromhex(di)
    return _FAMILIES[family](*rest) if family in _FAMILIES else None


# 00 and 01

_TOTALS: Final = (
    ("combined_active", True),
    ("forward_active", False),
    ("reverse_active", False),
    ("combined_reactive_1", True),
    ("combined_reactive_2", True),
    ("quadrant_1_reactive", False),
    ("quadrant_2_reactive", False),
    ("quadrant_3_reactive", False),
    ("quadrant_4_reactive", False),
    ("forward_apparent", False),
    ("reverse_apparent", False),
)
"""DI2 from 00 on, each with whether it has a sign; a phase has those from forward_active on, in the same order."""
_PARTS: Final = (
    ("linked_active", True),
    ("forward_fundamental_active", False),
    ("reverse_fundamental_active", False),
    ("forward_harmonic_active", False),
    ("reverse_harmonic_active", False),
    ("copper_loss_active", True),
    ("iron_loss_active", True),
)
"""DI2 from 80 on; a phase has them too."""


def _directions() -> dict[int, tuple[str, bool]]:
    known = dict(enumerate(_TOTALS)) | dict(enumerate(_PARTS, 0x80))
    for phase, first, first_part in (("_a", 0x15, 0x94), ("_b", 0x29, 0xA8), ("_c", 0x3D, 0xBC)):
        for rows, start in ((_TOTALS[1:], first), (_PARTS, first_part)):
            known |= {at: (f"{name}@{phase}", signed) for at, (name, signed) in enumerate(rows, start)}
    return known


_DIRECTIONS: Final = _directions()
_UNITS: Final = {"active": ("kWh", "kW"), "reactive": ("kvarh", "kvar"), "apparent": ("kVAh", "kVA")}


def _quantity(direction: str) -> str:
    words = direction.partition("@")[0].split("_")
    return next(word for word in words if word in _UNITS)


def _place(di1: int, di0: int) -> str | None:
    """How a tariff and a period end the item's name; None when there are no such."""
    if di1 not in {*range(_TARIFFS + 1), ALL} or di0 not in {*range(_PERIODS + 1), ALL}:
        return None
    tariff = "" if di1 == 0 else "_tariffs" if di1 == ALL else f"_tariff_{di1}"
    period = "" if di0 == 0 else "_periods" if di0 == ALL else f"_period_{di0}"
    return tariff + period


def _energy(di2: int, di1: int, di0: int) -> Item | None:
    place = _place(di1, di0)
    if di2 not in _DIRECTIONS or place is None:
        return _credit(di2, di1, di0)
    direction, signed = _DIRECTIONS[di2]
    quantity = _quantity(direction)
    return Item(
        kind=f"{quantity}_energy",
        name=_named(direction, "energy") + place,
        fields=(number(_ENERGY, signed=signed),),
        unit=_UNITS[quantity][0],
        repeats=ALL in {di1, di0},
    )


def _credit(di2: int, di1: int, di0: int) -> Item | None:
    """What is left of what was paid in advance."""
    found = {
        (0x90, 1, 0): ("remaining_energy", "kWh"),
        (0x90, 1, 1): ("overdrawn_energy", "kWh"),
        (0x90, 2, 0): ("remaining_amount", "yuan"),
        (0x90, 2, 1): ("overdrawn_amount", "yuan"),
    }.get((di2, di1, di0))
    if found is None:
        return None
    return Item(kind=found[0], name=found[0], fields=(number(_ENERGY),), unit=found[1])


def _demand(di2: int, di1: int, di0: int) -> Item | None:
    place = _place(di1, di0)
    if di2 not in _DIRECTIONS or di2 == 0 or place is None:
        return None
    direction, signed = _DIRECTIONS[di2]
    quantity = _quantity(direction)
    return Item(
        kind=f"max_{quantity}_demand",
        name=_named(f"max_{direction}", "demand") + place,
        fields=(number(_POWER, signed=signed), instant(_MINUTE, name="at")),
        unit=_UNITS[quantity][1],
        repeats=ALL in {di1, di0},
    )


def _named(direction: str, what: str) -> str:
    name, _, phase = direction.partition("@")
    return f"{name}_{what}{phase}"


# 02

_FLOWS: Final = {
    0x01: ("voltage", "XXX.X", "V", False, 1),
    0x02: ("current", "XXX.XXX", "A", True, 1),
    0x03: ("active_power", _POWER, "kW", True, 0),
    0x04: ("reactive_power", _POWER, "kvar", True, 0),
    0x05: ("apparent_power", _POWER, "kVA", True, 0),
    0x06: ("power_factor", "X.XXX", "", True, 0),
    0x07: ("phase_angle", "XXX.X", "deg", False, 1),
    0x08: ("voltage_distortion", "XX.XX", "%", False, 1),
    0x09: ("current_distortion", "XX.XX", "%", False, 1),
}
"""Name, format, unit, whether signed, first phase."""
_HARMONICS: Final = {0x0A: "voltage_harmonic", 0x0B: "current_harmonic"}
_HARMONIC_ORDERS: Final = 21
_NOW: Final = {
    0x01: ("neutral_current", number("XXX.XXX", signed=True), "A"),
    0x02: ("frequency", number("XX.XX"), "Hz"),
    0x03: ("active_power_1min_avg", number(_POWER, signed=True), "kW"),
    0x04: ("active_demand", number(_POWER, signed=True), "kW"),
    0x05: ("reactive_demand", number(_POWER, signed=True), "kvar"),
    0x06: ("apparent_demand", number(_POWER, signed=True), "kVA"),
    0x07: ("meter_temperature", number("XXX.X", signed=True), "degC"),
    0x08: ("clock_battery_voltage", number("XX.XX"), "V"),
    0x09: ("reading_battery_voltage", number("XX.XX"), "V"),
    0x0A: ("battery_work_time", count(4), "min"),
    0x0B: ("step_price", number("XXXX.XXXX"), "yuan/kWh"),
}


def _flow(di2: int, di1: int, di0: int) -> Item | None:
    if di2 in _HARMONICS and 1 <= di1 < len(PHASES) and (1 <= di0 <= _HARMONIC_ORDERS or di0 == ALL):
        name = _HARMONICS[di2]
        order = "s" if di0 == ALL else f"_{di0}"
        field = number("XX.XX")
        return Item(kind=name, name=f"{name}{order}{PHASES[di1]}", fields=(field,), unit="%", repeats=di0 == ALL)
    if di2 not in _FLOWS or di0 != 0:
        return _now(di2, di1, di0)
    name, fmt, unit, signed, first = _FLOWS[di2]
    if di1 != ALL and not first <= di1 < len(PHASES):
        return None
    phase = "_phases" if di1 == ALL else PHASES[di1]
    return Item(kind=name, name=name + phase, fields=(number(fmt, signed=signed),), unit=unit, repeats=di1 == ALL)


def _now(di2: int, di1: int, di0: int) -> Item | None:
    if (di2, di1) != (0x80, 0) or di0 not in _NOW:
        return None
    name, field, unit = _NOW[di0]
    return Item(kind=name, name=name, fields=(field,), unit=unit)


# 03, 1D, 1E

_BY_PHASE: Final = {
    0x01: "voltage_loss",
    0x02: "undervoltage",
    0x03: "overvoltage",
    0x04: "phase_break",
    0x0B: "current_loss",
    0x0C: "overcurrent",
    0x0D: "current_break",
    0x0E: "power_reversal",
    0x0F: "overload",
}
"""Counted for each phase, with the minutes they took."""
_OF_THE_LINE: Final = {
    0x05: "all_phase_voltage_loss",
    0x06: "auxiliary_power_loss",
    0x07: "voltage_reverse_sequence",
    0x08: "current_reverse_sequence",
    0x09: "voltage_unbalance",
    0x0A: "current_unbalance",
}
"""Counted once, with the minutes they took."""
_OPERATIONS: Final = (
    "programming",
    "meter_clear",
    "demand_clear",
    "event_clear",
    "clock_set",
    "day_table_programming",
    "zone_table_programming",
    "weekend_programming",
    "holiday_programming",
    "active_combination_programming",
    "reactive_combination_1_programming",
    "reactive_combination_2_programming",
    "settlement_day_programming",
    "cover_open",
    "terminal_cover_open",
)
"""DI1 of 0330; the first letters of a witness's question: was the meter touched?"""
_COUNTED_AND_TIMED: Final = (count(3), count(3, name="minutes"))
_REST: Final = bits(0, name="rest")
_BEGUN_AND_ENDED: Final = (instant(_SECOND), instant(_SECOND, name="ended"))
_BY_WHOM: Final = plain_digits(4, name="operator")
_RECORDS: Final[dict[str, tuple[Field, ...]]] = {
    "clock_set": (_BY_WHOM, instant(_SECOND), instant(_SECOND, name="after")),
    "event_clear": (instant(_SECOND), _BY_WHOM, bits(4, name="cleared_di")),
    "cover_open": (*_BEGUN_AND_ENDED, _REST),
    "terminal_cover_open": (*_BEGUN_AND_ENDED, _REST),
}
_OPERATION: Final = 0x30
_OTHERS: Final = {
    0x11: ("power_off", _BEGUN_AND_ENDED),
    0x35: ("magnetic_interference", (*_BEGUN_AND_ENDED, _REST)),
}
_DONE_BY: Final = (instant(_SECOND), _BY_WHOM, _REST)


def _event(di2: int, di1: int, di0: int) -> Item | None:
    if di2 in _BY_PHASE:
        return _phase_event(_BY_PHASE[di2], di1, di0)
    if di2 in _OF_THE_LINE:
        return _plain_event(_OF_THE_LINE[di2], di1, di0, (*_BEGUN_AND_ENDED, _REST), counted=_COUNTED_AND_TIMED)
    if di2 == _OPERATION and di1 < len(_OPERATIONS):
        name = _OPERATIONS[di1]
        return _plain_event(name, 0, di0, _RECORDS.get(name, _DONE_BY))
    if (di2, di1, di0) == (0x12, 0, 0):
        return _counter("demand_over_limit", repeats=True)
    return _plain_event(_OTHERS[di2][0], di1, di0, _OTHERS[di2][1]) if di2 in _OTHERS else None


def _phase_event(name: str, di1: int, di0: int) -> Item | None:
    if (di1, di0) == (0, 0):
        return _counter(name, _COUNTED_AND_TIMED, repeats=True)
    if 1 <= di1 < len(PHASES) and 1 <= di0 <= _LAST:
        return _last(name, di0, (*_BEGUN_AND_ENDED, _REST), PHASES[di1])
    return None


def _switch(name: str, di2: int, di1: int, di0: int) -> Item | None:
    if (di2, di1, di0) == (0, 0, 1):
        return _counter(name)
    return _last(name, di0, _DONE_BY) if (di2, di1) == (0, 1) and 1 <= di0 <= _LAST else None


def _plain_event(
    name: str, di1: int, di0: int, fields: tuple[Field, ...], *, counted: tuple[Field, ...] = (count(3),)
) -> Item | None:
    if di1 != 0 or di0 > _LAST:
        return None
    return _counter(name, counted) if di0 == 0 else _last(name, di0, fields)


def _counter(name: str, fields: tuple[Field, ...] = (count(3),), *, repeats: bool = False) -> Item:
    return Item(kind=f"{name}_count", name=f"{name}_count", fields=fields, unit="", repeats=repeats)


def _last(name: str, back: int, fields: tuple[Field, ...], phase: str = "") -> Item:
    return Item(kind=f"last_{name}", name=f"last_{name}_{back}{phase}", fields=fields)


# 04

_PARAMETERS: Final[dict[str, tuple[str, Field, str | None]]] = {
    "000101": ("date_weekday", instant("YYMMDDWW"), None),
    "000102": ("time", instant("hhmmss"), None),
    "000103": ("demand_period", count(1), "min"),
    "000104": ("demand_slip_time", count(1), "min"),
    "000105": ("pulse_width", count(2), "ms"),
    "000106": ("zone_table_switch_time", instant(_MINUTE), None),
    "000107": ("day_table_switch_time", instant(_MINUTE), None),
    "00010C": ("date_time", instant("YYMMDDWWhhmmss"), None),
    "000201": ("zone_count", count(1), ""),
    "000202": ("day_table_count", count(1), ""),
    "000203": ("day_period_count", count(1), ""),
    "000204": ("tariff_count", count(1), ""),
    "000205": ("holiday_count", count(2), ""),
    "000206": ("harmonic_order", count(1), ""),
    "000207": ("density_rate_count", count(1), ""),
    "000301": ("display_screens", count(1), ""),
    "000302": ("display_seconds", count(1), "s"),
    "000303": ("display_energy_decimals", count(1), ""),
    "000304": ("display_power_decimals", count(1), ""),
    "000305": ("display_key_screens", count(1), ""),
    "000306": ("current_transformer_ratio", count(3), ""),
    "000307": ("voltage_transformer_ratio", count(3), ""),
    "000401": ("comm_address", plain_digits(6), None),
    "000402": ("meter_number", plain_digits(6), None),
    "000403": ("asset_code", text(32), None),
    "000404": ("rated_voltage", text(6), None),
    "000405": ("rated_current", text(6), None),
    "000406": ("max_current", text(6), None),
    "000407": ("active_accuracy", text(4), None),
    "000408": ("reactive_accuracy", text(4), None),
    "000409": ("meter_constant_active", count(3), "imp/kWh"),
    "00040A": ("meter_constant_reactive", count(3), "imp/kvarh"),
    "00040B": ("meter_model", text(10), None),
    "00040C": ("production_date", text(10), None),
    "00040D": ("protocol_version", text(16), None),
    "00040E": ("customer_number", plain_digits(6), None),
    "000501": ("status_word_1", bits(2), None),
    "000502": ("status_word_2", bits(2), None),
    "000503": ("status_word_3", bits(2), None),
    "000504": ("status_word_4", bits(2), None),
    "000505": ("status_word_5", bits(2), None),
    "000506": ("status_word_6", bits(2), None),
    "000507": ("status_word_7", bits(2), None),
    "0005FF": ("status_words", bits(2), None),
    "000601": ("active_combination_word", bits(1), None),
    "000602": ("reactive_combination_1_word", bits(1), None),
    "000603": ("reactive_combination_2_word", bits(1), None),
    "000701": ("infrared_baud_word", bits(1), None),
    "000702": ("contact_infrared_baud_word", bits(1), None),
    "000703": ("port_1_baud_word", bits(1), None),
    "000704": ("port_2_baud_word", bits(1), None),
    "000705": ("port_3_baud_word", bits(1), None),
    "000801": ("weekend_word", bits(1), None),
    "000802": ("weekend_day_table", count(1), ""),
    "000901": ("load_record_word", bits(1), None),
    "000B01": ("settlement_day_1", plain_digits(2), None),
    "000B02": ("settlement_day_2", plain_digits(2), None),
    "000B03": ("settlement_day_3", plain_digits(2), None),
    "000E01": ("forward_power_limit", number(_POWER), "kW"),
    "000E02": ("reverse_power_limit", number(_POWER), "kW"),
    "000E03": ("voltage_upper_limit", number("XXX.X"), "V"),
    "000E04": ("voltage_lower_limit", number("XXX.X"), "V"),
    "800001": ("software_version", text(32), None),
    "800002": ("hardware_version", text(32), None),
    "800003": ("maker_number", text(32), None),
}
"""DI2.DI1.DI0: name, field, unit."""


def _parameter(di2: int, di1: int, di0: int) -> Item | None:
    found = _PARAMETERS.get(f"{di2:02X}{di1:02X}{di0:02X}")
    if found is None:
        return None
    name, field, unit = found
    return Item(kind=name, name=name, fields=(field,), unit=unit, repeats=di0 == ALL)


# 05

_FREEZES: Final = ("timed", "commanded", "zone_switch", "day_table_switch", "hourly", "price_switch", "daily", "step")
_FROZEN_DEMANDS: Final = {0x09: "forward_active", 0x0A: "reverse_active"}
_FREEZES_LIMIT: Final = 254


def _frozen(di2: int, di1: int, di0: int) -> Item | None:
    if di2 >= len(_FREEZES) or not 1 <= di0 <= _FREEZES_LIMIT:
        return None
    freeze, back = _FREEZES[di2], f"_{di0}"
    if di1 == 0:
        return Item(kind="freeze_time", name=f"{freeze}_freeze_time{back}", fields=(instant(_MINUTE),))
    if di1 < 0x09:  # noqa: PLR2004  # energies, each with its tariffs
        direction, signed = _TOTALS[di1]
        quantity = _quantity(direction)
        return Item(
            kind=f"{quantity}_energy",
            name=f"{freeze}_frozen_{direction}_energy{back}",
            fields=(number(_ENERGY, signed=signed),),
            unit=_UNITS[quantity][0],
            repeats=True,
        )
    if di1 in _FROZEN_DEMANDS:
        return Item(
            kind="max_active_demand",
            name=f"{freeze}_frozen_max_{_FROZEN_DEMANDS[di1]}_demand{back}",
            fields=(number(_POWER), instant(_MINUTE, name="at")),
            unit="kW",
            repeats=True,
        )
    return None


_FAMILIES: Final[dict[int, Callable[[int, int, int], Item | None]]] = {
    0x00: _energy,
    0x01: _demand,
    0x02: _flow,
    0x03: _event,
    0x04: _parameter,
    0x05: _frozen,
    0x1D: partial(_switch, "trip"),
    0x1E: partial(_switch, "close"),
}
