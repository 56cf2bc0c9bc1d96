"""How the bench says powers, times and states to a person."""

from typing import Final

from evidence.judging.judge import RunState

NAMES: Final = {
    RunState.STOPPED: "off",
    RunState.IDLE: "idle",
    RunState.RUNNING: "running",
    RunState.UNKNOWN: "unknown",
}
CHINESE: Final = {
    RunState.STOPPED: "停工",
    RunState.IDLE: "空转",
    RunState.RUNNING: "开工",
    RunState.UNKNOWN: "无数据",
}
_KILO: Final = 1000
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def name_of(state: RunState) -> str:
    """As an installer says it: a stopped machine is off."""
    return NAMES[state]


def watts(power_mw: int) -> str:
    """To three digits: `15.2 W`, `3.15 kW`."""
    power_w = power_mw / _KILO
    if abs(power_w) >= 10**6:
        return f"{power_w / 10**6:.3g} MW"
    return f"{power_w / _KILO:.3g} kW" if abs(power_w) >= _KILO - 0.5 else f"{power_w:.3g} W"


def duration(ms: int) -> str:
    """`12 s`, `3 min`, `26 h`."""
    whole_s = (ms + _KILO // 2) // _KILO
    if ms < 10 * _KILO:
        return f"{ms / _KILO:.1f} s".replace(".0 s", " s")
    if whole_s < 2 * _MINUTE_S:
        return f"{whole_s} s"
    if whole_s < 2 * _HOUR_S:
        return f"{whole_s // _MINUTE_S} min"
    return f"{whole_s / _HOUR_S:.3g} h"


def figure(thousandths: int) -> str:
    """`9.0`."""
    return f"{thousandths / _KILO:.1f}"


def ratio(milli_octaves: int) -> str:
    """How many times as much: `×1.41`."""
    return f"×{2 ** (milli_octaves / _KILO):.3g}"


def percent(thousandths: int) -> str:
    """`31 %`; less than one is said to a tenth."""
    return f"{thousandths / 10:.0f} %" if thousandths >= 10 or not thousandths else f"{thousandths / 10:.1f} %"  # noqa: PLR2004
