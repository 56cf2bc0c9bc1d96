"""Signed integers as quantities that a person reads: 86 kPa, 41.5 °C, 12,345.678 kWh. Pure."""

from cloud_sync.page_view import Point
from cloud_sync.words_of_events import UNITS

THOUSANDS = {"Wh": "kWh", "W": "kW", "varh": "kvarh", "var": "kvar", "VA": "kVA"}
"""Units that are said in thousands."""


def quantity(value: int, point: Point) -> str:
    """A value with its unit; no digit of it is left out but zeros behind the point's own decimals."""
    figure = number(value, point)
    unit = THOUSANDS.get(point.unit) or UNITS.get(point.unit, point.unit)
    return f"{figure} {unit}" if unit else figure


def number(value: int, point: Point) -> str:
    """The same without the unit."""
    decimals = point.decimals + (3 if point.unit in THOUSANDS else 0)
    digits = f"{abs(value):0{decimals + 1}d}"
    whole, rest = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    kept = rest.rstrip("0").ljust(min(point.decimals, decimals), "0") if rest else ""
    sign = "-" if value < 0 else ""
    return f"{sign}{int(whole):,}" + (f".{kept}" if kept else "")
