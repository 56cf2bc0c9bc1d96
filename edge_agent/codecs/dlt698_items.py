"""What the objects of a DL/T 698.45 meter mean: name, unit and decimals by OAD (DL/T 698.45, annex A)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One kind of value. The integer on the wire is the value times ten to the `decimals`."""

    name: str
    unit: str = ""
    decimals: int = 0

    def worth_in(self, unit: str) -> Fraction | None:
        """What one count on the wire is in a unit of ours (`1` is no unit, `raw` any); None where it does not fit."""
        worth = Fraction(1) if unit in {self.unit or "1", "raw"} else _WORTH.get((self.unit, unit))
        return None if worth is None else worth / 10**self.decimals


_WORTH: Final = {
    ("kWh", "Wh"): Fraction(1000),
    ("kvarh", "varh"): Fraction(1000),
    ("kVAh", "VAh"): Fraction(1000),
    ("kW", "W"): Fraction(1000),
    ("W", "kW"): Fraction(1, 1000),
    ("A", "mA"): Fraction(1000),
    ("since 1970", "s"): Fraction(1),
}
"""One of the standard's unit in one of ours, where they differ."""


def item_of(oad: str) -> Item | None:
    """The item of an OAD of eight hex digits: OI, attribute, element; None where this program knows none."""
    oi, attribute = int(oad[:4], 16), int(oad[4:6], 16) & 0x1F
    if energy := _ENERGIES.get(oi & 0xFFF0):
        name, unit = energy
        decimals = {2: 2, 4: 4}.get(attribute)
        return None if decimals is None or oi & 0xF > _PHASE_C else Item(name=name, unit=unit, decimals=decimals)
    if event := EVENTS.get(oi):
        return Item(name=event) if attribute == COUNTS_ATTRIBUTE else None
    return _ITEMS.get((oi, attribute))


_PHASE_C: Final = 3
"""The last digit of an energy's OI: 0 all phases, 1 A, 2 B, 3 C."""

_ENERGIES: Final[dict[int, tuple[str, str]]] = {
    0x0000: ("combined_active_energy", "kWh"),
    0x0010: ("active_energy", "kWh"),
    0x0020: ("reverse_active_energy", "kWh"),
    0x0030: ("combined_reactive_energy_1", "kvarh"),
    0x0040: ("combined_reactive_energy_2", "kvarh"),
    0x0050: ("reactive_energy_quadrant_1", "kvarh"),
    0x0060: ("reactive_energy_quadrant_2", "kvarh"),
    0x0070: ("reactive_energy_quadrant_3", "kvarh"),
    0x0080: ("reactive_energy_quadrant_4", "kvarh"),
    0x0090: ("apparent_energy", "kVAh"),
    0x00A0: ("reverse_apparent_energy", "kVAh"),
}
"""Class 1: attribute 2 in steps of 0.01, attribute 4 of 0.0001; element 1 is the total, the tariffs follow."""

_ITEMS: Final[dict[tuple[int, int], Item]] = {
    (0x2000, 2): Item(name="voltage", unit="V", decimals=1),
    (0x2001, 2): Item(name="current", unit="A", decimals=3),
    (0x2001, 4): Item(name="neutral_current", unit="A", decimals=3),
    (0x2001, 5): Item(name="residual_current", unit="A", decimals=3),
    (0x2002, 2): Item(name="voltage_angle", unit="deg", decimals=1),
    (0x2003, 2): Item(name="phase_angle", unit="deg", decimals=1),
    (0x2004, 2): Item(name="active_power", unit="W", decimals=1),
    (0x2005, 2): Item(name="reactive_power", unit="var", decimals=1),
    (0x2006, 2): Item(name="apparent_power", unit="VA", decimals=1),
    (0x2007, 2): Item(name="active_power_minute", unit="W", decimals=1),
    (0x2008, 2): Item(name="reactive_power_minute", unit="var", decimals=1),
    (0x2009, 2): Item(name="apparent_power_minute", unit="VA", decimals=1),
    (0x200A, 2): Item(name="power_factor", decimals=3),
    (0x200F, 2): Item(name="frequency", unit="Hz", decimals=2),
    (0x2010, 2): Item(name="temperature", unit="degC", decimals=1),
    (0x2011, 2): Item(name="clock_battery", unit="V", decimals=2),
    (0x2012, 2): Item(name="backup_battery", unit="V", decimals=2),
    (0x2013, 2): Item(name="clock_battery_used", unit="min"),
    (0x2014, 2): Item(name="status_words"),
    (0x2017, 2): Item(name="active_demand", unit="kW", decimals=4),
    (0x4000, 2): Item(name="clock", unit="since 1970"),
    (0x4001, 2): Item(name="communication_address"),
    (0x4002, 2): Item(name="meter_number"),
    (0x4003, 2): Item(name="customer_number"),
    (0x4103, 2): Item(name="asset_number"),
    (0x4109, 2): Item(name="active_constant", unit="imp/kWh"),
    (0x410A, 2): Item(name="reactive_constant", unit="imp/kvarh"),
    (0x410B, 2): Item(name="meter_model"),
}
"""Voltages and currents: A, B, C; powers and power factor: total, A, B, C."""

COUNTS_ATTRIBUTE: Final = 7
"""Class 7, attribute 7: an array of (source, (times it happened, seconds it lasted)), both double-long-unsigned."""

EVENTS: Final[dict[int, str]] = {
    0x300D: "all_phase_voltage_loss_count",
    0x300F: "voltage_reverse_sequence_count",
    0x3011: "power_off_count",
    0x3012: "programming_count",
    0x3013: "meter_clear_count",
    0x3014: "demand_clear_count",
    0x3015: "event_clear_count",
    0x3016: "clock_set_count",
    0x301B: "cover_open_count",
    0x301C: "terminal_cover_open_count",
    0x301F: "trip_count",
    0x3020: "close_count",
    0x3026: "key_update_count",
    0x302A: "magnetic_interference_count",
    0x302C: "supply_fault_count",
    0x302E: "clock_fault_count",
    0x302F: "metering_fault_count",
    0x3030: "module_change_count",
}
"""Class 7 events that bear witness: what happened to the meter itself."""
