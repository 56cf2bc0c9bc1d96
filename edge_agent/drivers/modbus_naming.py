"""What a device profile makes of an answer that stands alone, as in `edge-agent decode`. Pure.

Names are `<point>_<unit>`: voltage_V, energy_import_Wh; of a point without a unit, its own. Two have a short form too:
power_W for active_power_W, energy_Wh for energy_import_Wh.
"""

from collections.abc import Iterable
from typing import Final

from edge_agent.codecs.modbus_rtu import Response
from edge_agent.config.profiles import Limits, Point, Profile, Register
from edge_agent.drivers.modbus_plan import Block, Plan
from edge_agent.drivers.modbus_values import decoder_of

Named = dict[str, int | float | None]

TELLING_AT_LEAST: Final = 2
"""Points whose range says much (volts, hertz, power factor) before a profile is believed unasked."""
UNITLESS: Final = ("1", "raw")
_SHORT: Final = {"active_power": "power", "energy_import": "energy"}
_PLAUSIBLE: Final = {"V": (50, 500), "Hz": (45, 65), "A": (0, 10_000), "W": (-1e7, 1e7), "Wh": (0, 1e12)}
_TELLING: Final = ("V", "Hz")


def first_register(profile: Profile, function: int) -> int | None:
    """Where the points that this function reads begin; None when it reads none."""
    return min((point.address for point in _registers(profile, function)), default=None)


def named_values(profile: Profile, answer: Response, register: int) -> Named:
    """The profile's points that lie whole in an answer whose first register is `register`."""
    named: Named = {}
    for point in _points_in(profile, answer, register):
        value = _value(point, answer, register)
        unit = "" if point.unit in UNITLESS else f"_{point.unit}"
        for name in (point.name, _SHORT.get(point.name)):
            if name is not None:
                named[name + unit] = value
    return named


def profile_that_explains(profiles: Iterable[Profile], answer: Response, register: int | None) -> Profile | None:
    """The only profile under which the answer, read from `register` or the profile's first, is plausible throughout."""
    fitting = []
    for profile in profiles:
        start = first_register(profile, answer.function) if register is None else register
        if start is not None and _explains(profile, answer, start):
            fitting.append(profile)
    return fitting[0] if len(fitting) == 1 else None


def _explains(profile: Profile, answer: Response, register: int) -> bool:
    points = _points_in(profile, answer, register)
    if not points or max(point.end for point in points) != register + _addresses(answer, points[0]):
        return False
    values = [(point, _value(point, answer, register)) for point in points]
    telling = sum(point.unit in _TELLING or point.name.startswith("power_factor") for point, _ in values)
    return telling >= TELLING_AT_LEAST and all(_plausible(point, value) for point, value in values)


def _plausible(point: Point, value: float | None) -> bool:
    if value is None:
        return False
    low, high = (-1, 1) if point.name.startswith("power_factor") else _PLAUSIBLE.get(point.unit, (-1e18, 1e18))
    return low <= value <= high


def _registers(profile: Profile, function: int) -> list[Register]:
    return [point for point in profile.points if isinstance(point, Register) and point.function == function]


def _points_in(profile: Profile, answer: Response, register: int) -> list[Register]:
    points = _registers(profile, answer.function)
    return [
        point for point in points if register <= point.address and point.end <= register + _addresses(answer, point)
    ]


def _addresses(answer: Response, point: Register) -> int:
    return len(answer.values) * 8 if point.function.is_bits else len(answer.values) // 2


def _value(point: Register, answer: Response, register: int) -> int | float | None:
    offset = point.address - register
    if point.function.is_bits:
        values = bytes((answer.values[offset // 8] >> offset % 8 & 1,))
    else:
        values = answer.values[2 * offset : 2 * (point.end - register)]
    block = Block(function=point.function, address=point.address, count=point.end - point.address, points=(0,))
    plan = Plan(points=(point,), limits=Limits(), blocks=(block,))
    (value,) = decoder_of(plan, block)(values)
    return value if value is None or not point.decimals else value / 10**point.decimals
