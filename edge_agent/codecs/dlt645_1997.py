"""The data identifiers of DL/T 645-1997, by families: what DI1.DI0 stands for (annex A and B).

9x energy              DI1: 0/1 now, 4/5 last month, 8/9 the month before; even active, odd reactive.
Ax maximum demand      DI0: its high digit the direction (1 forward, 2 reverse, reactive also 3 to 6 quadrants),
Bx when it was           its low digit the tariff (0 total); F all
B2, B3 events
B6 what flows now      DI0: high digit the quantity, low digit the phase (0 sum, F all)
Cx parameters          one by one
"""

from typing import Final

from edge_agent.codecs.dlt645_items import Field, Item, bits, count, instant, number, plain_digits

ALL: Final = 0xF
PHASES: Final = ("", "_a", "_b", "_c")
_TARIFFS: Final = 14
_ENERGY: Final = "XXXXXX.XX"
_POWER: Final = "XX.XXXX"
_MINUTE: Final = "MMDDhhmm"


def item_1997(di: str) -> Item | None:
    """The item of a data identifier, 4 hexadecimal digits with DI1 first; None when it is not told apart."""
    di1, di0 = bytes.fromhex(di)
    tariffed = _tariffed(di1, di0)
    if tariffed is not None:
        return tariffed
    if di1 == 0xB6:  # noqa: PLR2004
        return _flow(di0 >> 4, di0 & 0xF)
    found = _SINGLES.get(di)
    if found is None:
        return None
    name, field, unit = found
    return Item(kind=name, name=name, fields=(field,), unit=unit, repeats=di0 & 0xF == ALL)


# 9x, Ax, Bx

_PERIODS: Final = {0x0: "", 0x4: "_last_month", 0x8: "_month_before_last"}
_ACTIVE: Final = {1: "forward_active", 2: "reverse_active", ALL: "active"}
_REACTIVE: Final = {
    1: "forward_reactive",
    2: "reverse_reactive",
    3: "quadrant_1_reactive",
    4: "quadrant_4_reactive",
    5: "quadrant_2_reactive",
    6: "quadrant_3_reactive",
    ALL: "reactive",
}


def _tariffed(di1: int, di0: int) -> Item | None:
    family, reactive, which, tariff = di1 >> 4, di1 & 1, di0 >> 4, di0 & 0xF
    period = _PERIODS.get(di1 & 0xE)
    direction = (_REACTIVE if reactive else _ACTIVE).get(which)
    if family not in {0x9, 0xA, 0xB} or period is None or direction is None or _TARIFFS < tariff < ALL:
        return None
    quantity = "reactive" if reactive else "active"
    place = "" if tariff == 0 else "_tariffs" if tariff == ALL else f"_tariff_{tariff}"
    repeats = ALL in {which, tariff}
    if family == 0x9:  # noqa: PLR2004
        return Item(
            kind=f"{quantity}_energy",
            name=f"{direction}_energy{place}{period}",
            fields=(number(_ENERGY),),
            unit="kvarh" if reactive else "kWh",
            repeats=repeats,
        )
    if family == 0xA:  # noqa: PLR2004
        return Item(
            kind=f"max_{quantity}_demand",
            name=f"max_{direction}_demand{place}{period}",
            fields=(number(_POWER),),
            unit="kvar" if reactive else "kW",
            repeats=repeats,
        )
    return Item(
        kind=f"max_{quantity}_demand_time",
        name=f"max_{direction}_demand_time{place}{period}",
        fields=(instant(_MINUTE),),
        repeats=repeats,
    )


# B6

_FLOWS: Final = {
    1: ("voltage", "XXX", "V", False, 1),
    2: ("current", "XX.XX", "A", False, 1),
    3: ("active_power", _POWER, "kW", True, 0),
    4: ("reactive_power", "XX.XX", "kvar", True, 0),
    5: ("power_factor", "X.XXX", "", True, 0),
}
"""Name, format, unit, whether signed, first phase."""
_FLOW_LIMITS: Final = {4: "forward_power_limit", 5: "reverse_power_limit"}


def _flow(quantity: int, phase: int) -> Item | None:
    if quantity == 3 and phase in _FLOW_LIMITS:  # noqa: PLR2004
        limit = _FLOW_LIMITS[phase]
        return Item(kind=limit, name=limit, fields=(number("XX.XX"),), unit="kW")
    if quantity not in _FLOWS:
        return None
    name, fmt, unit, signed, first = _FLOWS[quantity]
    if phase != ALL and not first <= phase < len(PHASES):
        return None
    place = "_phases" if phase == ALL else PHASES[phase]
    field = number(fmt, signed=signed)
    return Item(kind=name, name=name + place, fields=(field,), unit=unit, repeats=phase == ALL)


# B2, B3, Cx

_PHASE_LOSS: Final[dict[str, tuple[str, Field, str | None]]] = {
    f"B3{high}{low}": (f"{name}{place}", field, unit)
    for high, name, field, unit in (
        (1, "phase_loss_count", count(2), ""),
        (2, "phase_loss_time", count(3), "min"),
        (3, "last_phase_loss_begin", instant(_MINUTE), None),
        (4, "last_phase_loss_end", instant(_MINUTE), None),
    )
    for low, place in ((0, ""), (1, "_a"), (2, "_b"), (3, "_c"))
}
_SINGLES: Final[dict[str, tuple[str, Field, str | None]]] = {
    **_PHASE_LOSS,
    "B210": ("last_programming", instant(_MINUTE), None),
    "B211": ("last_demand_clear", instant(_MINUTE), None),
    "B212": ("programming_count", count(2), ""),
    "B213": ("demand_clear_count", count(2), ""),
    "B214": ("battery_work_time", count(3), "min"),
    "C010": ("date_weekday", instant("YYMMDDWW"), None),
    "C011": ("time", instant("hhmmss"), None),
    "C020": ("meter_status_word", bits(1), None),
    "C021": ("grid_status_word", bits(1), None),
    "C022": ("weekend_word", bits(1), None),
    "C030": ("meter_constant_active", count(3), "imp/kWh"),
    "C031": ("meter_constant_reactive", count(3), "imp/kvarh"),
    "C032": ("meter_number", plain_digits(6), None),
    "C033": ("customer_number", plain_digits(6), None),
    "C034": ("device_number", plain_digits(6), None),
    "C111": ("demand_period", count(1), "min"),
    "C112": ("demand_slip_time", count(1), "min"),
    "C113": ("display_seconds", count(1), "s"),
    "C114": ("display_stop_seconds", count(1), "s"),
    "C115": ("display_energy_decimals", count(1), ""),
    "C116": ("display_power_decimals", count(1), ""),
    "C117": ("reading_day", plain_digits(2), None),
    "C118": ("load_day", count(1), ""),
    "C119": ("active_energy_at_start", number("XXXXXXX.X"), "kWh"),
    "C11A": ("reactive_energy_at_start", number("XXXXXXX.X"), "kvarh"),
    "C211": ("pulse_width", count(2), "ms"),
    "C310": ("zone_count", count(1), ""),
    "C311": ("day_table_count", count(1), ""),
    "C312": ("day_period_count", count(1), ""),
    "C313": ("tariff_count", count(1), ""),
    "C314": ("holiday_count", count(1), ""),
    "C510": ("load_record_start", instant(_MINUTE), None),
    "C511": ("load_record_interval", count(2), "min"),
}
"""DI1.DI0: name, field, unit."""
